//! A store that can be told to fail, around one that does not.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use async_trait::async_trait;
use opsconductor_core::{
    Error, ErrorKind, Result,
    clock::Timestamp,
    id::{CredentialId, JobId, LetterId, RunId, TargetId, TaskId, TenantId, WorkerId},
    run::{event::Event, plan::RunPlan},
    store::{
        AttemptRecord, Catalog, Claimed, Completion, CredentialRecord, DeadLetter, DeadLetters, Enqueued,
        Expired, History, Idempotency, JobRecord, Keep, Lease, LeaseState, Limit, LimitRecord, LimitScope,
        Limits, Listing, NewCredential, NewJob, NewRun, Notice, OutputChunk, OutputPiece, OutputQuery, Page,
        Queue, Requeue, Retention, RunFilter, RunRecord, Settled, Store, TaskRecord,
    },
    target::{Target, TargetSpec},
    tenant::Tenant,
    transport::RemoteHandle,
};
use tokio::sync::{Semaphore, broadcast};

/// A store whose calls fail on demand, by the name of the call.
#[derive(Debug)]
pub struct Flaky {
    inner: Arc<dyn Store>,
    faults: Mutex<HashMap<&'static str, Fault>>,
    /// What `complete` waits for.
    gate: Semaphore,
}

#[derive(Debug, Default)]
struct Fault {
    /// How many more calls fail.
    left: usize,
    failed: usize,
    for_good: bool,
    /// Only batches of more than one.
    batches: bool,
}

impl Flaky {
    /// Around `inner`; nothing fails yet.
    pub fn new(inner: Arc<dyn Store>) -> Arc<Self> {
        Arc::new(Self { inner, faults: Mutex::default(), gate: Semaphore::new(Semaphore::MAX_PERMITS >> 1) })
    }

    /// The next `times` calls of `name` say that the store is away.
    pub fn away(&self, name: &'static str, times: usize) {
        self.lock().insert(name, Fault { left: times, ..Fault::default() });
    }

    /// Every call of `name` with more than one row is refused for good.
    pub fn refuse_batches(&self, name: &'static str) {
        let fault = Fault { left: usize::MAX, for_good: true, batches: true, ..Fault::default() };
        self.lock().insert(name, fault);
    }

    /// How many calls of `name` have failed.
    pub fn failed(&self, name: &'static str) -> usize {
        self.lock().get(name).map_or(0, |fault| fault.failed)
    }

    /// Makes `complete` wait for [`Flaky::open`].
    pub fn close(&self) {
        self.gate.forget_permits(usize::MAX);
    }

    /// Lets `complete` go on.
    pub fn open(&self) {
        self.gate.add_permits(1 << 20);
    }

    fn check(&self, name: &'static str, rows: usize) -> Result<()> {
        let mut faults = self.lock();
        let Some(fault) = faults.get_mut(name) else { return Ok(()) };
        if fault.left == 0 || (fault.batches && rows < 2) {
            return Ok(());
        }
        fault.left -= 1;
        fault.failed += 1;
        Err(match fault.for_good {
            true => Error::new(ErrorKind::Store, "the store refuses this for good"),
            false => Error::new(ErrorKind::StoreUnavailable, "the store is away"),
        })
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<&'static str, Fault>> {
        self.faults.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Store for Flaky {
    fn name(&self) -> &'static str {
        "flaky"
    }

    fn notices(&self) -> Option<broadcast::Receiver<Notice>> {
        self.inner.notices()
    }
}

#[async_trait]
impl Queue for Flaky {
    async fn enqueue(&self, tenant: TenantId, new: NewRun) -> Result<Enqueued> {
        self.inner.enqueue(tenant, new).await
    }

    async fn enqueued(&self, tenant: TenantId, job: JobId, given: &Idempotency) -> Result<Option<RunRecord>> {
        self.inner.enqueued(tenant, job, given).await
    }

    async fn claim(&self, worker: WorkerId, limit: usize, ttl: Duration) -> Result<Vec<Claimed>> {
        self.check("claim", 1)?;
        self.inner.claim(worker, limit, ttl).await
    }

    async fn next_due(&self) -> Result<Option<Timestamp>> {
        self.inner.next_due().await
    }

    async fn record_dispatch(&self, lease: &Lease, handle: &RemoteHandle) -> Result<()> {
        self.check("record_dispatch", 1)?;
        self.inner.record_dispatch(lease, handle).await
    }

    async fn renew(&self, leases: &[Lease], ttl: Duration) -> Result<Vec<LeaseState>> {
        self.check("renew", leases.len())?;
        self.inner.renew(leases, ttl).await
    }

    async fn append_output(&self, pieces: Vec<OutputPiece>) -> Result<Vec<bool>> {
        self.check("append_output", pieces.len())?;
        self.inner.append_output(pieces).await
    }

    async fn complete(&self, completions: Vec<Completion>) -> Result<Vec<Settled>> {
        drop(self.gate.acquire().await);
        self.check("complete", completions.len())?;
        self.inner.complete(completions).await
    }

    async fn requeue(&self, tasks: Vec<Requeue>) -> Result<Vec<bool>> {
        self.check("requeue", tasks.len())?;
        self.inner.requeue(tasks).await
    }

    async fn take_expired(&self, worker: WorkerId, limit: usize, ttl: Duration) -> Result<Vec<Expired>> {
        self.check("take_expired", 1)?;
        self.inner.take_expired(worker, limit, ttl).await
    }

    async fn cancel_run(&self, tenant: TenantId, run: RunId, reason: &str) -> Result<RunRecord> {
        self.inner.cancel_run(tenant, run, reason).await
    }
}

#[async_trait]
impl History for Flaky {
    async fn run(&self, tenant: TenantId, id: RunId) -> Result<RunRecord> {
        self.inner.run(tenant, id).await
    }

    async fn list_runs(&self, tenant: TenantId, filter: RunFilter, page: Page) -> Result<Listing<RunRecord>> {
        self.inner.list_runs(tenant, filter, page).await
    }

    async fn run_plan(&self, tenant: TenantId, id: RunId) -> Result<Arc<RunPlan>> {
        self.check("run_plan", 1)?;
        self.inner.run_plan(tenant, id).await
    }

    async fn tasks(&self, tenant: TenantId, run: RunId, page: Page) -> Result<Listing<TaskRecord>> {
        self.inner.tasks(tenant, run, page).await
    }

    async fn attempts(&self, tenant: TenantId, run: RunId, task: TaskId) -> Result<Vec<AttemptRecord>> {
        self.inner.attempts(tenant, run, task).await
    }

    async fn events(&self, tenant: TenantId, run: RunId, after: u64, limit: usize) -> Result<Vec<Event>> {
        self.check("events", 1)?;
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

#[async_trait]
impl Catalog for Flaky {
    async fn create_tenant(&self, name: &str) -> Result<Tenant> {
        self.inner.create_tenant(name).await
    }

    async fn tenant_by_name(&self, name: &str) -> Result<Tenant> {
        self.inner.tenant_by_name(name).await
    }

    async fn reserve_credential_id(&self) -> Result<CredentialId> {
        self.inner.reserve_credential_id().await
    }

    async fn insert_credential(&self, tenant: TenantId, new: NewCredential) -> Result<CredentialRecord> {
        self.inner.insert_credential(tenant, new).await
    }

    async fn update_credential(
        &self,
        tenant: TenantId,
        expected_version: i32,
        new: NewCredential,
    ) -> Result<CredentialRecord> {
        self.inner.update_credential(tenant, expected_version, new).await
    }

    async fn credential(&self, tenant: TenantId, id: CredentialId) -> Result<CredentialRecord> {
        self.inner.credential(tenant, id).await
    }

    async fn credential_by_name(&self, tenant: TenantId, name: &str) -> Result<CredentialRecord> {
        self.inner.credential_by_name(tenant, name).await
    }

    async fn list_credentials(&self, tenant: TenantId, page: Page) -> Result<Listing<CredentialRecord>> {
        self.inner.list_credentials(tenant, page).await
    }

    async fn delete_credential(&self, tenant: TenantId, id: CredentialId) -> Result<()> {
        self.inner.delete_credential(tenant, id).await
    }

    async fn insert_target(&self, tenant: TenantId, spec: TargetSpec) -> Result<Target> {
        self.inner.insert_target(tenant, spec).await
    }

    async fn update_target(&self, tenant: TenantId, id: TargetId, spec: TargetSpec) -> Result<Target> {
        self.inner.update_target(tenant, id, spec).await
    }

    async fn target(&self, tenant: TenantId, id: TargetId) -> Result<Target> {
        self.inner.target(tenant, id).await
    }

    async fn targets_by_name(&self, tenant: TenantId, names: &[String]) -> Result<Vec<Target>> {
        self.inner.targets_by_name(tenant, names).await
    }

    async fn list_targets(&self, tenant: TenantId, tags: &[String], page: Page) -> Result<Listing<Target>> {
        self.inner.list_targets(tenant, tags, page).await
    }

    async fn delete_target(&self, tenant: TenantId, id: TargetId) -> Result<()> {
        self.inner.delete_target(tenant, id).await
    }

    async fn insert_job(&self, tenant: TenantId, new: NewJob) -> Result<JobRecord> {
        self.inner.insert_job(tenant, new).await
    }

    async fn update_job(&self, tenant: TenantId, id: JobId, new: NewJob) -> Result<JobRecord> {
        self.inner.update_job(tenant, id, new).await
    }

    async fn job(&self, tenant: TenantId, id: JobId) -> Result<JobRecord> {
        self.inner.job(tenant, id).await
    }

    async fn job_by_name(&self, tenant: TenantId, name: &str) -> Result<JobRecord> {
        self.inner.job_by_name(tenant, name).await
    }

    async fn list_jobs(&self, tenant: TenantId, active_only: bool, page: Page) -> Result<Listing<JobRecord>> {
        self.inner.list_jobs(tenant, active_only, page).await
    }

    async fn delete_job(&self, tenant: TenantId, id: JobId) -> Result<()> {
        self.inner.delete_job(tenant, id).await
    }
}

#[async_trait]
impl Limits for Flaky {
    async fn set_limit(&self, tenant: TenantId, scope: LimitScope, limit: Limit) -> Result<LimitRecord> {
        self.inner.set_limit(tenant, scope, limit).await
    }

    async fn limit(&self, tenant: TenantId, scope: LimitScope) -> Result<LimitRecord> {
        self.inner.limit(tenant, scope).await
    }

    async fn list_limits(&self, tenant: TenantId, page: Page) -> Result<Listing<LimitRecord>> {
        self.inner.list_limits(tenant, page).await
    }

    async fn pause(&self, tenant: TenantId, scope: LimitScope, reason: &str) -> Result<LimitRecord> {
        self.inner.pause(tenant, scope, reason).await
    }

    async fn resume(&self, tenant: TenantId, scope: LimitScope) -> Result<LimitRecord> {
        self.inner.resume(tenant, scope).await
    }

    async fn wake_limited(&self) -> Result<()> {
        self.inner.wake_limited().await
    }
}

#[async_trait]
impl DeadLetters for Flaky {
    async fn dead_letter(&self, tenant: TenantId, id: LetterId) -> Result<DeadLetter> {
        self.inner.dead_letter(tenant, id).await
    }

    async fn list_dead_letters(
        &self,
        tenant: TenantId,
        run: Option<RunId>,
        page: Page,
    ) -> Result<Listing<DeadLetter>> {
        self.inner.list_dead_letters(tenant, run, page).await
    }

    async fn discard_dead_letter(&self, tenant: TenantId, id: LetterId) -> Result<()> {
        self.inner.discard_dead_letter(tenant, id).await
    }

    async fn redrive(&self, tenant: TenantId, run: RunId, new: NewRun) -> Result<Enqueued> {
        self.inner.redrive(tenant, run, new).await
    }
}

#[async_trait]
impl Retention for Flaky {
    async fn remove_runs(&self, keep: &Keep, limit: usize) -> Result<u64> {
        self.inner.remove_runs(keep, limit).await
    }
}
