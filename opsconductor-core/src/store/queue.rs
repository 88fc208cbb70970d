//! What moves: enqueue, claim, lease, dispatch, complete, rescue, cancel.

use std::{collections::BTreeMap, fmt, sync::Arc, time::Duration};

use async_trait::async_trait;
use bytes::Bytes;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use super::history::RunRecord;
use crate::{
    Error, ErrorKind, Result,
    clock::Timestamp,
    id::{JobId, RunId, TargetId, TaskId, TenantId, UserId, WorkerId},
    run::{
        plan::RunPlan,
        state::{RunStatus, TaskStatus},
    },
    transport::{RemoteHandle, Stream},
};

/// A run to enqueue.
#[derive(Debug, Clone)]
pub struct NewRun {
    /// The job.
    pub job: JobId,
    /// What will be done; its tasks are [`RunPlan::tasks`].
    pub plan: Arc<RunPlan>,
    /// The secret parameters that the plan names, in its order, sealed.
    pub secrets: Vec<SealedParameter>,
    /// Only if the job is active and the plan made from its present version. Whoever knows a job from before need not read it
    /// again.
    pub if_current: bool,
    /// Who asked.
    pub requested_by: Option<UserId>,
    /// What the caller calls it, to find it in other systems' records.
    pub correlation_id: Option<String>,
    /// Makes a repeat answer the first run.
    pub idempotency: Option<Idempotency>,
    /// Higher goes first; 0 is usual.
    pub priority: i16,
    /// The run that this one repeats.
    pub parent: Option<RunId>,
    /// Runs of the tenant with the same key go one after the other; see [`Queue::enqueue`].
    pub concurrency_key: Option<String>,
    /// Free labels.
    pub labels: BTreeMap<String, String>,
}

impl NewRun {
    /// Refuses a run whose sealed parameters are not those that its plan names: a store asks before it writes anything.
    ///
    /// # Errors
    ///
    /// `InvalidInput`.
    pub fn check_secrets(&self) -> Result<()> {
        if self.plan.secrets.iter().eq(self.secrets.iter().map(|sealed| &sealed.name)) {
            return Ok(());
        }
        let message = "the sealed parameters of a run are not the secret ones of its plan";
        Err(Error::new(ErrorKind::InvalidInput, message).with("job", self.job))
    }
}

/// A secret parameter of a run: a record of the vault, and what of its place a store cannot tell from where it lies.
#[derive(Clone, PartialEq, Eq)]
pub struct SealedParameter {
    /// The parameter's name.
    pub name: String,
    /// What the record is bound to in place of the run's id, which nobody knows when it is sealed. It was made for this record;
    /// a run that repeats another carries both on.
    pub id: String,
    /// The version that the record is bound to.
    pub version: i32,
    /// The sealed record; see [`vault::envelope`](crate::vault::envelope).
    pub sealed: Vec<u8>,
}

impl fmt::Debug for SealedParameter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // What is sealed tells nothing, at some length.
        f.debug_struct("SealedParameter")
            .field("name", &self.name)
            .field("id", &self.id)
            .finish_non_exhaustive()
    }
}

/// An idempotency key with a digest of what was asked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Idempotency {
    /// Unique per (tenant, job); it lives as long as its run.
    pub key: String,
    /// SHA-256 of the request, without what is secret in it. The same key with another digest is a conflict.
    pub digest: [u8; 32],
}

/// What [`Queue::enqueue`] did.
#[derive(Debug, Clone, PartialEq)]
pub struct Enqueued {
    /// The run, new or the first one.
    pub run: RunRecord,
    /// Whether it was there already.
    pub repeated: bool,
}

/// The right to act on a task for a time. Every write of a worker names one; the epoch grows with each claim and rescue,
/// so that a worker that was given up can write nothing.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Lease {
    /// The task.
    pub task: TaskId,
    /// Its run.
    pub run: RunId,
    /// The fencing token.
    pub epoch: i64,
    /// Who holds it.
    pub worker: WorkerId,
}

/// A task that was claimed.
#[derive(Debug, Clone, PartialEq)]
pub struct Claimed {
    /// The right to act on it.
    pub lease: Lease,
    /// The tenant.
    pub tenant: TenantId,
    /// The index of the step.
    pub step: u32,
    /// The target.
    pub target: Option<TargetId>,
    /// Which try this is, from 1.
    pub attempt: u32,
    /// How long the lease lasts from the moment of the claim.
    pub ttl: Duration,
}

/// How a lease stands after [`Queue::renew`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum LeaseState {
    /// It was prolonged.
    Held,
    /// It was prolonged, and the run is being canceled: stop the task and complete it as aborted.
    Canceled,
    /// It was prolonged, and the run took too long: stop the task and complete it as aborted.
    Overdue,
    /// Someone else holds the task, or it has ended: stop at once and write nothing.
    Lost,
}

/// A task whose lease ran out, taken over by the rescuer under a lease of its own.
#[derive(Debug, Clone, PartialEq)]
pub struct Expired {
    /// The rescuer's claim: the epoch has been raised, so that the former worker is fenced off.
    pub claimed: Claimed,
    /// The worker that let it run out.
    pub worker: WorkerId,
    /// Present when the dispatch intent had been committed: the command may have been sent.
    pub dispatched: Option<RemoteHandle>,
    /// How long ago the attempt's first dispatch intent was committed, by the store's clock; zero without one.
    pub since_dispatch: Duration,
    /// The number of the last piece of output that this attempt stored, 0 for none: whoever goes on with it goes on
    /// counting from there.
    pub output_seq: u32,
    /// Whether the run is being canceled, or has taken too long, and the task is to stop.
    pub canceled: bool,
}

/// How a task goes back to the queue.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Requeue {
    /// The right to do so.
    pub lease: Lease,
    /// Not before so long from now.
    pub delay: Duration,
    /// Why, for the attempt's record and the event; where it waits for a person, what is [asked](super::Question). No secrets.
    pub reason: String,
    /// How the attempt that ends here is recorded (`failed` for a retry, `lost`, or `aborted` when given back).
    pub attempt_status: TaskStatus,
    /// What it waits for there, if it is not only the delay; see [`Queue::requeue`].
    pub suspend: Option<WaitsFor>,
}

/// What a task waits for that no worker holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
#[non_exhaustive]
pub enum WaitsFor {
    /// Its time.
    Time,
    /// A person's approval.
    Approval,
    /// A person's word on what to do, because nobody knows how its last attempt ended.
    Lost,
}

impl WaitsFor {
    /// Every one.
    const ALL: [Self; 3] = [Self::Time, Self::Approval, Self::Lost];

    /// The name as it stands in a database.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Time => "time",
            Self::Approval => "approval",
            Self::Lost => "lost",
        }
    }

    /// The one with this name.
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|waits| waits.as_str() == name)
    }

    /// Whether the attempt goes on when the wait is over, with the same number; else it has ended.
    pub fn keeps_attempt(self) -> bool {
        self != Self::Lost
    }

    /// Whether a person's answer ends it.
    pub fn is_question(self) -> bool {
        self != Self::Time
    }
}

/// A person's answer to what a task waits for.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Decision {
    /// Yes or no: go on or fail; send it again or leave it lost.
    pub approved: bool,
    /// Who said so.
    pub by: String,
    /// What they said. No secrets.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub note: Option<String>,
}

impl Decision {
    /// The sentence for the event and the record.
    pub fn sentence(&self) -> String {
        let verdict = if self.approved { "approved" } else { "refused" };
        match &self.note {
            Some(note) => format!("{verdict} by {}: {note}", self.by),
            None => format!("{verdict} by {}", self.by),
        }
    }
}

/// What a task has waited for, and what came of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Suspended {
    /// What for.
    pub waits_for: WaitsFor,
    /// The answer; none when time ended the wait.
    pub decision: Option<Decision>,
}

impl Suspended {
    /// Refuses an answer to a task that is alive and for which none is wanted: `waits` is what it waits for.
    ///
    /// # Errors
    ///
    /// As [`Queue::decide`].
    pub fn check_open(waits: Option<&Self>) -> Result<()> {
        match waits {
            Some(Self { decision: Some(first), .. }) => Err(Error::new(
                ErrorKind::Conflict,
                format!("the answer was given before: {}", first.sentence()),
            )),
            Some(Self { waits_for, .. }) if waits_for.is_question() => Ok(()),
            _ => Err(Error::new(ErrorKind::InvalidInput, "the step waits for no answer")),
        }
    }

    /// The refusal of an answer to a task that has ended.
    pub fn ended() -> Error {
        Error::new(ErrorKind::Conflict, "the step has ended; no answer is waited for any more")
    }
}

/// The end of a task.
#[derive(Debug, Clone, PartialEq)]
pub struct Completion {
    /// The right to write it.
    pub lease: Lease,
    /// A final status.
    pub status: TaskStatus,
    /// The exit code, if the kind has one.
    pub exit_code: Option<i64>,
    /// The last [`TAIL_BYTES_MAX`](super::TAIL_BYTES_MAX) bytes of standard output, redacted; a longer text is
    /// [cut](super::tail) from its front.
    pub stdout: String,
    /// The same of standard error.
    pub stderr: String,
    /// A sentence, unless it succeeded; redacted.
    pub reason: Option<String>,
    /// Measurements and results, redacted.
    pub metrics: Map<String, Value>,
}

/// What became of a [`Completion`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Settled {
    /// It was recorded.
    Recorded {
        /// How the run ended, if this was its last task. In a batch that ends a run the last completion of that run
        /// says so; a repeat says it of any run that is over.
        run: Option<RunStatus>,
    },
    /// The lease was not the current one: nothing was written for this task.
    Stale,
}

/// A piece of output to append, redacted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OutputPiece {
    /// The right to write it.
    pub lease: Lease,
    /// Its number in the attempt, from 1, without gaps.
    pub seq: u32,
    /// Where it was written to.
    pub stream: Stream,
    /// UTF-8, at most [`CHUNK_BYTES_MAX`](super::CHUNK_BYTES_MAX).
    pub text: Bytes,
}

/// The live queue.
///
/// A task has one slim row here while it is alive, deleted in the transaction that completes it; what it was stays in the
/// history. `advance` and its [`Ledger`](crate::run::advance::Ledger) hold the rules for what follows a completion.
#[async_trait]
pub trait Queue: Send + Sync {
    /// Writes the run, a history row and a live row for each task, step counters and the event `run.queued`, in one
    /// transaction. Tasks that wait for nothing are ready when it returns. All its tasks are due from now, also those
    /// that are released later, so that older runs go first.
    ///
    /// Idempotent by [`NewRun::idempotency`]: a repeat with the same digest answers the first run, however it stands.
    ///
    /// A run with a [`NewRun::concurrency_key`] begins when every run of the tenant that was enqueued before it with the
    /// same key is over, however that ended: until then its first tasks are `waiting`. In this order a priority counts for
    /// nothing; a run that is canceled before its turn leaves it.
    ///
    /// [`NewRun::secrets`] are kept as they came, apart from the plan and the parameters, for
    /// [`History::run_secrets`](super::History::run_secrets). A repeat writes none; whether it brought the same ones only
    /// who can open them can tell.
    ///
    /// # Errors
    ///
    /// `NotFound` when the job, its version or the parent run is not there, and when it is to be current
    /// ([`NewRun::if_current`]) and is not; `Conflict` for a repeat with another digest;
    /// `InvalidInput` for a plan without steps, and for one that names other secret parameters than came with it.
    async fn enqueue(&self, tenant: TenantId, new: NewRun) -> Result<Enqueued>;

    /// The run that was enqueued for this job with the same idempotency key, however it stands; none when there is none.
    ///
    /// # Errors
    ///
    /// `Conflict` when it was another request, as the digests tell.
    async fn enqueued(
        &self,
        tenant: TenantId,
        job: JobId,
        idempotency: &Idempotency,
    ) -> Result<Option<RunRecord>>;

    /// Takes at most `limit` ready tasks for `worker`, by priority (higher first), then due time, then id; a task is never
    /// given to two workers. Raises each epoch and attempt, writes `step.started`, in any order, and `run.started` before the
    /// first of the run's. An empty answer means nothing is ready.
    ///
    /// What a limit or a pause holds back is left out, as [`Limits`](super::Limits) says, and the order is that of the
    /// others.
    ///
    /// # Errors
    ///
    /// Only those of the store itself.
    async fn claim(&self, worker: WorkerId, limit: usize, ttl: Duration) -> Result<Vec<Claimed>>;

    /// When the next task that is queued but not yet due will be, by the store's clock; also when the next of those may
    /// start that a claim left out because of a rate. With rates an answer may be too early, never too late.
    ///
    /// # Errors
    ///
    /// Only those of the store itself.
    async fn next_due(&self) -> Result<Option<Timestamp>>;

    /// Commits the intent to act: from here on the command may have been sent. `handle` names it on the remote side and
    /// replaces an earlier handle of the same lease.
    ///
    /// # Errors
    ///
    /// `LeaseLost`, and the caller must not act; `Canceled` when the run is being canceled or has taken too long, and the caller
    /// must not act. A step that is done all the same, as [`Stopping::spares`](crate::run::phase::Stopping::spares) tells,
    /// is not refused.
    async fn record_dispatch(&self, lease: &Lease, handle: &RemoteHandle) -> Result<()>;

    /// Prolongs leases to `ttl` from now; the answers stand in the order of `leases`. A lease that has run out but that
    /// nobody took is prolonged. A `ttl` of zero gives the lease up: it has run out at once. A lease on a step that is done all
    /// the same in a run that stops is `Held`.
    ///
    /// # Errors
    ///
    /// Only those of the store itself; the leases then stand as they were.
    async fn renew(&self, leases: &[Lease], ttl: Duration) -> Result<Vec<LeaseState>>;

    /// Appends output and its `step.output` events, in one transaction and in the order given. Pieces whose lease is not
    /// current are left out; the answers stand in the order of `pieces`, true where written. A piece with a number that was
    /// written already is not written again (the repeat of an ambiguous commit) and answers true.
    ///
    /// # Errors
    ///
    /// `InvalidInput` for a piece that is too long or not UTF-8; nothing was written then.
    async fn append_output(&self, pieces: Vec<OutputPiece>) -> Result<Vec<bool>>;

    /// Records ends of tasks, releases or aborts what waited for them, and ends runs that are over, all in one
    /// transaction. The answers stand in the order of `completions`. Repeating one whose lease completed the task
    /// already answers `Recorded` again and writes nothing.
    ///
    /// Steps that follow a failure are released when all that the run is about has ended and the run has failed, else they end
    /// as skipped; steps that are done in any case are released when all others have ended. A batch of a step is released
    /// when the one before has ended; of a step of which too many failed, what no worker holds ends as aborted.
    ///
    /// # Errors
    ///
    /// `InvalidInput` for a status that is not final; nothing was written then.
    async fn complete(&self, completions: Vec<Completion>) -> Result<Vec<Settled>>;

    /// Ends attempts and puts their tasks back into the queue. The answers stand in the order given, false where the lease
    /// was not current. A task of a run that is being canceled or has taken too long is ended as aborted instead, with the
    /// reason of that, unless its step is done all the same.
    ///
    /// With [`Requeue::suspend`] the task is `waiting` and counts for nobody as work until its delay is over or it is
    /// [decided](Queue::decide) about; whoever claims it then finds what it waited for by [`Queue::suspended`]. For
    /// [`WaitsFor::Time`] and [`WaitsFor::Approval`] the attempt does not end: the next claim has the same number.
    ///
    /// # Errors
    ///
    /// `InvalidInput` for an attempt's status that is not final; nothing was written then.
    async fn requeue(&self, tasks: Vec<Requeue>) -> Result<Vec<bool>>;

    /// What the task of this lease has waited for, and the answer that came; none for one that never waited.
    ///
    /// # Errors
    ///
    /// `LeaseLost`.
    async fn suspended(&self, lease: &Lease) -> Result<Option<Suspended>>;

    /// Answers the question that the task of a step waits with, and makes it ready. The event says who answered what.
    ///
    /// # Errors
    ///
    /// `NotFound` when the run is not there or has no such task; `Conflict` when the answer was given already
    /// or the task has ended; `InvalidInput` when it waits for no answer.
    async fn decide(
        &self,
        tenant: TenantId,
        run: RunId,
        step: u32,
        target: Option<TargetId>,
        decision: Decision,
    ) -> Result<()>;

    /// Takes over at most `limit` tasks whose leases have run out, those first that ran out first, each under a new epoch
    /// and a lease of `ttl` for `worker`; the attempt does not change. What the rescuer then does it does with that lease,
    /// so that a rescuer that dies is rescued in turn.
    ///
    /// # Errors
    ///
    /// Only those of the store itself.
    async fn take_expired(&self, worker: WorkerId, limit: usize, ttl: Duration) -> Result<Vec<Expired>>;

    /// Marks a run to be canceled: tasks that no worker holds end as aborted at once, those that run end when their workers
    /// stop them; a run with none left is over when this returns. Repeating it changes nothing; a run that has ended stays as
    /// it is.
    ///
    /// Steps that are done in any case are done after that. Once nothing else is left, a cancel that comes again ends these
    /// too.
    ///
    /// # Errors
    ///
    /// `NotFound`.
    async fn cancel_run(&self, tenant: TenantId, run: RunId, reason: &str) -> Result<RunRecord>;

    /// Stops at most `limit` runs that have taken longer than their plans' `timeout_sec`, counted from the start of their first
    /// tasks, and says which. Tasks of what the run is about end as with a cancel, with the time as their reason, and
    /// the run ends as failed: what follows a failure and what is done in any case is done.
    ///
    /// # Errors
    ///
    /// Only those of the store itself.
    async fn stop_overdue(&self, limit: usize) -> Result<Vec<RunId>>;
}

/// Why the tasks of a run end that took longer than so many seconds.
pub fn overdue_reason(timeout_sec: u32) -> String {
    format!("the run took longer than its timeoutSec of {timeout_sec} s")
}
