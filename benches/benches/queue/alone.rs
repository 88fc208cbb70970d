//! A run by a process of its own, whose memory at its most is a figure.

use std::time::Duration;

use opsconductor_benches::{
    memory::peak_rss_mib,
    role,
    subject::{self, Memory},
};
use serde_json::json;

use crate::Failure;

/// The longest that such a process may take.
const LIMIT: Duration = Duration::from_secs(600);

/// Has a process in that role do a run of so many tasks: seconds and MiB.
pub(crate) fn ask(role: &str, tasks: u64) -> Result<(f64, f64), Failure> {
    let answer = subject::ask(&mut role::in_role(role)?, &json!({"tasks": tasks}), LIMIT, Memory::Ignored)?;
    let number = |name: &str| answer.said[name].as_f64().ok_or("the subject left out a figure");
    Ok((number("wall")?, number("rss")?))
}

/// Does the run that this process was started for and says what it took.
pub(crate) fn answer<M>(measure: impl FnOnce(usize) -> M) -> Result<(), Failure>
where
    M: Future<Output = Result<f64, Failure>>,
{
    let tasks = usize::try_from(role::number(&role::task()?, "tasks")?)?;
    let wall = tokio::runtime::Runtime::new()?.block_on(measure(tasks))?;
    let rss = peak_rss_mib(std::process::id()).ok_or("the memory of this process is unknown")?;
    role::answer(&json!({"wall": wall, "rss": rss}))?;
    Ok(())
}
