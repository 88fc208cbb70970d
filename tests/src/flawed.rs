//! Stores that break one promise each, to see that the model test of stores finds them.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use async_trait::async_trait;
use opsconductor_core::{
    ErrorKind, Result,
    clock::Timestamp,
    id::{JobId, RunId, TaskId, TenantId, WorkerId},
    run::{event::Event, plan::RunPlan},
    store::{
        AttemptRecord, Claimed, Completion, Enqueued, Expired, History, Idempotency, Lease, LeaseState,
        Listing, NewRun, Notice, OutputChunk, OutputPiece, OutputQuery, Page, Queue, Requeue, RunFilter,
        RunRecord, Settled, Store, TaskRecord,
    },
    transport::RemoteHandle,
};
use tokio::sync::broadcast;

/// A promise that is broken.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Flaw {
    /// A worker that was given up may still write ends.
    UnfencedEnds,
    /// A worker that was given up may still write output.
    UnfencedOutput,
    /// A lease that someone else holds seems to be prolonged.
    LostSeemsHeld,
    /// A repeat is enqueued again.
    NoIdempotency,
    /// Any request may use a key.
    AnyDigest,
    /// A task that goes back is ready at once.
    NoDelay,
    /// The last piece of a batch of output is lost.
    LosesOutput,
    /// A repeated end is taken for one of a stale lease.
    RepeatIsStale,
    /// One task more than asked is claimed.
    ClaimsTooMuch,
    /// Claimed tasks come in the wrong order.
    ClaimsBackwards,
    /// Every run has the same priority.
    NoPriority,
    /// A canceled run may be acted for.
    ActsThoughCanceled,
    /// The rescuer is not told where the output stands.
    OutputStartsAgain,
    /// The rescuer is not told that something was sent.
    ForgetsDispatch,
    /// Whoever asks for a single task that was let go gets none.
    RescuesNoneAlone,
    /// Events are given again that were seen.
    EventsAgain,
    /// Runs are shown to every tenant.
    MixesTenants,
    /// A list tells the length of the part.
    ShortTotal,
    /// What was measured is not kept.
    DropsMetrics,
}

impl Flaw {
    /// Each of them.
    pub const ALL: [Self; 19] = [
        Self::UnfencedEnds,
        Self::UnfencedOutput,
        Self::LostSeemsHeld,
        Self::NoIdempotency,
        Self::AnyDigest,
        Self::NoDelay,
        Self::LosesOutput,
        Self::RepeatIsStale,
        Self::ClaimsTooMuch,
        Self::ClaimsBackwards,
        Self::NoPriority,
        Self::ActsThoughCanceled,
        Self::OutputStartsAgain,
        Self::ForgetsDispatch,
        Self::RescuesNoneAlone,
        Self::EventsAgain,
        Self::MixesTenants,
        Self::ShortTotal,
        Self::DropsMetrics,
    ];
}

/// A store with a flaw around one without.
#[derive(Debug)]
pub struct Flawed {
    inner: Arc<dyn Store>,
    flaw: Flaw,
    seen: Mutex<Seen>,
}

#[derive(Debug, Default)]
struct Seen {
    leases: HashMap<TaskId, Lease>,
    ended: Vec<Lease>,
    homes: HashMap<RunId, TenantId>,
}

impl Flawed {
    /// Around `inner`.
    pub fn new(inner: Arc<dyn Store>, flaw: Flaw) -> Arc<Self> {
        Arc::new(Self { inner, flaw, seen: Mutex::default() })
    }

    fn has(&self, flaw: Flaw) -> bool {
        self.flaw == flaw
    }

    fn seen(&self) -> MutexGuard<'_, Seen> {
        self.seen.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The present lease of the task that `lease` is about.
    fn present(&self, lease: Lease) -> Lease {
        self.seen().leases.get(&lease.task).copied().unwrap_or(lease)
    }

    fn home(&self, tenant: TenantId, run: RunId) -> TenantId {
        let home = self.seen().homes.get(&run).copied();
        if self.has(Flaw::MixesTenants) { home.unwrap_or(tenant) } else { tenant }
    }
}

impl Store for Flawed {
    fn name(&self) -> &'static str {
        "flawed"
    }

    fn notices(&self) -> Option<broadcast::Receiver<Notice>> {
        self.inner.notices()
    }
}

#[async_trait]
impl Queue for Flawed {
    async fn enqueue(&self, tenant: TenantId, mut new: NewRun) -> Result<Enqueued> {
        let (priority, key) = (new.priority, new.idempotency.clone());
        if self.has(Flaw::NoIdempotency) {
            new.idempotency = None;
        }
        if let (true, Some(key)) = (self.has(Flaw::AnyDigest), &mut new.idempotency) {
            key.digest = [0; 32];
        }
        if self.has(Flaw::NoPriority) {
            new.priority = 0;
        }
        let mut enqueued = self.inner.enqueue(tenant, new).await?;
        self.seen().homes.insert(enqueued.run.id, tenant);
        enqueued.run.priority = priority;
        enqueued.run.idempotency_key = key.map(|key| key.key);
        Ok(enqueued)
    }

    async fn enqueued(&self, tenant: TenantId, job: JobId, given: &Idempotency) -> Result<Option<RunRecord>> {
        self.inner.enqueued(tenant, job, given).await
    }

    async fn claim(&self, worker: WorkerId, limit: usize, ttl: Duration) -> Result<Vec<Claimed>> {
        let limit = limit + usize::from(self.has(Flaw::ClaimsTooMuch));
        let mut claimed = self.inner.claim(worker, limit, ttl).await?;
        if self.has(Flaw::ClaimsBackwards) {
            claimed.reverse();
        }
        self.seen().leases.extend(claimed.iter().map(|task| (task.lease.task, task.lease)));
        Ok(claimed)
    }

    async fn next_due(&self) -> Result<Option<Timestamp>> {
        self.inner.next_due().await
    }

    async fn record_dispatch(&self, lease: &Lease, handle: &RemoteHandle) -> Result<()> {
        match self.inner.record_dispatch(lease, handle).await {
            Err(error) if self.has(Flaw::ActsThoughCanceled) && error.kind() == ErrorKind::Canceled => Ok(()),
            answer => answer,
        }
    }

    async fn renew(&self, leases: &[Lease], ttl: Duration) -> Result<Vec<LeaseState>> {
        let mut states = self.inner.renew(leases, ttl).await?;
        if self.has(Flaw::LostSeemsHeld) {
            states.iter_mut().for_each(|state| *state = LeaseState::Held);
        }
        Ok(states)
    }

    async fn append_output(&self, mut pieces: Vec<OutputPiece>) -> Result<Vec<bool>> {
        if self.has(Flaw::UnfencedOutput) {
            pieces.iter_mut().for_each(|piece| piece.lease = self.present(piece.lease));
        }
        if !self.has(Flaw::LosesOutput) || pieces.is_empty() {
            return self.inner.append_output(pieces).await;
        }
        pieces.pop();
        let mut answers = self.inner.append_output(pieces).await?;
        answers.push(true);
        Ok(answers)
    }

    async fn complete(&self, mut completions: Vec<Completion>) -> Result<Vec<Settled>> {
        for completion in &mut completions {
            if self.has(Flaw::UnfencedEnds) {
                completion.lease = self.present(completion.lease);
            }
            if self.has(Flaw::DropsMetrics) {
                completion.metrics.clear();
            }
        }
        let leases: Vec<_> = completions.iter().map(|completion| completion.lease).collect();
        let mut settled = self.inner.complete(completions).await?;
        let mut seen = self.seen();
        for (lease, settled) in leases.into_iter().zip(&mut settled) {
            if self.has(Flaw::RepeatIsStale) && seen.ended.contains(&lease) {
                *settled = Settled::Stale;
            }
            seen.ended.push(lease);
        }
        Ok(settled)
    }

    async fn requeue(&self, mut tasks: Vec<Requeue>) -> Result<Vec<bool>> {
        if self.has(Flaw::NoDelay) {
            tasks.iter_mut().for_each(|task| task.delay = Duration::ZERO);
        }
        self.inner.requeue(tasks).await
    }

    async fn take_expired(&self, worker: WorkerId, limit: usize, ttl: Duration) -> Result<Vec<Expired>> {
        if self.has(Flaw::RescuesNoneAlone) && limit == 1 {
            return Ok(Vec::new());
        }
        let mut expired = self.inner.take_expired(worker, limit, ttl).await?;
        for task in &mut expired {
            if self.has(Flaw::OutputStartsAgain) {
                task.output_seq = 0;
            }
            if self.has(Flaw::ForgetsDispatch) {
                task.dispatched = None;
            }
            self.seen().leases.insert(task.claimed.lease.task, task.claimed.lease);
        }
        Ok(expired)
    }

    async fn cancel_run(&self, tenant: TenantId, run: RunId, reason: &str) -> Result<RunRecord> {
        self.inner.cancel_run(tenant, run, reason).await
    }
}

#[async_trait]
impl History for Flawed {
    async fn run(&self, tenant: TenantId, id: RunId) -> Result<RunRecord> {
        self.inner.run(self.home(tenant, id), id).await
    }

    async fn list_runs(&self, tenant: TenantId, filter: RunFilter, page: Page) -> Result<Listing<RunRecord>> {
        let mut list = self.inner.list_runs(tenant, filter, page).await?;
        if self.has(Flaw::ShortTotal) {
            list.total = list.items.len() as u64;
        }
        Ok(list)
    }

    async fn run_plan(&self, tenant: TenantId, id: RunId) -> Result<Arc<RunPlan>> {
        self.inner.run_plan(tenant, id).await
    }

    async fn tasks(&self, tenant: TenantId, run: RunId, page: Page) -> Result<Listing<TaskRecord>> {
        self.inner.tasks(tenant, run, page).await
    }

    async fn attempts(&self, tenant: TenantId, run: RunId, task: TaskId) -> Result<Vec<AttemptRecord>> {
        self.inner.attempts(tenant, run, task).await
    }

    async fn events(&self, tenant: TenantId, run: RunId, after: u64, limit: usize) -> Result<Vec<Event>> {
        let after = after.saturating_sub(u64::from(self.has(Flaw::EventsAgain)));
        self.inner.events(tenant, run, after, limit).await
    }

    async fn output(
        &self,
        tenant: TenantId,
        run: RunId,
        query: OutputQuery,
        limit: usize,
    ) -> Result<Vec<OutputChunk>> {
        self.inner.output(tenant, run, query, limit).await
    }

    async fn queue_depth(&self) -> Result<(u64, u64)> {
        self.inner.queue_depth().await
    }
}

crate::pass_catalog_through!(Flawed);
crate::pass_roster_through!(Flawed);
crate::pass_promises_through!(Flawed);
