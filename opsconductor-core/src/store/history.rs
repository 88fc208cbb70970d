//! What is shown: runs, steps, events, output.

use std::{collections::BTreeMap, sync::Arc};

use async_trait::async_trait;
use serde_json::{Map, Value};

use super::{Listing, Page, WaitsFor, queue::SealedParameter};
use crate::{
    Result,
    clock::Timestamp,
    id::{JobId, RunId, TargetId, TaskId, TenantId, UserId, WorkerId},
    run::{
        event::Event,
        plan::{RunPlan, TaskKey},
        state::{RunStatus, TaskStatus},
    },
    transport::Stream,
};

/// A run as it stands.
#[derive(Debug, Clone, PartialEq)]
pub struct RunRecord {
    /// Its id.
    pub id: RunId,
    /// Its job.
    pub job: JobId,
    /// The version of the job.
    pub job_version: i32,
    /// How it stands.
    pub status: RunStatus,
    /// Whether a cancel was asked for.
    pub cancel_requested: bool,
    /// Who asked for it.
    pub requested_by: Option<UserId>,
    /// The defaults with the run's own over them; a secret one is [`SECRET_SHOWN`](crate::job::SECRET_SHOWN).
    pub parameters: Map<String, Value>,
    /// What the caller calls it.
    pub correlation_id: Option<String>,
    /// The key it was enqueued with.
    pub idempotency_key: Option<String>,
    /// Higher goes first.
    pub priority: i16,
    /// The run that this one repeats.
    pub parent: Option<RunId>,
    /// Runs of the tenant with the same key go one after the other.
    pub concurrency_key: Option<String>,
    /// Free labels.
    pub labels: BTreeMap<String, String>,
    /// When it was enqueued.
    pub queued_at: Timestamp,
    /// When its first task started.
    pub started_at: Option<Timestamp>,
    /// When it ended.
    pub finished_at: Option<Timestamp>,
}

/// A task as it stands.
#[derive(Debug, Clone, PartialEq)]
pub struct TaskRecord {
    /// Its id.
    pub id: TaskId,
    /// Its run.
    pub run: RunId,
    /// The index of its step.
    pub step: u32,
    /// The step kind.
    pub kind: String,
    /// The target.
    pub target: Option<TargetId>,
    /// How it stands.
    pub status: TaskStatus,
    /// How often it was claimed.
    pub attempt: u32,
    /// The exit code.
    pub exit_code: Option<i64>,
    /// The end of its standard output.
    pub stdout: String,
    /// The end of its standard error.
    pub stderr: String,
    /// Why it ended as it did, unless it succeeded.
    pub reason: Option<String>,
    /// Measurements and results.
    pub metrics: Map<String, Value>,
    /// When its last attempt started.
    pub started_at: Option<Timestamp>,
    /// When it ended.
    pub finished_at: Option<Timestamp>,
}

/// One try at a task, as it ended.
#[derive(Debug, Clone, PartialEq)]
pub struct AttemptRecord {
    /// The task.
    pub task: TaskId,
    /// Which try, from 1.
    pub attempt: u32,
    /// Who held it when it ended.
    pub worker: WorkerId,
    /// How it ended.
    pub status: TaskStatus,
    /// Why, unless it succeeded.
    pub reason: Option<String>,
    /// When it was claimed.
    pub started_at: Timestamp,
    /// When it ended.
    pub finished_at: Timestamp,
}

/// A stored piece of output.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OutputChunk {
    /// The task.
    pub task: TaskId,
    /// The index of its step.
    pub step: u32,
    /// Its target.
    pub target: Option<TargetId>,
    /// Which try wrote it.
    pub attempt: u32,
    /// Its number in the attempt.
    pub seq: u32,
    /// Where it was written to.
    pub stream: Stream,
    /// When it was stored.
    pub at: Timestamp,
    /// The text.
    pub text: String,
}

/// Which runs to list.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct RunFilter {
    /// Only runs of this job.
    pub job: Option<JobId>,
    /// Only runs in this state.
    pub status: Option<RunStatus>,
}

/// Which output to read.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct OutputQuery {
    /// Only this task's.
    pub task: Option<TaskId>,
    /// Only this stream.
    pub stream: Option<Stream>,
    /// Only what comes after this (task, attempt, seq), in that order.
    pub after: Option<(TaskId, u32, u32)>,
}

/// What a task asks that waits for a person.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Question {
    /// The run.
    pub run: RunId,
    /// The task.
    pub task: TaskId,
    /// The index of its step.
    pub step: u32,
    /// Its target.
    pub target: Option<TargetId>,
    /// What it waits for: an approval, or a word on a lost attempt.
    pub waits_for: WaitsFor,
    /// What it asks: the reason it was [requeued](super::Queue::requeue) with.
    pub message: String,
    /// When it began to wait.
    pub since: Timestamp,
    /// When its wait is over, whether or not there is an answer.
    pub until: Timestamp,
}

/// Reading what happened. Readers never wait for writers.
#[async_trait]
pub trait History: Send + Sync {
    /// One run.
    ///
    /// # Errors
    ///
    /// `NotFound`.
    async fn run(&self, tenant: TenantId, id: RunId) -> Result<RunRecord>;

    /// Runs of the tenant, newest first (by id).
    ///
    /// # Errors
    ///
    /// Only those of the store itself.
    async fn list_runs(&self, tenant: TenantId, filter: RunFilter, page: Page) -> Result<Listing<RunRecord>>;

    /// The plan that a run was enqueued with; it never changes.
    ///
    /// # Errors
    ///
    /// `NotFound`.
    async fn run_plan(&self, tenant: TenantId, id: RunId) -> Result<Arc<RunPlan>>;

    /// The secret parameters of a run, sealed, as they came with [`NewRun::secrets`](super::NewRun::secrets); they live as long
    /// as the run. None for a run without.
    ///
    /// # Errors
    ///
    /// `NotFound`.
    async fn run_secrets(&self, tenant: TenantId, id: RunId) -> Result<Vec<SealedParameter>>;

    /// The tasks of a run, by step, then in the order of the step's targets. A task that is alive shows the state of its
    /// live row.
    ///
    /// # Errors
    ///
    /// `NotFound` when the run is not there.
    async fn tasks(&self, tenant: TenantId, run: RunId, page: Page) -> Result<Listing<TaskRecord>>;

    /// How the tasks of a run ended, in the order of [`History::tasks`]; those that have not are left out.
    ///
    /// # Errors
    ///
    /// `NotFound` when the run is not there.
    async fn outcomes(&self, tenant: TenantId, run: RunId) -> Result<Vec<(TaskKey, TaskStatus)>>;

    /// The task at `place`, from 0, in the order of [`RunPlan::tasks`].
    ///
    /// # Errors
    ///
    /// `NotFound` when the run is not there or has not so many tasks.
    async fn task_at(&self, tenant: TenantId, run: RunId, place: u64) -> Result<TaskRecord>;

    /// The tries at a task that have ended, in order.
    ///
    /// # Errors
    ///
    /// `NotFound` when the run is not there or has no such task.
    async fn attempts(&self, tenant: TenantId, run: RunId, task: TaskId) -> Result<Vec<AttemptRecord>>;

    /// At most `limit` events of a run that come after number `after`, in order. Numbers have no gaps, and an event with a
    /// lower number never appears later.
    ///
    /// # Errors
    ///
    /// `NotFound` when the run is not there.
    async fn events(&self, tenant: TenantId, run: RunId, after: u64, limit: usize) -> Result<Vec<Event>>;

    /// At most `limit` pieces of a run's output, by task, attempt and number. A task of another run has none here.
    ///
    /// # Errors
    ///
    /// `NotFound` when the run is not there.
    async fn output(
        &self,
        tenant: TenantId,
        run: RunId,
        query: OutputQuery,
        limit: usize,
    ) -> Result<Vec<OutputChunk>>;

    /// The tasks of the tenant of which [`Queue::decide`](super::Queue::decide) takes an answer, those first that began to wait
    /// last, then by id, the newest first.
    ///
    /// # Errors
    ///
    /// Only those of the store itself.
    async fn questions(&self, tenant: TenantId, page: Page) -> Result<Listing<Question>>;

    /// How many tasks are queued and how many are running, over all tenants: what a worker has before it.
    ///
    /// # Errors
    ///
    /// Only those of the store itself.
    async fn queue_depth(&self) -> Result<(u64, u64)>;
}
