//! The role of ourselves: the public connector, and the engine as a host program uses it.

mod copy;
mod fleet;

use std::fs;

use opsconductor_benches::role;
use opsconductor_core::{Secret, transport::ssh::SshConnector, vault::Credential};
use serde_json::Value;

use crate::Failure;

/// Does the task that stands on standard input.
pub(crate) fn run() -> Result<(), Failure> {
    let task = role::task()?;
    let runtime = tokio::runtime::Runtime::new()?;
    // In a task, as an engine's worker does it, not on the thread that started the runtime.
    let work = runtime.spawn(async move { perform(&task).await });
    let answer = runtime.block_on(work)??;
    role::answer(&answer)?;
    Ok(())
}

async fn perform(task: &Value) -> Result<Value, Failure> {
    match role::text(task, "task")? {
        "fleet" => fleet::run(task).await,
        "copy" => copy::run(task).await,
        other => Err(format!("{other} is no task of ours").into()),
    }
}

fn connector() -> Result<SshConnector, Failure> {
    Ok(SshConnector::new()?)
}

fn credential(task: &Value) -> Result<Credential, Failure> {
    Ok(Credential::Ssh {
        username: role::text(task, "user")?.to_owned(),
        password: None,
        private_key: Some(Secret::from(fs::read_to_string(role::text(task, "key")?)?)),
        passphrase: None,
        certificate: None,
    })
}

/// Where a host listens.
fn address(host: &Value) -> Result<(&str, u16), Failure> {
    Ok((role::text(host, "address")?, u16::try_from(role::number(host, "port")?)?))
}
