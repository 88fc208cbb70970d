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
    id::{JobId, RunId, TargetId, TenantId, WorkerId},
    store::{
        Claimed, Completion, Decision, Enqueued, Expired, Heartbeat, Idempotency, Lease, LeaseState, Listing,
        NewRun, Notice, OutputPiece, Page, Queue, Requeue, Roster, RunRecord, Settled, Store, Suspended,
        WorkerRecord,
    },
    transport::RemoteHandle,
};
use tokio::sync::{Semaphore, broadcast};

use crate::through::Reading;

/// A store whose calls fail on demand, by the name of the call.
#[derive(Debug)]
pub struct Flaky {
    inner: Arc<dyn Store>,
    faults: Mutex<HashMap<&'static str, Fault>>,
    /// What `complete` waits for.
    gate: Semaphore,
    /// It gives no notices.
    mute: bool,
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
        Self::made(inner, false)
    }

    /// The same that never says what was committed.
    pub fn mute(inner: Arc<dyn Store>) -> Arc<Self> {
        Self::made(inner, true)
    }

    fn made(inner: Arc<dyn Store>, mute: bool) -> Arc<Self> {
        let gate = Semaphore::new(Semaphore::MAX_PERMITS >> 1);
        Arc::new(Self { inner, faults: Mutex::default(), gate, mute })
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
        if self.mute { None } else { self.inner.notices() }
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

    async fn suspended(&self, lease: &Lease) -> Result<Option<Suspended>> {
        self.inner.suspended(lease).await
    }

    async fn decide(
        &self,
        tenant: TenantId,
        run: RunId,
        step: u32,
        target: Option<TargetId>,
        decision: Decision,
    ) -> Result<()> {
        self.inner.decide(tenant, run, step, target, decision).await
    }

    async fn stop_overdue(&self, limit: usize) -> Result<Vec<RunId>> {
        self.inner.stop_overdue(limit).await
    }

    async fn cancel_run(&self, tenant: TenantId, run: RunId, reason: &str) -> Result<RunRecord> {
        self.inner.cancel_run(tenant, run, reason).await
    }
}

#[async_trait]
impl Roster for Flaky {
    async fn beat(&self, heartbeat: &Heartbeat) -> Result<()> {
        self.check("beat", 1)?;
        self.inner.beat(heartbeat).await
    }

    async fn sign_off(&self, worker: WorkerId) -> Result<()> {
        self.inner.sign_off(worker).await
    }

    async fn list_workers(&self, page: Page) -> Result<Listing<WorkerRecord>> {
        self.inner.list_workers(page).await
    }
}

impl Reading for Flaky {
    fn before(&self, call: &'static str) -> Result<()> {
        self.check(call, 1)
    }
}

crate::pass_accounts_through!(Flaky);
crate::pass_audit_through!(Flaky);
crate::pass_catalog_through!(Flaky);
crate::pass_custody_through!(Flaky);
crate::pass_versions_through!(Flaky);
crate::pass_notifications_through!(Flaky);
crate::pass_history_through!(Flaky);
crate::pass_feed_through!(Flaky);
crate::pass_promises_through!(Flaky);
