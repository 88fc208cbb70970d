//! A worker process to kill: `crash-worker FOLDER command|connection`. It enqueues one run on the database in the folder,
//! works on it, and says `holding` on standard output once it is in the middle: after the command was sent, or before.
#![forbid(unsafe_code)]

use std::{env, path::PathBuf, time::Duration};

use opsconductor_core::{Result, engine::WorkerSettings};
use opsconductor_tests::{
    fleet::{Fleet, steps},
    scripted::Scripted,
};
use serde_json::json;

#[tokio::main]
async fn main() -> Result<()> {
    let mut arguments = env::args().skip(1);
    let folder = PathBuf::from(arguments.next().unwrap_or_default());
    let hosts = match arguments.next().as_deref() {
        Some("connection") => Scripted::stuck(),
        _ => Scripted::default(),
    };
    let fleet = Fleet::reopened(&folder, hosts).await?;
    fleet.populate().await?;
    let settings = WorkerSettings {
        lease_ttl: Duration::from_millis(1500),
        heartbeat: Duration::from_millis(500),
        ..WorkerSettings::default()
    };
    let _worker = fleet.engine.worker(settings)?;
    fleet.run(&steps("interrupted", &[("web-1", "hold")]), json!({})).await?;
    fleet.hosts.holding(1).await;
    announce();
    std::future::pending().await
}

fn announce() {
    println!("holding");
}
