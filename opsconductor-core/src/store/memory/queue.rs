//! The [`Queue`] of the memory store: each call is one turn at the rows.

use std::time::Duration;

use async_trait::async_trait;

use super::{MemoryStore, State, invalid};
use crate::{
    Result,
    clock::Timestamp,
    id::{JobId, RunId, TargetId, TenantId, WorkerId},
    run::{event::EventKind, plan::TaskKey},
    store::{
        CHUNK_BYTES_MAX, Claimed, Completion, Decision, Enqueued, Expired, Idempotency, Lease, LeaseState,
        NewRun, OutputChunk, OutputPiece, Queue, Requeue, RunRecord, Settled, Suspended,
    },
    transport::RemoteHandle,
};

#[async_trait]
impl Queue for MemoryStore {
    async fn enqueue(&self, tenant: TenantId, new: NewRun) -> Result<Enqueued> {
        self.noted(|state| state.enqueue(tenant, new))
    }

    async fn enqueued(
        &self,
        tenant: TenantId,
        job: JobId,
        idempotency: &Idempotency,
    ) -> Result<Option<RunRecord>> {
        self.with(|state| state.earlier(tenant, job, Some(idempotency)))
    }

    async fn claim(&self, worker: WorkerId, limit: usize, ttl: Duration) -> Result<Vec<Claimed>> {
        Ok(self.with(|state| state.claim(worker, limit, ttl)))
    }

    async fn next_due(&self) -> Result<Option<Timestamp>> {
        Ok(self.with(|state| state.next_due()))
    }

    async fn record_dispatch(&self, lease: &Lease, handle: &RemoteHandle) -> Result<()> {
        self.with(|state| state.record_dispatch(lease, handle))
    }

    async fn renew(&self, leases: &[Lease], ttl: Duration) -> Result<Vec<LeaseState>> {
        Ok(self.with(|state| state.renew(leases, ttl)))
    }

    async fn append_output(&self, pieces: Vec<OutputPiece>) -> Result<Vec<bool>> {
        self.with(|state| state.append_output(&pieces))
    }

    async fn complete(&self, completions: Vec<Completion>) -> Result<Vec<Settled>> {
        self.with(|state| state.complete(completions))
    }

    async fn requeue(&self, tasks: Vec<Requeue>) -> Result<Vec<bool>> {
        self.with(|state| state.requeue(tasks))
    }

    async fn take_expired(&self, worker: WorkerId, limit: usize, ttl: Duration) -> Result<Vec<Expired>> {
        Ok(self.with(|state| state.take_expired(worker, limit, ttl)))
    }

    async fn suspended(&self, lease: &Lease) -> Result<Option<Suspended>> {
        self.with(|state| state.suspended(lease))
    }

    async fn decide(
        &self,
        tenant: TenantId,
        run: RunId,
        step: u32,
        target: Option<TargetId>,
        decision: Decision,
    ) -> Result<()> {
        self.noted(|state| state.decide(tenant, run, TaskKey { step, target }, decision))
    }

    async fn stop_overdue(&self, limit: usize) -> Result<Vec<RunId>> {
        self.with(|state| state.stop_overdue(limit))
    }

    async fn cancel_run(&self, tenant: TenantId, run: RunId, reason: &str) -> Result<RunRecord> {
        self.noted(|state| state.cancel_run(tenant, run, reason))
    }
}

impl State {
    fn append_output(&mut self, pieces: &[OutputPiece]) -> Result<Vec<bool>> {
        let texts = pieces.iter().map(checked_text).collect::<Result<Vec<_>>>()?;
        Ok(pieces.iter().zip(texts).map(|(piece, text)| self.append_piece(piece, text)).collect())
    }

    fn append_piece(&mut self, piece: &OutputPiece, text: &str) -> bool {
        let task = piece.lease.task;
        let Some(attempt) = self.held(&piece.lease).map(|row| row.attempt) else { return false };
        let Some(row) = self.tasks.get(&task) else { return false };
        let key = (task, attempt, piece.seq);
        if self.output.contains_key(&key) {
            return true;
        }
        let chunk = OutputChunk {
            task,
            step: row.record.step,
            target: row.record.target,
            attempt,
            seq: piece.seq,
            stream: piece.stream,
            at: self.now,
            text: text.to_owned(),
        };
        self.output.insert(key, chunk);
        self.task_event(task, EventKind::StepOutput { stream: piece.stream, text: text.to_owned() });
        true
    }
}

fn checked_text(piece: &OutputPiece) -> Result<&str> {
    if piece.text.len() > CHUNK_BYTES_MAX {
        return Err(invalid(format!("a piece of output has at most {CHUNK_BYTES_MAX} bytes"))
            .with("task", piece.lease.task)
            .with("bytes", piece.text.len()));
    }
    std::str::from_utf8(&piece.text).map_err(|source| {
        invalid("a piece of output must be UTF-8").with("task", piece.lease.task).with_source(source)
    })
}
