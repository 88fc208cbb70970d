//! apalis and graphile_worker: one line of JSON in, one line out.
#![forbid(unsafe_code)]

mod apalis_pg;
mod apalis_sqlite;
mod graphile;
mod queue;

use std::{error::Error, io};

use serde_json::{Value, json};

type Failure = Box<dyn Error + Send + Sync>;

fn main() -> Result<(), Failure> {
    let mut line = String::new();
    io::stdin().read_line(&mut line)?;
    let task: Value = serde_json::from_str(&line)?;
    let text = |name: &str| task[name].as_str().unwrap_or_default().to_owned();
    let peer = text("peer");
    let runtime = tokio::runtime::Runtime::new()?;
    let work = runtime.spawn(async move { perform(&task).await });
    let mut answer = runtime.block_on(work)?.unwrap_or_else(|error| json!({"error": error.to_string()}));
    answer["version"] = json!(version(&peer));
    println!("{answer}");
    // What the peer has left running does not keep the process.
    std::process::exit(0)
}

async fn perform(task: &Value) -> Result<Value, Failure> {
    let place = task["place"].as_str().ok_or("the task names no place")?;
    let setting = task["setting"].as_str().unwrap_or_default();
    match task["peer"].as_str() {
        Some("graphile_worker") => queue::perform(graphile::open(place, setting).await?, task).await,
        Some("apalis-postgres") => queue::perform(apalis_pg::open(place).await?, task).await,
        Some("apalis-sqlite") => queue::perform(apalis_sqlite::open(place).await?, task).await,
        _ => Err("the task names no peer that is here".into()),
    }
}

/// The version of a crate that this program was built with.
fn version(name: &str) -> Option<&'static str> {
    let lock = include_str!("../Cargo.lock");
    let (_, rest) = lock.split_once(&format!("name = \"{name}\"\nversion = \""))?;
    Some(rest.split_once('"')?.0)
}
