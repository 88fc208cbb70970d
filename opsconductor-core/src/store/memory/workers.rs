//! The [`Roster`] of the memory store.

use async_trait::async_trait;

use super::{MemoryStore, State};
use crate::{
    Result,
    clock::Timestamp,
    id::WorkerId,
    store::{Heartbeat, Listing, Page, Roster, SILENT_WORKER_KEPT, WorkerRecord, WorkerState},
};

/// A worker's row.
pub(super) struct WorkerRow {
    beat: Heartbeat,
    started_at: Timestamp,
    seen_at: Timestamp,
}

#[async_trait]
impl Roster for MemoryStore {
    async fn beat(&self, heartbeat: &Heartbeat) -> Result<()> {
        self.with(|state| state.beat(heartbeat));
        Ok(())
    }

    async fn sign_off(&self, worker: WorkerId) -> Result<()> {
        self.with(|state| state.workers.remove(&worker));
        Ok(())
    }

    async fn list_workers(&self, page: Page) -> Result<Listing<WorkerRecord>> {
        Ok(self.with(|state| state.list_workers(page)))
    }
}

impl State {
    fn beat(&mut self, beat: &Heartbeat) {
        let now = self.now;
        let silent = |row: &WorkerRow| (now - row.seen_at).to_std().unwrap_or_default();
        self.workers.retain(|_, row| silent(row) <= SILENT_WORKER_KEPT);
        let started_at = self.workers.get(&beat.worker).map_or(now, |row| row.started_at);
        self.workers.insert(beat.worker, WorkerRow { beat: beat.clone(), started_at, seen_at: now });
    }

    fn list_workers(&self, page: Page) -> Listing<WorkerRecord> {
        let mut workers: Vec<_> = self.workers.values().map(|row| self.worker_record(row)).collect();
        workers.sort_by_key(|worker| (std::cmp::Reverse(worker.started_at), worker.id.to_string()));
        super::history::listing(workers.iter(), page)
    }

    fn worker_record(&self, row: &WorkerRow) -> WorkerRecord {
        let beat = row.beat.clone();
        let silent = (self.now - row.seen_at).to_std().unwrap_or_default();
        WorkerRecord {
            id: beat.worker,
            host: beat.host,
            process: beat.process,
            version: beat.version,
            concurrency: beat.concurrency,
            running: beat.running,
            state: WorkerState::of(beat.draining, silent, beat.gone_after),
            started_at: row.started_at,
            seen_at: row.seen_at,
        }
    }
}
