//! A run as its caller sees it: how it stands, a wait with a limit, the results.

use std::time::Duration;

use super::{Scoped, noted};
use crate::{
    Error, ErrorKind, Result,
    auth::policy::{Action, Resource},
    id::{RunId, TenantId},
    run::{
        plan::RunPlan,
        state::{RunStatus, TaskStatus},
    },
    store::{Listing, Page, RunFilter, RunRecord, Store, TaskRecord},
};

/// How much output the steps of a [`RunResult`] hold in all, in bytes.
pub const RESULT_TEXT_BYTES_MAX: usize = 32 * 1024 * 1024;

/// How much output is read at a time, if steps are like those before them.
const PAGE_BYTES: usize = 4 * 1024 * 1024;

/// How many steps are read at a time at least.
const PAGE_TASKS_MIN: u32 = 64;

/// How many steps are read at a time at most.
const PAGE_TASKS_MAX: u32 = 1000;

/// Calls on the runs of a tenant.
pub struct Runs<'a> {
    pub(super) at: &'a Scoped,
}

impl Runs<'_> {
    /// The run with `id`, to follow or to cancel.
    ///
    /// # Errors
    ///
    /// `Forbidden`; `NotFound`.
    pub async fn get(&self, id: RunId) -> Result<Run> {
        self.at.authorize(Action::Read, Resource::Run)?;
        let record = self.at.inner.store.run(self.at.scope.tenant, id).await?;
        Ok(Run::new(self.at.clone(), record.id))
    }

    /// Runs, newest first.
    ///
    /// # Errors
    ///
    /// `Forbidden`.
    pub async fn list(&self, filter: RunFilter, page: Page) -> Result<Listing<RunRecord>> {
        self.at.authorize(Action::Read, Resource::Run)?;
        self.at.inner.store.list_runs(self.at.scope.tenant, filter, page).await
    }

    /// Cancels the run with `id`: what waits is aborted at once, what runs is stopped on its host.
    ///
    /// # Errors
    ///
    /// `Forbidden`; `NotFound`.
    pub async fn cancel(&self, id: RunId) -> Result<RunRecord> {
        Run::new(self.at.clone(), id).cancel().await
    }
}

/// A run that was enqueued. It goes on whether or not anyone holds this.
#[derive(Clone)]
pub struct Run {
    pub(super) at: Scoped,
    pub(super) id: RunId,
}

/// How a run ended.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub struct RunResult {
    /// The run.
    pub id: RunId,
    /// How it ended.
    pub status: RunStatus,
    /// A result per (step, target), by step, then by target.
    pub steps: Vec<StepResult>,
}

/// How a step stands on one target.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub struct StepResult {
    /// The id of the step.
    pub step: String,
    /// The step kind, such as `winrm.exec`.
    pub kind: String,
    /// The name of the target.
    pub target: Option<String>,
    /// How it stands.
    pub status: TaskStatus,
    /// How often it was begun.
    pub attempts: u32,
    /// The exit code.
    pub exit_code: Option<i64>,
    /// The end of standard output.
    pub stdout: String,
    /// The end of standard error.
    pub stderr: String,
    /// A sentence, unless it succeeded.
    pub error: Option<String>,
    /// From the start of its last attempt to its end.
    pub duration: Option<Duration>,
    /// Whether its output is left out here, because the steps before it had [`RESULT_TEXT_BYTES_MAX`] of it:
    /// [`Run::steps_page`] has it.
    pub output_left_out: bool,
}

impl Run {
    pub(super) fn new(at: Scoped, id: RunId) -> Self {
        Self { at, id }
    }

    /// Its id.
    pub fn id(&self) -> RunId {
        self.id
    }

    /// The run as it stands.
    ///
    /// # Errors
    ///
    /// `NotFound` when it has been removed.
    pub async fn record(&self) -> Result<RunRecord> {
        self.store().run(self.tenant(), self.id).await
    }

    /// Cancels it: what waits is aborted at once, what runs is stopped on its host. Returns when that is recorded;
    /// [`Run::wait`] returns when it has been done.
    ///
    /// # Errors
    ///
    /// `Forbidden`; `NotFound` when it has been removed.
    pub async fn cancel(&self) -> Result<RunRecord> {
        let entry = self.at.permit(noted::RUN_CANCELED, "").await?.about(self.id.get());
        let reason = format!("canceled by {}", self.at.scope.actor.name());
        self.at.noted(entry, self.store().cancel_run(self.tenant(), self.id, &reason)).await
    }

    /// Waits until the run has ended.
    ///
    /// # Errors
    ///
    /// `Timeout` after `limit`; the run goes on.
    pub async fn wait(&self, limit: Duration) -> Result<RunResult> {
        let ended = async {
            let mut watch = self.watch();
            loop {
                let record = self.record().await?;
                if record.status.is_final() {
                    return self.result(record.status).await;
                }
                watch.changed(&self.at.inner).await;
            }
        };
        tokio::select! {
            result = ended => result,
            () = self.at.inner.clock.sleep(limit) => Err(Error::new(
                ErrorKind::Timeout,
                format!("the run had not ended after {} s; it goes on", limit.as_secs_f64()),
            ).with("run", self.id)),
        }
    }

    /// The steps as they stand, by step, then by target. Their output is here up to [`RESULT_TEXT_BYTES_MAX`] in all.
    ///
    /// # Errors
    ///
    /// `NotFound` when the run has been removed.
    pub async fn steps(&self) -> Result<Vec<StepResult>> {
        let plan = self.store().run_plan(self.tenant(), self.id).await?;
        let mut steps = Vec::new();
        let mut budget = Budget::default();
        let mut page = Page { skip: 0, limit: budget.tasks_next() };
        loop {
            let list = self.store().tasks(self.tenant(), self.id, page).await?;
            page.skip += list.items.len() as u64;
            let done = list.items.is_empty() || page.skip >= list.total;
            steps.extend(list.items.into_iter().map(|task| budget.take(StepResult::new(&plan, task))));
            if done {
                return Ok(steps);
            }
            page.limit = budget.tasks_next();
        }
    }

    /// A part of the steps as they stand, by step, then by target, with their output.
    ///
    /// # Errors
    ///
    /// `NotFound` when the run has been removed.
    pub async fn steps_page(&self, page: Page) -> Result<Listing<StepResult>> {
        let plan = self.store().run_plan(self.tenant(), self.id).await?;
        let list = self.store().tasks(self.tenant(), self.id, page).await?;
        let items = list.items.into_iter().map(|task| StepResult::new(&plan, task)).collect();
        Ok(Listing { items, total: list.total })
    }

    async fn result(&self, status: RunStatus) -> Result<RunResult> {
        Ok(RunResult { id: self.id, status, steps: self.steps().await? })
    }

    pub(super) fn store(&self) -> &dyn Store {
        self.at.inner.store.as_ref()
    }

    pub(super) fn tenant(&self) -> TenantId {
        self.at.scope.tenant
    }
}

impl StepResult {
    fn new(plan: &RunPlan, task: TaskRecord) -> Self {
        let between = task.started_at.zip(task.finished_at);
        Self {
            step: plan.step(task.step).map(|step| step.id.clone()).unwrap_or_default(),
            kind: task.kind,
            target: task.target.and_then(|id| plan.target(id)).map(|target| target.name.clone()),
            status: task.status,
            attempts: task.attempt,
            exit_code: task.exit_code,
            stdout: task.stdout,
            stderr: task.stderr,
            error: task.reason,
            duration: between.and_then(|(start, end)| (end - start).to_std().ok()),
            output_left_out: false,
        }
    }
}

/// What the output of all steps may take, and how many steps are read at a time.
struct Budget {
    left: usize,
    tasks: usize,
    bytes: usize,
}

impl Default for Budget {
    fn default() -> Self {
        Self { left: RESULT_TEXT_BYTES_MAX, tasks: 0, bytes: 0 }
    }
}

impl Budget {
    /// Lets a step keep its output while there is room.
    fn take(&mut self, mut step: StepResult) -> StepResult {
        let bytes = step.stdout.len() + step.stderr.len();
        self.tasks += 1;
        self.bytes += bytes;
        match self.left.checked_sub(bytes) {
            Some(left) => self.left = left,
            None => {
                // What comes later is left out too, however small: there is one place from which on it is missing.
                self.left = 0;
                (step.stdout, step.stderr) = (String::new(), String::new());
                step.output_left_out = true;
            }
        }
        step
    }

    /// As many as should come to a few megabytes, if they are like those before.
    fn tasks_next(&self) -> u32 {
        let each = self.bytes.checked_div(self.tasks).unwrap_or(PAGE_BYTES / PAGE_TASKS_MIN as usize);
        let fitting = u32::try_from(PAGE_BYTES / each.max(1)).unwrap_or(PAGE_TASKS_MAX);
        fitting.clamp(PAGE_TASKS_MIN, PAGE_TASKS_MAX)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn step(bytes: usize) -> StepResult {
        StepResult {
            step: "step-1".to_owned(),
            kind: "winrm.exec".to_owned(),
            target: None,
            status: TaskStatus::Succeeded,
            attempts: 1,
            exit_code: Some(0),
            stdout: "o".repeat(bytes),
            stderr: String::new(),
            error: None,
            duration: None,
            output_left_out: false,
        }
    }

    #[test]
    fn output_is_left_out_from_one_step_on_and_says_so() {
        let mut budget = Budget::default();
        let first = budget.take(step(RESULT_TEXT_BYTES_MAX - 1));
        assert!(!first.output_left_out && first.stdout.len() == RESULT_TEXT_BYTES_MAX - 1);
        let beyond = budget.take(step(2));
        assert!(beyond.output_left_out && beyond.stdout.is_empty());
        assert!(budget.take(step(1)).output_left_out);
        assert!(!budget.take(step(0)).output_left_out, "there is nothing to leave out");
    }

    #[test]
    fn fewer_steps_are_read_at_a_time_when_they_say_much() {
        let mut budget = Budget::default();
        assert_eq!(budget.tasks_next(), PAGE_TASKS_MIN);
        budget.take(step(0));
        assert_eq!(budget.tasks_next(), PAGE_TASKS_MAX);
        budget.take(step(64 * 1024));
        assert_eq!(budget.tasks_next(), 128);
    }
}
