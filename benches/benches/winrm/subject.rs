//! Who is measured, and how one of its tasks is run: as a process, watched, within a time limit.

use std::{
    env,
    io::{Read as _, Write as _},
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    sync::mpsc::{self, RecvTimeoutError},
    thread,
    time::{Duration, Instant},
};

use opsconductor_benches::memory::{peak_rss_mib, tree_pss_mib};
use serde_json::Value;

use crate::{Failure, protocol};

/// How often memory is looked at, and how much rarer than a look takes: looking must not slow the subject down.
const LOOK: Duration = Duration::from_millis(20);
const LOOK_SHARE: u32 = 30;

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

/// What a subject did.
#[derive(Debug)]
pub(crate) struct Done {
    /// What it said.
    pub(crate) said: Value,
    /// From its start to its end.
    pub(crate) wall: Duration,
    /// The most memory that it and its children had.
    pub(crate) peak_mib: f64,
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
    pub(crate) fn run(self, task: &Value, limit: Duration) -> Result<Done, Failure> {
        let started = Instant::now();
        let mut process = self.command()?.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn()?;
        let (Some(mut input), Some(mut output)) = (process.stdin.take(), process.stdout.take()) else {
            return Err("a subject has no pipes".into());
        };
        // A subject that does not read its task ends without an answer, and that is told below.
        let _ = writeln!(input, "{task}");
        drop(input);
        let (ended, end) = mpsc::channel();
        let reader = thread::spawn(move || {
            let mut text = String::new();
            let read = output.read_to_string(&mut text).map(|_| text);
            let _ = ended.send(());
            read
        });
        let peak_mib = match watch(&mut process, &end, started + limit) {
            Ok(peak) => peak,
            Err(error) => {
                let _ = process.kill();
                let _ = process.wait();
                return Err(error);
            }
        };
        let wall = started.elapsed();
        let text = reader.join().map_err(|_| "the reader of a subject panicked")??;
        let said = text.lines().last().and_then(|line| serde_json::from_str(line).ok());
        let said: Value = said.ok_or("it gave no answer")?;
        match said["error"].as_str() {
            Some(error) => Err(error.to_owned().into()),
            None => Ok(Done { said, wall, peak_mib }),
        }
    }
}

/// Watches a process until it has ended, and says how much memory it took.
fn watch(process: &mut Child, end: &mpsc::Receiver<()>, until: Instant) -> Result<f64, Failure> {
    let pid = process.id();
    let mut peak = 0.0_f64;
    let mut pause = LOOK;
    let mut silent = false;
    loop {
        // The channel closes with the subject's output, a moment before the process ends.
        silent = silent || !matches!(end.recv_timeout(pause), Err(RecvTimeoutError::Timeout));
        let look = Instant::now();
        let own = peak_rss_mib(pid).unwrap_or_default();
        if silent {
            peak = peak.max(own);
            if process.try_wait()?.is_some() {
                return Ok(peak);
            }
            thread::sleep(Duration::from_millis(1));
        } else {
            peak = peak.max(own).max(tree_pss_mib(pid));
            pause = LOOK.max(look.elapsed() * LOOK_SHARE);
        }
        if Instant::now() > until {
            return Err("it did not end in time".into());
        }
    }
}

fn python(script: &str) -> Result<Command, Failure> {
    let mut command = Command::new(given("OPSCONDUCTOR_BENCH_PYTHON")?);
    command.arg(protocol::peers().join("python").join(script));
    Ok(command)
}

/// A program that `make bench-winrm` prepared.
fn given(variable: &str) -> Result<PathBuf, Failure> {
    let path = env::var_os(variable).map(PathBuf::from).filter(|path| Path::is_file(path));
    path.ok_or_else(|| format!("{variable} names no program; run it by make bench-winrm").into())
}
