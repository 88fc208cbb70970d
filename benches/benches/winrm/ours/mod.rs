//! The role of ourselves: the public connector, and the engine as a host program uses it.

mod copy;
mod fleet;
mod noop;

use async_trait::async_trait;
use bytes::Bytes;
use opsconductor_core::{
    Result, Secret,
    transport::{Endpoint, Observer, RemoteHandle, Stream, winrm::WinrmConnector},
    vault::Credential,
};
use serde_json::Value;

use crate::{Failure, protocol};

/// Wants no output.
struct Deaf;

#[async_trait]
impl Observer for Deaf {
    async fn dispatching(&mut self, _: &RemoteHandle) -> Result<()> {
        Ok(())
    }

    async fn output(&mut self, _: Stream, _: Bytes) -> Result<()> {
        Ok(())
    }
}

/// Does the task that stands on standard input.
pub(crate) fn run() -> Result<(), Failure> {
    let task = protocol::task()?;
    let runtime = tokio::runtime::Runtime::new()?;
    // In a task, as an engine's worker does it, not on the thread that started the runtime.
    let work = runtime.spawn(async move { perform(&task).await });
    let answer = runtime.block_on(work)??;
    protocol::answer(&answer)?;
    Ok(())
}

async fn perform(task: &Value) -> Result<Value, Failure> {
    match protocol::text(task, "task")? {
        "noop" => noop::latency(task).await,
        "noop_concurrent" => noop::rate(task).await,
        "fleet" => fleet::run(task).await,
        "copy" => copy::run(task).await,
        other => Err(format!("{other} is no task of ours").into()),
    }
}

fn connector() -> WinrmConnector {
    WinrmConnector::new()
}

fn credential(task: &Value) -> Result<Credential, Failure> {
    let password = Secret::from(protocol::text(task, "password")?);
    Ok(Credential::winrm(protocol::text(task, "user")?, password))
}

/// The only host of a task.
fn endpoint(task: &Value) -> Result<Endpoint, Failure> {
    let port = *protocol::ports(task)?.first().ok_or("the task has no host")?;
    Ok(Endpoint::new("sim", "127.0.0.1", port))
}
