//! Former versions of credentials, and when one expires.

use std::time::Duration;

use async_trait::async_trait;
use opsconductor_core::{
    Result,
    clock::Timestamp,
    id::{CredentialId, TenantId},
    store::{CredentialRecord, FormerVersion, Versions},
};
use sqlx::PgConnection;

use super::credential;
use crate::{
    PgStore, columns,
    error::{DbResult, missing},
};

#[async_trait]
impl Versions for PgStore {
    async fn former_versions(&self, tenant: TenantId, id: CredentialId) -> Result<Vec<FormerVersion>> {
        Ok(former(self, tenant, id).await?)
    }

    async fn remove_versions(&self, age: Duration, limit: usize) -> Result<u64> {
        Ok(remove(self, age, limit).await?)
    }

    async fn set_expiry(
        &self,
        tenant: TenantId,
        id: CredentialId,
        expires_at: Option<Timestamp>,
    ) -> Result<CredentialRecord> {
        Ok(expire(self, tenant, id, expires_at).await?)
    }

    async fn expiring(&self, before: Timestamp, limit: usize) -> Result<Vec<(TenantId, CredentialRecord)>> {
        Ok(expiring(self, before, limit).await?)
    }
}

/// Keeps the version of a credential that another one replaces now.
pub(super) async fn keep(
    store: &PgStore,
    db: &mut PgConnection,
    owner: TenantId,
    (credential, version, credential_type, sealed): (CredentialId, i32, &str, &[u8]),
) -> DbResult<()> {
    let sql = "INSERT INTO :schema.credential_versions
            (tenant_id, credential_id, version, credential_type, sealed, replaced_at)
        VALUES ($1, $2, $3, $4, $5, coalesce($6::timestamptz, clock_timestamp()))";
    sqlx::query(store.statements.of(sql))
        .bind(owner.get())
        .bind(credential.get())
        .bind(version)
        .bind(credential_type)
        .bind(sealed)
        .bind(store.moment())
        .execute(db)
        .await?;
    Ok(())
}

async fn former(store: &PgStore, owner: TenantId, id: CredentialId) -> DbResult<Vec<FormerVersion>> {
    let mut tx = store.pools.read(owner).await?;
    credential::by_id(store, &mut tx, owner, id).await?;
    let sql = "SELECT version, credential_type, sealed, replaced_at FROM :schema.credential_versions
        WHERE tenant_id = $1 AND credential_id = $2 ORDER BY version DESC";
    let rows =
        sqlx::query(store.statements.of(sql)).bind(owner.get()).bind(id.get()).fetch_all(&mut *tx).await?;
    tx.commit().await?;
    let read = |row| {
        Ok(FormerVersion {
            credential: id,
            version: columns::get(row, 0)?,
            credential_type: columns::get(row, 1)?,
            sealed: columns::get(row, 2)?,
            replaced_at: columns::get(row, 3)?,
        })
    };
    rows.iter().map(read).collect()
}

async fn remove(store: &PgStore, age: Duration, limit: usize) -> DbResult<u64> {
    let sql = "DELETE FROM :schema.credential_versions WHERE id IN (
            SELECT id FROM :schema.credential_versions
            WHERE replaced_at < coalesce($1::timestamptz, clock_timestamp()) - $2 * interval '1 microsecond'
            ORDER BY replaced_at, id LIMIT $3
            FOR UPDATE SKIP LOCKED)";
    let mut db = store.pools.queue().await?;
    let removed = sqlx::query(store.statements.of(sql))
        .bind(store.moment())
        .bind(columns::micros(age))
        .bind(columns::count(limit))
        .execute(&mut *db)
        .await?;
    Ok(removed.rows_affected())
}

async fn expire(
    store: &PgStore,
    owner: TenantId,
    id: CredentialId,
    at: Option<Timestamp>,
) -> DbResult<CredentialRecord> {
    let mut tx = store.pools.write(owner).await?;
    let sql = "UPDATE :schema.credentials SET expires_at = $3 WHERE tenant_id = $1 AND id = $2";
    let changed = sqlx::query(store.statements.of(sql))
        .bind(owner.get())
        .bind(id.get())
        .bind(at)
        .execute(&mut *tx)
        .await?;
    if changed.rows_affected() == 0 {
        return Err(missing("credential", id).into());
    }
    let record = credential::by_id(store, &mut tx, owner, id).await?;
    tx.commit().await?;
    Ok(record)
}

async fn expiring(
    store: &PgStore,
    before: Timestamp,
    limit: usize,
) -> DbResult<Vec<(TenantId, CredentialRecord)>> {
    let mut db = store.pools.queue().await?;
    let rows = sqlx::query(store.statements.of(credential::EXPIRING))
        .bind(before)
        .bind(columns::count(limit))
        .fetch_all(&mut *db)
        .await?;
    rows.iter().map(|row| Ok((TenantId::new(columns::get(row, 9)?), credential::read(row)?))).collect()
}
