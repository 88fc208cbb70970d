//! Runs: what a job becomes when it is started, and the pure functions that move it along.

pub mod advance;
pub mod earlier;
pub mod event;
pub mod output;
pub mod phase;
pub mod plan;
pub mod redact;
mod rest;
pub mod retry;
pub mod state;

pub use earlier::{EARLIER_BYTES_MAX, EarlierOutput, EarlierStep};
pub use event::{Event, EventKind};
pub use plan::{Edge, Join, OnLost, PlannedStep, PlannedTarget, RunPlan, Runs};
pub use retry::{Retry, RetryOn};
pub use state::{RunStatus, TaskStatus};
