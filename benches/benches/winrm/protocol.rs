//! What the harness and its subjects agree on beside the roles: the hosts' account, and where hosts and peers are.

use std::path::Path;

pub(crate) use opsconductor_benches::role::{answer, in_role, number, role, task, text};
use serde_json::Value;

use crate::Failure;

/// The account of every simulated host. The password guards nothing.
pub(crate) const USER: &str = "Administrator";
pub(crate) const PASSWORD: &str = "correct horse battery";

/// Where the hosts listen.
pub(crate) fn ports(task: &Value) -> Result<Vec<u16>, Failure> {
    let ports = task["ports"].as_array().ok_or("the task says no ports")?;
    let port = |value: &Value| value.as_u64().and_then(|port| u16::try_from(port).ok());
    ports.iter().map(|value| port(value).ok_or_else(|| "a port of the task is none".into())).collect()
}

/// Where the peers' programs lie.
pub(crate) fn peers() -> &'static Path {
    Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/peers/winrm"))
}
