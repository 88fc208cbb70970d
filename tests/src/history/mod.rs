//! What must be true of a queue after anything that can happen to its workers: rules over what producers were told, what
//! steps did outside, and what the store shows when all has come to rest.

mod log;
mod read;
mod rules;
#[cfg(test)]
mod tests;

use opsconductor_core::run::{RunStatus, TaskStatus};

pub use log::{Log, read_acknowledged, read_effects};
pub use read::read_runs;
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
    /// What is left in the live queue.
    pub left: Left,
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
    /// The idempotency key.
    pub key: Option<String>,
    /// How it stands.
    pub status: RunStatus,
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
    /// The numbers of the attempts that were recorded.
    pub attempts: Vec<u32>,
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
}
