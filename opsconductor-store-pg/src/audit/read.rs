//! Reading the chain, its checkpoints and its key.

use opsconductor_core::{
    audit::{Chained, DAMAGED, Hash, Head, Outcome, Record},
    clock::Timestamp,
    id::{TenantId, UserId},
    store::{AuditFilter, AuditState, Listing, Page, StoredCheckpoint, audit::not_of_the_chain},
};
use serde_json::Value;
use sqlx::{PgConnection, postgres::PgRow, types::Json};

use super::number;
use crate::{
    PgStore, columns,
    error::{DbResult, missing},
};

/// A time that no program can have written reads as 1970: such a record is damaged, and found to be.
macro_rules! columns_of_a_record {
    () => {
        "r.seq, r.tenant_id, CASE WHEN r.ts BETWEEN '0001-01-02' AND '9999-12-30' THEN r.ts ELSE to_timestamp(0) END, r.actor_id,
        r.actor, r.action, r.resource_type, r.resource_id, r.outcome, r.ip, r.user_agent, r.details, r.prev_hash, r.record_hash"
    };
}

const STATE: &str =
    "SELECT h.begins, h.begins_hash, h.size, h.hash FROM :schema.audit_heads AS h WHERE h.tenant_id = $1";

const RECORDS: &str = concat!(
    "SELECT ",
    columns_of_a_record!(),
    " FROM :schema.audit_log AS r WHERE r.tenant_id = $1 AND r.seq > $2 ORDER BY r.seq LIMIT $3"
);

/// The numbers of a chain have no gaps. Bounded at both ends, the statement is answered from the index whatever the planner knows of
/// the table: without its statistics it sorts all the records that follow for each page of an open end.
const RECORDS_BETWEEN: &str = concat!(
    "SELECT ",
    columns_of_a_record!(),
    " FROM :schema.audit_log AS r WHERE r.tenant_id = $1 AND r.seq > $2 AND r.seq <= $3 ORDER BY r.seq"
);

macro_rules! wanted {
    () => {
        " FROM :schema.audit_log AS r
        WHERE r.tenant_id = $1 AND r.seq > coalesce((SELECT h.begins FROM :schema.audit_heads AS h WHERE h.tenant_id = $1), 0)
            AND ($2::bigint IS NULL OR r.actor_id = $2) AND ($3::text IS NULL OR r.actor = $3)
            AND ($4::text IS NULL OR r.action = $4) AND ($5::text IS NULL OR r.resource_type = $5)
            AND ($6::bigint IS NULL OR r.resource_id = $6)
            AND ($7::timestamptz IS NULL OR r.ts >= $7) AND ($8::timestamptz IS NULL OR r.ts < $8)"
    };
}

const COUNT: &str = concat!("SELECT count(*)", wanted!());

const LIST: &str =
    concat!("SELECT ", columns_of_a_record!(), wanted!(), " ORDER BY r.seq DESC LIMIT $9 OFFSET $10");

pub(super) async fn state(store: &PgStore, tenant: TenantId) -> DbResult<AuditState> {
    let mut tx = store.pools.read(tenant).await?;
    let found = state_in(store, &mut tx, tenant).await?;
    let sql = "SELECT count(*) FROM :schema.audit_staged WHERE tenant_id = $1";
    let staged: i64 =
        sqlx::query_scalar(store.statements.of(sql)).bind(tenant.get()).fetch_one(&mut *tx).await?;
    tx.commit().await?;
    Ok(AuditState { staged: staged as u64, ..found })
}

pub(super) async fn state_in(
    store: &PgStore,
    db: &mut PgConnection,
    tenant: TenantId,
) -> DbResult<AuditState> {
    let found: Option<(i64, Vec<u8>, i64, Vec<u8>)> =
        sqlx::query_as(store.statements.of(STATE)).bind(tenant.get()).fetch_optional(db).await?;
    Ok(found.map_or_else(AuditState::default, |(begins, begins_hash, size, hash)| AuditState {
        begins: head(begins, Some(&begins_hash)),
        head: head(size, Some(&hash)),
        staged: 0,
    }))
}

fn head(size: i64, hash: Option<&[u8]>) -> Head {
    Head { size: size as u64, hash: Hash::kept(hash) }
}

pub(super) async fn records(
    store: &PgStore,
    tenant: TenantId,
    after: u64,
    limit: usize,
) -> DbResult<Vec<Chained>> {
    let mut tx = store.pools.read(tenant).await?;
    let after = after.max(state_in(store, &mut tx, tenant).await?.begins.size);
    let mut read = async |sql, bound: i64| {
        sqlx::query(store.statements.of(sql))
            .bind(tenant.get())
            .bind(number(after))
            .bind(bound)
            .fetch_all(&mut *tx)
            .await
    };
    let mut rows = read(RECORDS_BETWEEN, number(after.saturating_add(limit as u64))).await?;
    // The last of them, or there is a gap after all, and what comes beyond it has to be found.
    if rows.len() < limit {
        rows = read(RECORDS, columns::count(limit)).await?;
    }
    tx.commit().await?;
    Ok(rows.iter().map(chained).collect::<sqlx::Result<_>>()?)
}

pub(super) async fn list(
    store: &PgStore,
    tenant: TenantId,
    filter: &AuditFilter,
    page: Page,
) -> DbResult<Listing<Chained>> {
    let mut tx = store.pools.read(tenant).await?;
    let total: i64 = sqlx::query_scalar(store.statements.of(COUNT))
        .bind(tenant.get())
        .bind(filter.actor.map(UserId::get))
        .bind(&filter.actor_name)
        .bind(&filter.action)
        .bind(&filter.resource_type)
        .bind(filter.resource_id)
        .bind(filter.since)
        .bind(filter.until)
        .fetch_one(&mut *tx)
        .await?;
    let rows = sqlx::query(store.statements.of(LIST))
        .bind(tenant.get())
        .bind(filter.actor.map(UserId::get))
        .bind(&filter.actor_name)
        .bind(&filter.action)
        .bind(&filter.resource_type)
        .bind(filter.resource_id)
        .bind(filter.since)
        .bind(filter.until)
        .bind(i64::from(page.limit))
        .bind(columns::count(page.skip))
        .fetch_all(&mut *tx)
        .await?;
    tx.commit().await?;
    Ok(Listing { items: rows.iter().map(chained).collect::<sqlx::Result<_>>()?, total: total as u64 })
}

pub(super) async fn size_before(store: &PgStore, tenant: TenantId, time: Timestamp) -> DbResult<Head> {
    let mut tx = store.pools.read(tenant).await?;
    let begins = state_in(store, &mut tx, tenant).await?.begins;
    let sql = "SELECT r.seq, r.record_hash FROM :schema.audit_log AS r
        WHERE r.tenant_id = $1 AND r.seq > $2 AND r.seq < coalesce((SELECT min(x.seq) FROM :schema.audit_log AS x
            WHERE x.tenant_id = $1 AND x.seq > $2 AND x.ts >= $3), 9223372036854775807)
        ORDER BY r.seq DESC LIMIT 1";
    let found: Option<(i64, Option<Vec<u8>>)> = sqlx::query_as(store.statements.of(sql))
        .bind(tenant.get())
        .bind(number(begins.size))
        .bind(time)
        .fetch_optional(&mut *tx)
        .await?;
    tx.commit().await?;
    Ok(found.map_or(begins, |(seq, hash)| head(seq, hash.as_deref())))
}

pub(super) async fn add_checkpoint(
    store: &PgStore,
    tenant: TenantId,
    new: Head,
    note: &str,
) -> DbResult<StoredCheckpoint> {
    let mut tx = store.pools.write(tenant).await?;
    let begins = state_in(store, &mut tx, tenant).await?.begins;
    let sql = "SELECT record_hash FROM :schema.audit_log WHERE tenant_id = $1 AND seq = $2";
    let found: Option<Option<Vec<u8>>> = sqlx::query_scalar(store.statements.of(sql))
        .bind(tenant.get())
        .bind(number(new.size))
        .fetch_optional(&mut *tx)
        .await?;
    let is_there = found.is_some_and(|hash| Hash::kept(hash.as_deref()) == new.hash) || begins == new;
    if new.size == 0 || !is_there {
        return Err(not_of_the_chain(new.size).into());
    }
    let sql = "INSERT INTO :schema.audit_checkpoints (tenant_id, size, hash, note, at)
        VALUES ($1, $2, $3, $4, coalesce($5::timestamptz, clock_timestamp())) ON CONFLICT DO NOTHING";
    sqlx::query(store.statements.of(sql))
        .bind(tenant.get())
        .bind(number(new.size))
        .bind(&new.hash.as_bytes()[..])
        .bind(note)
        .bind(store.moment())
        .execute(&mut *tx)
        .await?;
    let sql = "SELECT size, hash, note, at FROM :schema.audit_checkpoints WHERE tenant_id = $1 AND size = $2";
    let row = sqlx::query(store.statements.of(sql))
        .bind(tenant.get())
        .bind(number(new.size))
        .fetch_one(&mut *tx)
        .await?;
    let kept = checkpoint(&row)?;
    tx.commit().await?;
    Ok(kept)
}

pub(super) async fn checkpoints(
    store: &PgStore,
    tenant: TenantId,
    page: Page,
) -> DbResult<Listing<StoredCheckpoint>> {
    let mut tx = store.pools.read(tenant).await?;
    let sql = "SELECT count(*) FROM :schema.audit_checkpoints WHERE tenant_id = $1";
    let total: i64 =
        sqlx::query_scalar(store.statements.of(sql)).bind(tenant.get()).fetch_one(&mut *tx).await?;
    let sql = "SELECT size, hash, note, at FROM :schema.audit_checkpoints WHERE tenant_id = $1
        ORDER BY size DESC LIMIT $2 OFFSET $3";
    let rows = sqlx::query(store.statements.of(sql))
        .bind(tenant.get())
        .bind(i64::from(page.limit))
        .bind(columns::count(page.skip))
        .fetch_all(&mut *tx)
        .await?;
    tx.commit().await?;
    Ok(Listing { items: rows.iter().map(checkpoint).collect::<sqlx::Result<_>>()?, total: total as u64 })
}

fn checkpoint(row: &PgRow) -> sqlx::Result<StoredCheckpoint> {
    Ok(StoredCheckpoint {
        head: head(columns::get(row, 0)?, columns::get(row, 1)?),
        note: columns::get(row, 2)?,
        at: columns::get(row, 3)?,
    })
}

pub(super) async fn key(store: &PgStore, tenant: TenantId) -> DbResult<Option<Vec<u8>>> {
    let mut tx = store.pools.read(tenant).await?;
    let key = key_in(store, &mut tx, tenant).await?;
    tx.commit().await?;
    Ok(key)
}

async fn key_in(store: &PgStore, db: &mut PgConnection, tenant: TenantId) -> DbResult<Option<Vec<u8>>> {
    let sql = "SELECT sealed FROM :schema.audit_keys WHERE tenant_id = $1";
    Ok(sqlx::query_scalar(store.statements.of(sql)).bind(tenant.get()).fetch_optional(db).await?)
}

pub(super) async fn keep_key(store: &PgStore, tenant: TenantId, sealed: &[u8]) -> DbResult<Vec<u8>> {
    let mut tx = store.pools.write(tenant).await?;
    let sql = "INSERT INTO :schema.audit_keys (tenant_id, sealed)
        SELECT t.id, $2 FROM :schema.tenants AS t WHERE t.id = $1 ON CONFLICT DO NOTHING";
    sqlx::query(store.statements.of(sql)).bind(tenant.get()).bind(sealed).execute(&mut *tx).await?;
    let kept = key_in(store, &mut tx, tenant).await?.ok_or_else(|| missing("tenant", tenant))?;
    tx.commit().await?;
    Ok(kept)
}

/// A record as it stands there, whatever became of it.
fn chained(row: &PgRow) -> sqlx::Result<Chained> {
    let text = |index| columns::get::<Option<String>>(row, index);
    let details: Option<Json<Value>> = columns::get(row, 11)?;
    Ok(Chained {
        record: Record {
            seq: columns::get::<i64>(row, 0)? as u64,
            tenant: TenantId::new(columns::get(row, 1)?),
            at: columns::get(row, 2)?,
            actor_id: columns::id_or_none(row, 3, UserId::new)?,
            actor: text(4)?.unwrap_or_else(|| DAMAGED.to_owned()),
            action: columns::get(row, 5)?,
            resource_type: columns::get(row, 6)?,
            resource_id: columns::get(row, 7)?,
            outcome: Outcome::from_name(columns::get::<Option<&str>>(row, 8)?.unwrap_or_default()),
            ip: text(9)?,
            user_agent: text(10)?,
            details: Record::kept_details(details.map(|Json(value)| value)),
            prev: Hash::kept(columns::get(row, 12)?),
        },
        hash: Hash::kept(columns::get(row, 13)?),
    })
}
