//! Who is measured, and what starts it.

use std::{path::Path, process::Command, time::Duration};

use opsconductor_benches::{
    role,
    subject::{Answer, Memory, PYTHON_PEERS, ask, prepared},
};
use serde_json::Value;

use crate::Failure;

/// Who is measured.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Subject {
    Ours,
    Ansible,
    Sftp,
}

impl Subject {
    /// The name without a version.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Ours => "opsconductor",
            Self::Ansible => "ansible-core",
            Self::Sftp => "sftp",
        }
    }

    /// Whether it comes from elsewhere, and so may be missing.
    pub(crate) fn is_peer(self) -> bool {
        self != Self::Ours
    }

    /// Gives it a task and waits for the answer, `limit` at most.
    pub(crate) fn run(self, task: &Value, limit: Duration) -> Result<Answer, Failure> {
        let mut command = match self {
            Self::Ours => role::in_role("ours")?,
            Self::Sftp => role::in_role("sftp")?,
            Self::Ansible => ansible()?,
        };
        ask(&mut command, task, limit, Memory::Watched)
    }
}

fn ansible() -> Result<Command, Failure> {
    let scripts = Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/peers/ssh/python"));
    let mut command = Command::new(prepared("OPSCONDUCTOR_BENCH_SSH_PYTHON", "make bench-ssh")?);
    command.arg(scripts.join("ansible_peer.py")).env("PYTHONPATH", PYTHON_PEERS);
    Ok(command)
}
