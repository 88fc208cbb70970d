//! Dead letters: tasks that ended badly for good, until someone sees to them.

use async_trait::async_trait;
use serde_json::{Value, json};

use super::{Enqueued, Listing, NewRun, Page};
use crate::{
    Error, ErrorKind, Result,
    clock::Timestamp,
    id::{LetterId, RunId, TaskId, TenantId},
    run::{
        plan::{RunPlan, TaskKey},
        state::TaskStatus,
    },
};

/// A task that ended `failed` or `lost`, was not tried again, and whose step did not say to go on all the same.
#[derive(Debug, Clone, PartialEq)]
pub struct DeadLetter {
    /// Its id.
    pub id: LetterId,
    /// `task.failed` or `task.lost`.
    pub topic: String,
    /// The run.
    pub run: RunId,
    /// The task.
    pub task: TaskId,
    /// Names of what it was: `job`, `jobVersion`, `step`, `kind`, `target`, `attempt`. Neither parameters nor output.
    pub payload: Value,
    /// Why it ended so, redacted.
    pub error: Option<String>,
    /// When it ended.
    pub created_at: Timestamp,
}

/// Dead letters. [`Queue::complete`](super::Queue::complete) writes one, in its transaction, for each end of which
/// [`NewLetter::of`] makes one.
#[async_trait]
pub trait DeadLetters: Send + Sync {
    /// One letter.
    ///
    /// # Errors
    ///
    /// `NotFound`.
    async fn dead_letter(&self, tenant: TenantId, id: LetterId) -> Result<DeadLetter>;

    /// Letters of the tenant, newest first (by id); only those of `run`, if given.
    ///
    /// # Errors
    ///
    /// Only those of the store itself.
    async fn list_dead_letters(
        &self,
        tenant: TenantId,
        run: Option<RunId>,
        page: Page,
    ) -> Result<Listing<DeadLetter>>;

    /// Removes a letter; what it tells of stays in the history of its run.
    ///
    /// # Errors
    ///
    /// `NotFound`.
    async fn discard_dead_letter(&self, tenant: TenantId, id: LetterId) -> Result<()>;

    /// Enqueues `new` in place of every letter of `run`, which are removed, in one transaction: of callers that do so at
    /// once, one does.
    ///
    /// # Errors
    ///
    /// `NotFound` when the run is not there or has no letter; `Conflict` when it is not over, or another run of its line is not: of
    /// the runs that are its [parents](NewRun::parent) and theirs, and all that have one of these for a parent; else as
    /// [`Queue::enqueue`](super::Queue::enqueue). Nothing changed then.
    async fn redrive(&self, tenant: TenantId, run: RunId, new: NewRun) -> Result<Enqueued>;

    /// Enqueues `new`, which does `run` again and has it for its [parent](NewRun::parent), and removes every letter of `run`, if
    /// there is one, in one transaction: of callers that do so at once, one does.
    ///
    /// # Errors
    ///
    /// `NotFound` when the run is not there; `Conflict` when it is not over, when another run of its line is not, as with
    /// [`redrive`](DeadLetters::redrive), and with [`Repeats::Once`] when there is a run that it is the parent of; else as
    /// [`Queue::enqueue`](super::Queue::enqueue). Nothing changed then.
    async fn repeat(&self, tenant: TenantId, run: RunId, new: NewRun, repeats: Repeats) -> Result<Enqueued>;
}

/// How often a run may be [repeated](DeadLetters::repeat).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Repeats {
    /// Once: what did it again stands in its place.
    Once,
    /// As often as one likes, one after the other.
    Often,
}

/// The refusal to do a run again while `other`, which came of the same first run, goes on.
pub fn repeat_goes_on(run: RunId, other: RunId) -> Error {
    let message = "another run does the same again and goes on; wait for its end, or cancel it";
    Error::new(ErrorKind::Conflict, message).with("run", run).with("other", other)
}

/// The refusal to do a run again that `other` has done again.
pub fn repeated_already(run: RunId, other: RunId) -> Error {
    let message = "the run was done again already; go on from the run that did it";
    Error::new(ErrorKind::Conflict, message).with("run", run).with("other", other)
}

/// The refusal to do a run again that is not over.
pub fn not_over(run: RunId) -> Error {
    Error::new(ErrorKind::Conflict, "the run is not over").with("run", run)
}

/// A letter to write.
#[derive(Debug, Clone, PartialEq)]
pub struct NewLetter {
    /// `task.failed` or `task.lost`.
    pub topic: &'static str,
    /// As [`DeadLetter::payload`].
    pub payload: Value,
}

impl NewLetter {
    /// The letter for a task that ended, if nothing handles that: none for a good end, for a step that may fail, and for a run
    /// that was canceled, because someone looks at it already.
    pub fn of(
        plan: &RunPlan,
        key: TaskKey,
        status: TaskStatus,
        attempt: u32,
        canceled: bool,
    ) -> Option<Self> {
        let topic = match status {
            TaskStatus::Failed => "task.failed",
            TaskStatus::Lost => "task.lost",
            _ => return None,
        };
        let step = plan.step(key.step).filter(|step| !canceled && !step.continue_on_error)?;
        let target = key.target.and_then(|id| plan.target(id)).map(|target| target.name.as_str());
        let payload = json!({
            "job": plan.job_name,
            "jobVersion": plan.job_version,
            "step": step.id,
            "kind": step.kind,
            "target": target,
            "attempt": attempt,
        });
        Some(Self { topic, payload })
    }
}
