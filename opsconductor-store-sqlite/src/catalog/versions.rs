//! Former versions of credentials, and when one expires.

use std::time::Duration;

use async_trait::async_trait;
use opsconductor_core::{
    Result,
    clock::Timestamp,
    id::{CredentialId, TenantId},
    store::{CredentialRecord, FormerVersion, Versions},
};
use rusqlite::{Connection, params};

use super::credential;
use crate::{SqliteStore, columns, error::DbResult, writer::Tx};

#[async_trait]
impl Versions for SqliteStore {
    async fn former_versions(&self, tenant: TenantId, id: CredentialId) -> Result<Vec<FormerVersion>> {
        self.readers.read(move |db| former(db, tenant, id)).await
    }

    async fn remove_versions(&self, age: Duration, limit: usize) -> Result<u64> {
        self.writer.write(move |tx| remove(tx, age, limit)).await
    }

    async fn set_expiry(
        &self,
        tenant: TenantId,
        id: CredentialId,
        expires_at: Option<Timestamp>,
    ) -> Result<CredentialRecord> {
        self.writer.write(move |tx| expire(tx, tenant, id, expires_at)).await
    }

    async fn expiring(&self, before: Timestamp, limit: usize) -> Result<Vec<(TenantId, CredentialRecord)>> {
        self.readers.read(move |db| expiring(db, before, limit)).await
    }
}

/// Keeps the version of a credential that another one replaces now.
pub(super) fn keep(tx: &Tx<'_>, owner: TenantId, record: &CredentialRecord) -> DbResult<()> {
    let sql = "INSERT INTO credential_versions (tenant_id, credential_id, version, credential_type, sealed, replaced_at)
        VALUES (?1, ?2, ?3, ?4, ?5, ?6)";
    let CredentialRecord { id, version, credential_type, sealed, .. } = record;
    let row = params![owner.get(), id.get(), version, credential_type, sealed, tx.now];
    tx.db.prepare_cached(sql)?.execute(row)?;
    Ok(())
}

fn former(db: &Connection, owner: TenantId, id: CredentialId) -> DbResult<Vec<FormerVersion>> {
    credential::by_id(db, owner, id)?;
    let sql = "SELECT version, credential_type, sealed, replaced_at FROM credential_versions
        WHERE credential_id = ?1 ORDER BY version DESC";
    let mut find = db.prepare_cached(sql)?;
    let rows = find.query_map([id.get()], |row| {
        Ok(FormerVersion {
            credential: id,
            version: row.get(0)?,
            credential_type: row.get(1)?,
            sealed: row.get(2)?,
            replaced_at: columns::time(row, 3)?,
        })
    })?;
    Ok(rows.collect::<rusqlite::Result<_>>()?)
}

fn remove(tx: &mut Tx<'_>, age: Duration, limit: usize) -> DbResult<u64> {
    let sql = "DELETE FROM credential_versions WHERE id IN
        (SELECT id FROM credential_versions WHERE replaced_at < ?1 ORDER BY replaced_at, id LIMIT ?2)";
    let last = tx.now.saturating_sub(columns::count(age.as_micros()));
    Ok(tx.db.prepare_cached(sql)?.execute([last, columns::count(limit)])? as u64)
}

fn expire(
    tx: &mut Tx<'_>,
    owner: TenantId,
    id: CredentialId,
    at: Option<Timestamp>,
) -> DbResult<CredentialRecord> {
    let sql = "UPDATE credentials SET expires_at = ?3 WHERE id = ?1 AND tenant_id = ?2";
    let at = at.map(|at| at.timestamp_micros());
    tx.db.prepare_cached(sql)?.execute(params![id.get(), owner.get(), at])?;
    credential::by_id(tx.db, owner, id)
}

fn expiring(db: &Connection, before: Timestamp, limit: usize) -> DbResult<Vec<(TenantId, CredentialRecord)>> {
    let sql = format!(
        "SELECT {}, tenant_id FROM credentials WHERE expires_at < ?1 ORDER BY expires_at, id LIMIT ?2",
        credential::COLUMNS
    );
    let mut find = db.prepare_cached(&sql)?;
    let rows = find.query_map([before.timestamp_micros(), columns::count(limit)], |row| {
        Ok((TenantId::new(row.get("tenant_id")?), credential::read(row)?))
    })?;
    Ok(rows.collect::<rusqlite::Result<_>>()?)
}
