//! Who is measured, and what starts it.

use std::{path::PathBuf, process::Command, time::Duration};

use opsconductor_benches::subject::{Answer, Memory, PYTHON_PEERS, ask, prepared};
use serde_json::Value;

use crate::{Failure, protocol};

/// Who is measured.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Subject {
    Ours,
    /// Bytes that were made before the clock started, on a bare socket.
    Limit,
    Pywinrm,
    Pypsrp,
    Ansible,
    WinrmRs,
    Winrmcp,
}

impl Subject {
    /// The name without a version.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Ours => "opsconductor",
            Self::Limit => "limit",
            Self::Pywinrm => "pywinrm",
            Self::Pypsrp => "pypsrp",
            Self::Ansible => "ansible-core",
            Self::WinrmRs => "winrm-rs",
            Self::Winrmcp => "winrmcp",
        }
    }

    /// Whether it comes from elsewhere, and so may be missing.
    pub(crate) fn is_peer(self) -> bool {
        !matches!(self, Self::Ours | Self::Limit)
    }

    /// What starts it.
    fn command(self) -> Result<Command, Failure> {
        Ok(match self {
            Self::Ours => protocol::in_role("ours")?,
            Self::Limit => protocol::in_role("limit")?,
            Self::Pywinrm => python("pywinrm_peer.py")?,
            Self::Pypsrp => python("pypsrp_peer.py")?,
            Self::Ansible => python("ansible_peer.py")?,
            Self::Winrmcp => python("winrmcp_peer.py")?,
            Self::WinrmRs => Command::new(given("OPSCONDUCTOR_BENCH_WINRM_RS")?),
        })
    }

    /// Gives it a task and waits for the answer, `limit` at most.
    pub(crate) fn run(self, task: &Value, limit: Duration) -> Result<Answer, Failure> {
        ask(&mut self.command()?, task, limit, Memory::Watched)
    }
}

fn python(script: &str) -> Result<Command, Failure> {
    let mut command = Command::new(given("OPSCONDUCTOR_BENCH_PYTHON")?);
    command.arg(protocol::peers().join("python").join(script)).env("PYTHONPATH", PYTHON_PEERS);
    Ok(command)
}

/// A program that `make bench-winrm` prepared.
fn given(variable: &str) -> Result<PathBuf, Failure> {
    prepared(variable, "make bench-winrm")
}
