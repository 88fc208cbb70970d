//! Stores that break one promise each, to see that the model test of stores finds them.

mod flaw;
mod promises;

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use async_trait::async_trait;
use opsconductor_core::{
    ErrorKind, Result,
    clock::Timestamp,
    id::{JobId, RunId, TargetId, TaskId, TenantId, WorkerId},
    store::{
        Claimed, Completion, Decision, Enqueued, Expired, Idempotency, Lease, LeaseState, Listing, NewRun,
        Notice, OutputPiece, Queue, Requeue, RunRecord, Settled, Store, Suspended,
    },
    transport::RemoteHandle,
};
use tokio::sync::broadcast;

use crate::through::Reading;

pub use flaw::Flaw;

/// A store with a flaw around one without.
#[derive(Debug)]
pub struct Flawed {
    inner: Arc<dyn Store>,
    flaw: Option<Flaw>,
    seen: Mutex<Seen>,
}

#[derive(Debug, Default)]
struct Seen {
    leases: HashMap<TaskId, Lease>,
    ended: Vec<Lease>,
    homes: HashMap<RunId, TenantId>,
    asked: HashMap<RunId, Asked>,
    keys: HashMap<(TenantId, JobId, String), RunRecord>,
    /// A rate was set.
    rated: bool,
}

/// What was asked for when a run was enqueued: a store that does not act on it shows it all the same.
#[derive(Debug, Clone)]
struct Asked {
    priority: i16,
    key: Option<String>,
    turn: Option<String>,
}

impl Flawed {
    /// Around `inner`; without a flaw it changes nothing.
    pub fn new(inner: Arc<dyn Store>, flaw: Option<Flaw>) -> Arc<Self> {
        Arc::new(Self { inner, flaw, seen: Mutex::default() })
    }

    fn has(&self, flaw: Flaw) -> bool {
        self.flaw == Some(flaw)
    }

    fn seen(&self) -> MutexGuard<'_, Seen> {
        self.seen.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The present lease of the task that `lease` is about.
    fn present(&self, lease: Lease) -> Lease {
        self.seen().leases.get(&lease.task).copied().unwrap_or(lease)
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
        let asked = Asked {
            priority: new.priority,
            key: new.idempotency.as_ref().map(|key| key.key.clone()),
            turn: new.concurrency_key.clone(),
        };
        let known = asked.key.clone().map(|key| (tenant, new.job, key));
        let first = known.as_ref().and_then(|known| self.seen().keys.get(known).cloned());
        if let (true, Some(run)) = (self.has(Flaw::KeyOutlivesItsRun), first)
            && self.inner.run(tenant, run.id).await.is_err()
        {
            return Ok(Enqueued { run, repeated: true });
        }
        if self.has(Flaw::NoIdempotency) {
            new.idempotency = None;
        }
        if let (true, Some(key)) = (self.has(Flaw::AnyDigest), &mut new.idempotency) {
            key.digest = [0; 32];
        }
        if self.has(Flaw::NoPriority) {
            new.priority = 0;
        }
        if self.has(Flaw::NoTurns) {
            new.concurrency_key = None;
        }
        let Enqueued { run, repeated } = self.inner.enqueue(tenant, new).await?;
        let mut seen = self.seen();
        if !repeated {
            seen.homes.insert(run.id, tenant);
            seen.asked.insert(run.id, asked);
        }
        drop(seen);
        let run = self.shown(run);
        self.seen().keys.extend(known.map(|known| (known, run.clone())));
        Ok(Enqueued { run, repeated })
    }

    async fn enqueued(&self, tenant: TenantId, job: JobId, given: &Idempotency) -> Result<Option<RunRecord>> {
        Ok(self.inner.enqueued(tenant, job, given).await?.map(|run| self.shown(run)))
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
        if self.has(Flaw::RateNeverWakes) && self.seen().rated {
            return Ok(None);
        }
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
        Ok(self.shown(self.inner.cancel_run(tenant, run, reason).await?))
    }
}

impl Reading for Flawed {
    fn home(&self, tenant: TenantId, run: RunId) -> TenantId {
        let home = self.seen().homes.get(&run).copied();
        if self.has(Flaw::MixesTenants) { home.unwrap_or(tenant) } else { tenant }
    }

    fn shown(&self, mut run: RunRecord) -> RunRecord {
        if let Some(asked) = self.seen().asked.get(&run.id).cloned() {
            (run.priority, run.idempotency_key, run.concurrency_key) =
                (asked.priority, asked.key, asked.turn);
        }
        run
    }

    fn listed(&self, mut list: Listing<RunRecord>) -> Listing<RunRecord> {
        if self.has(Flaw::ShortTotal) {
            list.total = list.items.len() as u64;
        }
        list
    }

    fn after(&self, after: u64) -> u64 {
        after.saturating_sub(u64::from(self.has(Flaw::EventsAgain)))
    }
}

crate::pass_accounts_through!(Flawed);
crate::pass_audit_through!(Flawed);
crate::pass_catalog_through!(Flawed);
crate::pass_custody_through!(Flawed);
crate::pass_versions_through!(Flawed);
crate::pass_notifications_through!(Flawed);
crate::pass_roster_through!(Flawed);
crate::pass_history_through!(Flawed);
crate::pass_feed_through!(Flawed);
