//! The [`Queue`] in SQLite: each call is one request to the writer.

mod advance;
mod cancel;
mod claim;
mod complete;
pub(crate) mod enqueue;
mod join;
mod lease;
mod limited;
mod output;
pub(crate) mod parking;
mod requeue;
pub(crate) mod suspend;
mod turns;

use std::time::Duration;

use async_trait::async_trait;
use opsconductor_core::{
    Result,
    clock::Timestamp,
    id::{JobId, RunId, TargetId, TenantId, WorkerId},
    store::{
        Claimed, Completion, Decision, Enqueued, Expired, Idempotency, Lease, LeaseState, NewRun,
        OutputPiece, Queue, Requeue, RunRecord, Settled, Suspended,
    },
    transport::RemoteHandle,
};

use crate::{SqliteStore, columns};

#[async_trait]
impl Queue for SqliteStore {
    async fn enqueue(&self, tenant: TenantId, new: NewRun) -> Result<Enqueued> {
        let prepared = enqueue::Prepared::of(new)?;
        self.writer.write(move |tx| enqueue::enqueue(tx, tenant, &prepared)).await
    }

    async fn enqueued(
        &self,
        tenant: TenantId,
        job: JobId,
        idempotency: &Idempotency,
    ) -> Result<Option<RunRecord>> {
        let given = idempotency.clone();
        self.readers.glance(move |db| enqueue::earlier(db, tenant, job, &given)).await
    }

    async fn claim(&self, worker: WorkerId, limit: usize, ttl: Duration) -> Result<Vec<Claimed>> {
        if limit == 0 {
            return Ok(Vec::new());
        }
        let claimed = self.writer.write(move |tx| claim::claim(tx, worker, limit, ttl)).await?;
        self.read_plans(&claimed).await;
        Ok(claimed)
    }

    async fn next_due(&self) -> Result<Option<Timestamp>> {
        // Callers know the wall clock alone.
        let (now, steady) = (self.clock.now().timestamp_micros(), self.steady.now());
        let due = self.readers.glance(move |db| claim::next_due(db, steady)).await?;
        Ok(due.map(|due| columns::moment(now.saturating_add(due - steady))))
    }

    async fn record_dispatch(&self, lease: &Lease, handle: &RemoteHandle) -> Result<()> {
        let (lease, handle) = (*lease, columns::to_json(handle)?);
        self.writer.write(move |tx| lease::record_dispatch(tx, &lease, &handle)).await
    }

    async fn renew(&self, leases: &[Lease], ttl: Duration) -> Result<Vec<LeaseState>> {
        let leases = leases.to_vec();
        self.writer.write(move |tx| lease::renew(tx, &leases, ttl)).await
    }

    async fn append_output(&self, pieces: Vec<OutputPiece>) -> Result<Vec<bool>> {
        output::check(&pieces)?;
        self.writer.write(move |tx| output::append(tx, &pieces)).await
    }

    async fn complete(&self, completions: Vec<Completion>) -> Result<Vec<Settled>> {
        let prepared = complete::prepare(completions)?;
        self.writer.write(move |tx| complete::complete(tx, &prepared)).await
    }

    async fn requeue(&self, tasks: Vec<Requeue>) -> Result<Vec<bool>> {
        requeue::check(&tasks)?;
        self.writer.write(move |tx| requeue::requeue(tx, &tasks)).await
    }

    async fn take_expired(&self, worker: WorkerId, limit: usize, ttl: Duration) -> Result<Vec<Expired>> {
        self.writer.write(move |tx| lease::take_expired(tx, worker, limit, ttl)).await
    }

    async fn suspended(&self, lease: &Lease) -> Result<Option<Suspended>> {
        let lease = *lease;
        self.readers.glance(move |db| suspend::suspended(db, &lease)).await
    }

    async fn decide(
        &self,
        tenant: TenantId,
        run: RunId,
        step: u32,
        target: Option<TargetId>,
        decision: Decision,
    ) -> Result<()> {
        self.writer.write(move |tx| suspend::decide(tx, tenant, run, (step, target), &decision)).await
    }

    async fn stop_overdue(&self, limit: usize) -> Result<Vec<RunId>> {
        let any = self.readers.glance(cancel::is_timed).await?;
        if !any {
            return Ok(Vec::new());
        }
        self.writer.write(move |tx| cancel::stop_overdue(tx, limit)).await
    }

    async fn cancel_run(&self, tenant: TenantId, run: RunId, reason: &str) -> Result<RunRecord> {
        let reason = reason.to_owned();
        self.writer.write(move |tx| cancel::cancel_run(tx, tenant, run, &reason)).await
    }
}
