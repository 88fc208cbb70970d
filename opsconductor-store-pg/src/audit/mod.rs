//! [`AuditLog`] in PostgreSQL.

mod chain;
mod read;
mod remove;
mod writing;

use async_trait::async_trait;
use opsconductor_core::{
    Result,
    audit::{Chained, Head, staging::Staged},
    clock::Timestamp,
    id::TenantId,
    store::{AuditFilter, AuditLog, AuditState, Listing, Page, StoredCheckpoint},
};

use crate::{
    PgStore, columns,
    error::{DbResult, missing},
};

pub(crate) use writing::{Recorder, Writing};

#[async_trait]
impl AuditLog for PgStore {
    async fn append_audit(&self, entries: Vec<Staged>) -> Result<()> {
        Ok(append(self, entries).await?)
    }

    async fn sequence_audit(&self, limit: usize) -> Result<u64> {
        Ok(chain::sequence(self, limit).await?)
    }

    async fn audit_state(&self, tenant: TenantId) -> Result<AuditState> {
        Ok(read::state(self, tenant).await?)
    }

    async fn audit_records(&self, tenant: TenantId, after: u64, limit: usize) -> Result<Vec<Chained>> {
        Ok(read::records(self, tenant, after, limit).await?)
    }

    async fn list_audit(
        &self,
        tenant: TenantId,
        filter: &AuditFilter,
        page: Page,
    ) -> Result<Listing<Chained>> {
        Ok(read::list(self, tenant, filter, page).await?)
    }

    async fn audit_size_before(&self, tenant: TenantId, time: Timestamp) -> Result<Head> {
        Ok(read::size_before(self, tenant, time).await?)
    }

    async fn add_checkpoint(&self, tenant: TenantId, head: Head, note: &str) -> Result<StoredCheckpoint> {
        Ok(read::add_checkpoint(self, tenant, head, note).await?)
    }

    async fn list_checkpoints(&self, tenant: TenantId, page: Page) -> Result<Listing<StoredCheckpoint>> {
        Ok(read::checkpoints(self, tenant, page).await?)
    }

    async fn begin_audit_after(&self, tenant: TenantId, head: Head, note: &str) -> Result<()> {
        Ok(remove::begin_after(self, tenant, head, note).await?)
    }

    async fn remove_audit(&self, tenant: TenantId) -> Result<u64> {
        Ok(remove::remove(self, tenant).await?)
    }

    async fn audit_key(&self, tenant: TenantId) -> Result<Option<Vec<u8>>> {
        Ok(read::key(self, tenant).await?)
    }

    async fn keep_audit_key(&self, tenant: TenantId, sealed: &[u8]) -> Result<Vec<u8>> {
        Ok(read::keep_key(self, tenant, sealed).await?)
    }
}

async fn append(store: &PgStore, entries: Vec<Staged>) -> DbResult<()> {
    let mut tenants: Vec<i64> = entries.iter().map(|staged| staged.entry.tenant().get()).collect();
    tenants.sort_unstable();
    tenants.dedup();
    let mut tx = store.pools.queue_transaction().await?;
    let sql = "SELECT t FROM unnest($1::bigint[]) AS t
        WHERE NOT EXISTS (SELECT 1 FROM :schema.tenants AS x WHERE x.id = t) LIMIT 1";
    let absent: Option<i64> =
        sqlx::query_scalar(store.statements.of(sql)).bind(tenants).fetch_optional(&mut *tx).await?;
    if let Some(absent) = absent {
        return Err(missing("tenant", absent).into());
    }
    store.pools.recorder().write(&mut tx, entries).await?;
    Ok(tx.commit().await?)
}

/// A number of records as a column has it.
fn number(number: u64) -> i64 {
    columns::count(number)
}
