//! A worker process to kill. It enqueues one run on the database in a folder, works on it, and says `holding` on standard
//! output once it is in the middle.
//!
//! * `crash-worker FOLDER command|connection`: on a scripted host; after the command was sent, or before;
//! * `crash-worker FOLDER changes`: makes targets without end, each with its record; after the first thirty;
//! * `crash-worker FOLDER windows HOST:PORT JOB`: the job in the file JOB, on a Windows host; after its first output;
//! * `crash-worker . chaos`: does not say `holding`, and is one of the processes of a chaos run.
#![forbid(unsafe_code)]

use std::{env, fs, path::PathBuf, time::Duration};

use opsconductor_core::JobSpec;
use opsconductor_core::{
    Result,
    engine::{Run, WorkerSettings},
    run::EventKind,
    target::TargetSpec,
};
use opsconductor_tests::{
    chaos,
    fleet::{Fleet, steps},
    scripted::Scripted,
    windows,
};
use serde_json::{Map, json};

#[tokio::main]
async fn main() -> Result<()> {
    let mut arguments = env::args().skip(1);
    let folder = PathBuf::from(arguments.next().unwrap_or_default());
    match arguments.next().as_deref() {
        Some("windows") => {
            let (address, job) = (arguments.next().unwrap_or_default(), arguments.next().unwrap_or_default());
            on_windows(&folder, &address, &fs::read_to_string(job).unwrap_or_default()).await
        }
        Some("chaos") => chaos::process::obey().await,
        Some("changes") => changing(&folder).await,
        Some("connection") => on_scripted(&folder, Scripted::stuck()).await,
        _ => on_scripted(&folder, Scripted::default()).await,
    }
}

fn settings() -> WorkerSettings {
    WorkerSettings {
        lease_ttl: Duration::from_millis(1500),
        heartbeat: Duration::from_millis(500),
        ..WorkerSettings::default()
    }
}

async fn on_scripted(folder: &std::path::Path, hosts: Scripted) -> Result<()> {
    let fleet = Fleet::reopened(folder, hosts).await?;
    fleet.populate().await?;
    let _worker = fleet.engine.worker(settings())?;
    fleet.run(&steps("interrupted", &[("web-1", "hold")]), json!({})).await?;
    fleet.hosts.holding(1).await;
    announce();
    std::future::pending().await
}

async fn changing(folder: &std::path::Path) -> Result<()> {
    let fleet = Fleet::reopened(folder, Scripted::default()).await?;
    fleet.populate().await?;
    let _worker = fleet.engine.worker(settings())?;
    let credential = fleet.ops.credentials().get("admin").await?.id;
    for n in 0_u64.. {
        fleet.ops.targets().create(TargetSpec::winrm(format!("t-{n}"), "host", credential)).await?;
        if n == 30 {
            announce();
        }
    }
    Ok(())
}

async fn on_windows(folder: &std::path::Path, address: &str, job: &str) -> Result<()> {
    let engine = windows::engine(windows::store(folder)?, folder)?;
    windows::populate(&engine, address).await?;
    let _worker = engine.worker(settings())?;
    let jobs = engine.local();
    let saved = jobs.jobs().create(&JobSpec::parse(job)?).await?;
    let run = jobs.jobs().run(&saved.name, Map::new(), Default::default()).await?;
    first_output(&run).await?;
    announce();
    std::future::pending().await
}

async fn first_output(run: &Run) -> Result<()> {
    let mut events = run.events();
    while let Some(event) = events.next().await? {
        if matches!(event.kind, EventKind::StepOutput { .. }) {
            return Ok(());
        }
    }
    Ok(())
}

fn announce() {
    println!("holding");
}
