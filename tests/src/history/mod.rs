//! What must be true of a queue after anything that can happen to its workers: rules over what producers were told, what
//! steps did outside, and what the store shows when all has come to rest.

mod log;
mod read;
mod rules;
#[cfg(test)]
mod tests;

use opsconductor_core::run::{RunStatus, TaskStatus};

pub use log::{Log, read_acknowledged, read_effects};
pub use read::{read_run, read_runs};
pub use rules::{Breach, Rule, check};

/// Everything that is known in the end.
#[derive(Debug, Clone, Default)]
pub struct History {
    /// What producers were told, in the order in which they wrote it down.
    pub acknowledged: Vec<Acknowledged>,
    /// What steps did, each written down before anything else could happen.
    pub effects: Vec<Effect>,
    /// The runs as the store shows them.
    pub runs: Vec<SeenRun>,
    /// Runs that are over and were removed, as they were seen before.
    pub removed: Vec<SeenRun>,
    /// How long runs that are over were kept; for ever where it is not said.
    pub kept: Option<Kept>,
    /// How many tasks were allowed to run at once.
    pub limits: Vec<Limited>,
    /// When nothing was allowed to start.
    pub pauses: Vec<Paused>,
    /// What is left in the live queue.
    pub left: Left,
}

/// How long runs that are over are kept. Times are microseconds since 1970, by the store's clock.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Kept {
    /// For how long at least.
    pub age: i64,
    /// When it was begun to remove all that was older.
    pub at: i64,
    /// When the store was looked at last.
    pub until: i64,
}

/// A part of the queue.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Part {
    /// The tasks of a job, by its name.
    Job(String),
    /// The tasks on a target, by its name.
    Target(String),
}

/// A limit that held all the time.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Limited {
    /// Where.
    pub part: Part,
    /// How many tasks run at once, at most.
    pub running: u32,
}

/// A pause: nothing starts after it was answered and before it is ended, in microseconds since 1970.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Paused {
    /// Where.
    pub part: Part,
    /// When it was answered.
    pub from: i64,
    /// When its end was asked for.
    pub to: i64,
}

/// An enqueue that was answered.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Acknowledged {
    /// The idempotency key.
    pub key: String,
    /// The run that was named in the answer.
    pub run: i64,
}

/// Something that a step did outside.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Effect {
    /// The run.
    pub run: i64,
    /// The index of the step.
    pub step: u32,
    /// The target's name.
    pub target: String,
}

/// A run in the end.
#[derive(Debug, Clone)]
pub struct SeenRun {
    /// Its id.
    pub id: i64,
    /// The name of its job.
    pub job: String,
    /// The idempotency key.
    pub key: Option<String>,
    /// The concurrency key.
    pub turn: Option<String>,
    /// How it stands.
    pub status: RunStatus,
    /// When it ended, in microseconds since 1970.
    pub finished_at: Option<i64>,
    /// Its tasks.
    pub tasks: Vec<SeenTask>,
    /// Its events, in the order in which they were read.
    pub events: Vec<SeenEvent>,
}

/// A task in the end.
#[derive(Debug, Clone)]
pub struct SeenTask {
    /// Its id.
    pub id: i64,
    /// The index of its step.
    pub step: u32,
    /// The target's name.
    pub target: String,
    /// How it stands.
    pub status: TaskStatus,
    /// Why it ended so, unless it succeeded.
    pub reason: Option<String>,
    /// Whether it may be sent again.
    pub idempotent: bool,
    /// How often it was claimed.
    pub attempt: u32,
    /// The attempts that were recorded.
    pub attempts: Vec<SeenAttempt>,
}

/// A recorded attempt. Times are microseconds since 1970.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SeenAttempt {
    /// Its number.
    pub number: u32,
    /// When it was claimed.
    pub started_at: i64,
    /// When it ended.
    pub finished_at: i64,
}

/// An event.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SeenEvent {
    /// Its number.
    pub seq: u64,
    /// Its name, such as `step.finished`.
    pub kind: &'static str,
    /// The task that it is about.
    pub task: Option<i64>,
}

/// What is left in the live queue.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Left {
    /// Tasks that wait for a worker.
    pub queued: u64,
    /// Tasks that a worker holds.
    pub running: u64,
    /// Rows, those included that wait for other tasks.
    pub rows: u64,
    /// Rows anywhere of runs that are gone.
    pub orphans: u64,
}
