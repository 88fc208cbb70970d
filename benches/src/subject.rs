//! A subject that is a process of its own: it gets a task in one line of JSON and answers in another, within a time limit.

use std::{
    env,
    error::Error,
    io::{Read as _, Write as _},
    path::PathBuf,
    process::{Child, Command, Stdio},
    sync::mpsc::{self, Receiver, RecvTimeoutError},
    thread,
    time::{Duration, Instant},
};

use serde_json::Value;

use crate::memory::{peak_rss_mib, tree_pss_mib};

type Failure = Box<dyn Error + Send + Sync>;

/// Where the module lies that every Python subject imports, for its `PYTHONPATH`.
pub const PYTHON_PEERS: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/peers/python");

/// How often memory is looked at, and how much rarer than a look takes: looking must not slow the subject down.
const LOOK: Duration = Duration::from_millis(20);
const LOOK_SHARE: u32 = 30;

/// Whether the memory of a subject is looked at while it works.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Memory {
    /// It is.
    Watched,
    /// It is not, so that nothing disturbs the subject.
    Ignored,
}

/// What a subject did.
#[derive(Debug)]
pub struct Answer {
    /// What it said.
    pub said: Value,
    /// From its start to its end.
    pub wall: Duration,
    /// The most memory that it and its children had, where that was watched.
    pub peak_mib: f64,
}

impl Answer {
    /// The name of the subject, with its version where it said one.
    pub fn signed(&self, name: &str) -> String {
        match self.said["version"].as_str() {
            Some(version) => format!("{name} {version}"),
            None => name.to_owned(),
        }
    }
}

/// A program that another door has prepared and named in the environment; `door` is that door.
///
/// # Errors
/// When the variable names no file.
pub fn prepared(variable: &str, door: &str) -> Result<PathBuf, Failure> {
    let path = env::var_os(variable).map(PathBuf::from).filter(|path| path.is_file());
    path.ok_or_else(|| format!("{variable} names no program; run it by {door}").into())
}

/// Starts a process, gives it a task and waits for the answer, `limit` at most; then it is ended.
///
/// # Errors
/// When it cannot be started, says nothing or that it failed, or did not end in time.
pub fn ask(command: &mut Command, task: &Value, limit: Duration, memory: Memory) -> Result<Answer, Failure> {
    let started = Instant::now();
    let mut process = command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn()?;
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
    let peak_mib = match watch(&mut process, &end, started + limit, memory) {
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
        None => Ok(Answer { said, wall, peak_mib }),
    }
}

/// Watches a process until it has ended, and says how much memory it took.
fn watch(process: &mut Child, end: &Receiver<()>, until: Instant, memory: Memory) -> Result<f64, Failure> {
    let pid = process.id();
    let watched = memory == Memory::Watched;
    let mut peak = 0.0_f64;
    let mut pause = if watched { LOOK } else { until.saturating_duration_since(Instant::now()) };
    let mut silent = false;
    loop {
        // The channel closes with the subject's output, a moment before the process ends.
        silent = silent || !matches!(end.recv_timeout(pause), Err(RecvTimeoutError::Timeout));
        let look = Instant::now();
        if watched {
            peak = peak.max(peak_rss_mib(pid).unwrap_or_default());
        }
        if silent {
            if process.try_wait()?.is_some() {
                return Ok(peak);
            }
            thread::sleep(Duration::from_millis(1));
        } else if watched {
            peak = peak.max(tree_pss_mib(pid));
            pause = LOOK.max(look.elapsed() * LOOK_SHARE);
        }
        if Instant::now() >= until {
            return Err("it did not end in time".into());
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test may panic")]

    use serde_json::json;

    use super::*;

    fn shell(script: &str, limit: Duration) -> Result<Answer, Failure> {
        ask(Command::new("sh").args(["-c", script]), &json!({"task": "noop"}), limit, Memory::Ignored)
    }

    #[test]
    fn a_subject_gets_its_task_and_its_last_line_counts() {
        let answer = shell("echo talk; cat", Duration::from_secs(30)).unwrap();
        assert_eq!(answer.said, json!({"task": "noop"}));
    }

    #[test]
    fn a_subject_that_fails_says_why() {
        let failed = shell(r#"echo '{"error": "no disk"}'"#, Duration::from_secs(30));
        assert_eq!(failed.unwrap_err().to_string(), "no disk");
        assert_eq!(shell("true", Duration::from_secs(30)).unwrap_err().to_string(), "it gave no answer");
    }

    #[test]
    fn a_subject_that_does_not_end_is_ended() {
        let began = Instant::now();
        let failed = shell("exec sleep 60", Duration::from_millis(50));
        assert_eq!(failed.unwrap_err().to_string(), "it did not end in time");
        assert!(began.elapsed() < Duration::from_secs(30));
    }
}
