//! The [`Queue`] in PostgreSQL. Claim, rescue, renewal, dispatch, output and enqueue are one statement each; what ends tasks
//! is one transaction of a few, because the rules of what follows are the core's.

mod advance;
mod cancel;
mod claim;
mod complete;
mod ends;
pub(crate) mod enqueue;
pub(crate) mod gather;
mod insert;
mod join;
mod lease;
mod letters;
mod limited;
mod output;
pub(crate) mod parking;
mod requeue;
mod runs;
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

use crate::PgStore;

#[async_trait]
impl Queue for PgStore {
    async fn enqueue(&self, tenant: TenantId, new: NewRun) -> Result<Enqueued> {
        let prepared = enqueue::Prepared::of(new)?;
        Ok(enqueue::enqueue(self, tenant, prepared).await?)
    }

    async fn enqueued(
        &self,
        tenant: TenantId,
        job: JobId,
        idempotency: &Idempotency,
    ) -> Result<Option<RunRecord>> {
        Ok(enqueue::enqueued(self, tenant, job, idempotency).await?)
    }

    async fn claim(&self, worker: WorkerId, limit: usize, ttl: Duration) -> Result<Vec<Claimed>> {
        if limit == 0 {
            return Ok(Vec::new());
        }
        Ok(claim::claim(self, worker, limit, ttl).await?)
    }

    async fn next_due(&self) -> Result<Option<Timestamp>> {
        Ok(claim::next_due(self).await?)
    }

    async fn record_dispatch(&self, lease: &Lease, handle: &RemoteHandle) -> Result<()> {
        Ok(lease::record_dispatch(self, lease, handle).await?)
    }

    async fn renew(&self, leases: &[Lease], ttl: Duration) -> Result<Vec<LeaseState>> {
        Ok(lease::renew(self, leases, ttl).await?)
    }

    async fn append_output(&self, pieces: Vec<OutputPiece>) -> Result<Vec<bool>> {
        output::check(&pieces)?;
        Ok(output::append(self, &pieces).await?)
    }

    async fn complete(&self, completions: Vec<Completion>) -> Result<Vec<Settled>> {
        let prepared = complete::prepare(completions)?;
        Ok(complete::complete(self, &prepared).await?)
    }

    async fn requeue(&self, tasks: Vec<Requeue>) -> Result<Vec<bool>> {
        requeue::check(&tasks)?;
        Ok(requeue::requeue(self, &tasks).await?)
    }

    async fn take_expired(&self, worker: WorkerId, limit: usize, ttl: Duration) -> Result<Vec<Expired>> {
        if limit == 0 {
            return Ok(Vec::new());
        }
        Ok(lease::take_expired(self, worker, limit, ttl).await?)
    }

    async fn suspended(&self, lease: &Lease) -> Result<Option<Suspended>> {
        Ok(suspend::suspended(self, lease).await?)
    }

    async fn decide(
        &self,
        tenant: TenantId,
        run: RunId,
        step: u32,
        target: Option<TargetId>,
        decision: Decision,
    ) -> Result<()> {
        Ok(suspend::decide(self, tenant, run, (step, target), &decision).await?)
    }

    async fn stop_overdue(&self, limit: usize) -> Result<Vec<RunId>> {
        Ok(cancel::stop_overdue(self, limit).await?)
    }

    async fn cancel_run(&self, tenant: TenantId, run: RunId, reason: &str) -> Result<RunRecord> {
        Ok(cancel::cancel_run(self, tenant, run, reason).await?)
    }
}
