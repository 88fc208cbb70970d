//! Letting a prefix of the chain go. On the queue's side of the wall: the role that serves people may remove no record at all.

use opsconductor_core::{
    audit::{Hash, Head},
    id::TenantId,
    store::audit::{REMOVE_BATCH, not_of_the_chain},
};

use super::{number, read};
use crate::{PgStore, columns, error::DbResult};

pub(super) async fn begin_after(store: &PgStore, tenant: TenantId, new: Head, note: &str) -> DbResult<()> {
    let mut tx = store.pools.queue_writing().await?;
    let sql = "SELECT record_hash FROM :schema.audit_log WHERE tenant_id = $1 AND seq = $2";
    let found: Option<Option<Vec<u8>>> = sqlx::query_scalar(store.statements.of(sql))
        .bind(tenant.get())
        .bind(number(new.size))
        .fetch_optional(&mut *tx)
        .await?;
    // With its row, which is locked: whoever else lets more go comes before or after.
    let sql = "UPDATE :schema.audit_heads SET begins = $2, begins_hash = $3
        WHERE tenant_id = $1 AND begins < $2 AND $4 RETURNING begins";
    let is_there = found.is_some_and(|hash| Hash::kept(hash.as_deref()) == new.hash);
    let begins: Option<i64> = sqlx::query_scalar(store.statements.of(sql))
        .bind(tenant.get())
        .bind(number(new.size))
        .bind(&new.hash.as_bytes()[..])
        .bind(is_there)
        .fetch_optional(&mut *tx)
        .await?;
    if begins.is_none() {
        let begins = read::state_in(store, &mut tx, tenant).await?.begins.size;
        tx.rollback().await?;
        return match new.size <= begins {
            true => Ok(()),
            false => Err(not_of_the_chain(new.size).into()),
        };
    }
    let sql = "INSERT INTO :schema.audit_checkpoints (tenant_id, size, hash, note, at)
        VALUES ($1, $2, $3, $4, coalesce($5::timestamptz, clock_timestamp()))
        ON CONFLICT (tenant_id, size) DO UPDATE SET hash = excluded.hash, note = excluded.note, at = excluded.at";
    sqlx::query(store.statements.of(sql))
        .bind(tenant.get())
        .bind(number(new.size))
        .bind(&new.hash.as_bytes()[..])
        .bind(note)
        .bind(store.moment())
        .execute(&mut *tx)
        .await?;
    tx.commit().await
}

/// The end of the chain is not held meanwhile: nobody waits until many records are gone.
pub(super) async fn remove(store: &PgStore, tenant: TenantId) -> DbResult<u64> {
    let mut tx = store.pools.queue_transaction().await?;
    let begins = read::state_in(store, &mut tx, tenant).await?.begins;
    let sql = "DELETE FROM :schema.audit_log WHERE tenant_id = $1 AND seq IN
        (SELECT r.seq FROM :schema.audit_log AS r WHERE r.tenant_id = $1 AND r.seq <= $2 ORDER BY r.seq LIMIT $3)";
    let gone = sqlx::query(store.statements.of(sql))
        .bind(tenant.get())
        .bind(number(begins.size))
        .bind(columns::count(REMOVE_BATCH))
        .execute(&mut *tx)
        .await?;
    tx.commit().await?;
    Ok(gone.rows_affected())
}
