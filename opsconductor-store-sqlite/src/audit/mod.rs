//! [`AuditLog`] in SQLite. One thread writes, and the file lets one process write at a time, so chains need no locks of their own.

mod chain;
mod read;
mod remove;

use async_trait::async_trait;
use opsconductor_core::{
    Result,
    audit::{Chained, Head, staging::Staged},
    clock::Timestamp,
    id::TenantId,
    store::{AuditFilter, AuditLog, AuditState, Listing, Page, StoredCheckpoint},
};

pub(crate) use chain::write;

use crate::SqliteStore;

#[async_trait]
impl AuditLog for SqliteStore {
    async fn append_audit(&self, entries: Vec<Staged>) -> Result<()> {
        self.writer.write(move |tx| chain::append(tx, entries)).await
    }

    async fn sequence_audit(&self, limit: usize) -> Result<u64> {
        // A look first: the thread is asked only where there is something to do.
        match self.readers.glance(chain::is_waiting).await? {
            true => {
                let (chained, failed) = self.writer.write(move |tx| chain::sequence(tx, limit)).await?;
                failed.map_or(Ok(chained), |failure| Err(failure.into()))
            }
            false => Ok(0),
        }
    }

    async fn audit_state(&self, tenant: TenantId) -> Result<AuditState> {
        self.readers.read(move |db| read::state(db, tenant)).await
    }

    async fn audit_records(&self, tenant: TenantId, after: u64, limit: usize) -> Result<Vec<Chained>> {
        self.readers.read(move |db| read::records(db, tenant, after, limit)).await
    }

    async fn list_audit(
        &self,
        tenant: TenantId,
        filter: &AuditFilter,
        page: Page,
    ) -> Result<Listing<Chained>> {
        let filter = filter.clone();
        self.readers.read(move |db| read::list(db, tenant, &filter, page)).await
    }

    async fn audit_size_before(&self, tenant: TenantId, time: Timestamp) -> Result<Head> {
        self.readers.read(move |db| read::size_before(db, tenant, time)).await
    }

    async fn add_checkpoint(&self, tenant: TenantId, head: Head, note: &str) -> Result<StoredCheckpoint> {
        let note = note.to_owned();
        self.writer.write(move |tx| read::add_checkpoint(tx, tenant, head, &note)).await
    }

    async fn list_checkpoints(&self, tenant: TenantId, page: Page) -> Result<Listing<StoredCheckpoint>> {
        self.readers.read(move |db| read::checkpoints(db, tenant, page)).await
    }

    async fn begin_audit_after(&self, tenant: TenantId, head: Head, note: &str) -> Result<()> {
        let note = note.to_owned();
        self.writer.write(move |tx| remove::begin_after(tx, tenant, head, &note)).await
    }

    async fn remove_audit(&self, tenant: TenantId) -> Result<u64> {
        self.writer.write(move |tx| remove::remove(tx, tenant)).await
    }

    async fn audit_key(&self, tenant: TenantId) -> Result<Option<Vec<u8>>> {
        self.readers.read(move |db| read::key(db, tenant)).await
    }

    async fn keep_audit_key(&self, tenant: TenantId, sealed: &[u8]) -> Result<Vec<u8>> {
        let sealed = sealed.to_vec();
        self.writer.write(move |tx| read::keep_key(tx, tenant, &sealed)).await
    }
}
