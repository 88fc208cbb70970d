//! What happens to a run, numbered without gaps.

use serde::{Deserialize, Serialize};

use super::state::{RunStatus, TaskStatus};
use crate::{
    clock::Timestamp,
    id::{RunId, TargetId, TaskId},
    transport::Stream,
};

/// One thing that happened to a run.
#[derive(Debug, Clone, PartialEq)]
pub struct Event {
    /// The run.
    pub run: RunId,
    /// Its number in the run, from 1, without gaps.
    pub seq: u64,
    /// The task, for events of a step.
    pub task: Option<TaskId>,
    /// The index of the step.
    pub step: Option<u32>,
    /// The target.
    pub target: Option<TargetId>,
    /// What happened.
    pub kind: EventKind,
    /// When, by the store's clock.
    pub at: Timestamp,
}

/// What happened.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum EventKind {
    /// The run was enqueued.
    RunQueued,
    /// Its first task started.
    RunStarted,
    /// It ended.
    RunFinished {
        /// How.
        status: RunStatus,
    },
    /// A worker took the task.
    StepStarted {
        /// Which try it is, from 1.
        attempt: u32,
    },
    /// The task wrote output, redacted.
    StepOutput {
        /// Where to.
        stream: Stream,
        /// What.
        text: String,
    },
    /// The task waits: it went back to the queue, rescued, given back or retried, or it waits for its time or for a person, or
    /// what it waited for came.
    StepRequeued {
        /// Why, what for, or who answered what.
        reason: String,
    },
    /// The task ended.
    StepFinished {
        /// How.
        status: TaskStatus,
        /// Why, unless it succeeded.
        reason: Option<String>,
    },
}

impl EventKind {
    /// The name of the event as it stands in the API.
    pub fn as_str(&self) -> &'static str {
        match self {
            Self::RunQueued => "run.queued",
            Self::RunStarted => "run.started",
            Self::RunFinished { .. } => "run.finished",
            Self::StepStarted { .. } => "step.started",
            Self::StepOutput { .. } => "step.output",
            Self::StepRequeued { .. } => "step.waiting",
            Self::StepFinished { .. } => "step.finished",
        }
    }
}
