//! Reading the chain, its checkpoints and its key.

use opsconductor_core::{
    audit::{Chained, DAMAGED, Hash, Head, Outcome, Record},
    clock::Timestamp,
    id::{TenantId, UserId},
    store::{AuditFilter, AuditState, Listing, Page, StoredCheckpoint, audit::not_of_the_chain},
};
use rusqlite::{Connection, OptionalExtension, Row, params};

use crate::{
    columns,
    error::{DbResult, missing},
    writer::Tx,
};

const COLUMNS: &str = "seq, tenant_id, ts, actor_id, actor, action, resource_type, resource_id, outcome, ip, user_agent, details,
    prev_hash, record_hash";

const WANTED: &str = "FROM audit_log
    WHERE tenant_id = ?1 AND seq > coalesce((SELECT begins FROM audit_heads WHERE tenant_id = ?1), 0)
        AND (?2 IS NULL OR actor_id = ?2) AND (?3 IS NULL OR actor = ?3) AND (?4 IS NULL OR action = ?4)
        AND (?5 IS NULL OR resource_type = ?5) AND (?6 IS NULL OR resource_id = ?6)
        AND (?7 IS NULL OR ts >= ?7) AND (?8 IS NULL OR ts < ?8)";

pub(super) fn state(db: &Connection, tenant: TenantId) -> DbResult<AuditState> {
    let sql = "SELECT begins, begins_hash, size, hash FROM audit_heads WHERE tenant_id = ?1";
    let found = db
        .prepare_cached(sql)?
        .query_row([tenant.get()], |row| Ok((head(row, 0)?, head(row, 2)?)))
        .optional()?
        .unwrap_or_default();
    let sql = "SELECT count(*) FROM audit_staged WHERE tenant_id = ?1";
    let staged: i64 = db.prepare_cached(sql)?.query_row([tenant.get()], |row| row.get(0))?;
    Ok(AuditState { begins: found.0, head: found.1, staged: staged as u64 })
}

/// From a size and a hash, of which the first stands at `index`.
fn head(row: &Row<'_>, index: usize) -> rusqlite::Result<Head> {
    let hash: Option<Vec<u8>> = row.get(index + 1)?;
    Ok(Head { size: row.get::<_, i64>(index)? as u64, hash: Hash::kept(hash.as_deref()) })
}

pub(super) fn records(db: &Connection, tenant: TenantId, after: u64, limit: usize) -> DbResult<Vec<Chained>> {
    let sql = format!(
        "SELECT {COLUMNS} FROM audit_log
        WHERE tenant_id = ?1 AND seq > max(?2, coalesce((SELECT begins FROM audit_heads WHERE tenant_id = ?1), 0))
        ORDER BY seq LIMIT ?3"
    );
    let mut find = db.prepare_cached(&sql)?;
    let rows = find.query_map([tenant.get(), columns::count(after), columns::count(limit)], chained)?;
    Ok(rows.collect::<rusqlite::Result<_>>()?)
}

pub(super) fn list(
    db: &Connection,
    tenant: TenantId,
    filter: &AuditFilter,
    page: Page,
) -> DbResult<Listing<Chained>> {
    let micros = |time: Option<Timestamp>| time.map(|time| time.timestamp_micros());
    let (actor, since, until) = (filter.actor.map(UserId::get), micros(filter.since), micros(filter.until));
    let wanted = params![
        tenant.get(),
        actor,
        filter.actor_name,
        filter.action,
        filter.resource_type,
        filter.resource_id,
        since,
        until
    ];
    let total: i64 =
        db.prepare_cached(&format!("SELECT count(*) {WANTED}"))?.query_row(wanted, |row| row.get(0))?;
    let sql = format!(
        "SELECT {COLUMNS} {WANTED} ORDER BY seq DESC LIMIT {} OFFSET {}",
        page.limit,
        columns::count(page.skip)
    );
    let mut find = db.prepare(&sql)?;
    let rows = find.query_map(wanted, chained)?;
    Ok(Listing { items: rows.collect::<rusqlite::Result<_>>()?, total: total as u64 })
}

pub(super) fn size_before(db: &Connection, tenant: TenantId, time: Timestamp) -> DbResult<Head> {
    let begins = state(db, tenant)?.begins;
    let sql = "SELECT seq, record_hash FROM audit_log
        WHERE tenant_id = ?1 AND seq > ?2 AND seq < coalesce(
            (SELECT min(seq) FROM audit_log WHERE tenant_id = ?1 AND seq > ?2 AND ts >= ?3), 9223372036854775807)
        ORDER BY seq DESC LIMIT 1";
    let wanted = params![tenant.get(), columns::count(begins.size), time.timestamp_micros()];
    Ok(db.prepare_cached(sql)?.query_row(wanted, |row| head(row, 0)).optional()?.unwrap_or(begins))
}

/// The end of the chain when its last record was this one.
pub(super) fn head_at(db: &Connection, tenant: TenantId, seq: u64) -> DbResult<Option<Head>> {
    let sql = "SELECT seq, record_hash FROM audit_log WHERE tenant_id = ?1 AND seq = ?2";
    let mut find = db.prepare_cached(sql)?;
    Ok(find.query_row([tenant.get(), columns::count(seq)], |row| head(row, 0)).optional()?)
}

pub(super) fn add_checkpoint(
    tx: &mut Tx<'_>,
    tenant: TenantId,
    new: Head,
    note: &str,
) -> DbResult<StoredCheckpoint> {
    let begins = state(tx.db, tenant)?.begins;
    let size = columns::count(new.size);
    if new.size == 0 || (head_at(tx.db, tenant, new.size)? != Some(new) && begins != new) {
        return Err(not_of_the_chain(new.size).into());
    }
    let sql = "INSERT INTO audit_checkpoints (tenant_id, size, hash, note, at) VALUES (?1, ?2, ?3, ?4, ?5) ON CONFLICT DO NOTHING";
    let hash = &new.hash.as_bytes()[..];
    tx.db.prepare_cached(sql)?.execute(params![tenant.get(), size, hash, note, tx.now])?;
    let sql = "SELECT size, hash, note, at FROM audit_checkpoints WHERE tenant_id = ?1 AND size = ?2";
    Ok(tx.db.prepare_cached(sql)?.query_row([tenant.get(), size], checkpoint)?)
}

pub(super) fn checkpoints(
    db: &Connection,
    tenant: TenantId,
    page: Page,
) -> DbResult<Listing<StoredCheckpoint>> {
    let sql = "SELECT count(*) FROM audit_checkpoints WHERE tenant_id = ?1";
    let total: i64 = db.prepare_cached(sql)?.query_row([tenant.get()], |row| row.get(0))?;
    let sql = "SELECT size, hash, note, at FROM audit_checkpoints WHERE tenant_id = ?1
        ORDER BY size DESC LIMIT ?2 OFFSET ?3";
    let mut find = db.prepare_cached(sql)?;
    let rows = find.query_map(params![tenant.get(), page.limit, columns::count(page.skip)], checkpoint)?;
    Ok(Listing { items: rows.collect::<rusqlite::Result<_>>()?, total: total as u64 })
}

fn checkpoint(row: &Row<'_>) -> rusqlite::Result<StoredCheckpoint> {
    Ok(StoredCheckpoint { head: head(row, 0)?, note: row.get(2)?, at: columns::time(row, 3)? })
}

pub(super) fn key(db: &Connection, tenant: TenantId) -> DbResult<Option<Vec<u8>>> {
    let sql = "SELECT sealed FROM audit_keys WHERE tenant_id = ?1";
    Ok(db.prepare_cached(sql)?.query_row([tenant.get()], |row| row.get(0)).optional()?)
}

pub(super) fn keep_key(tx: &mut Tx<'_>, tenant: TenantId, sealed: &[u8]) -> DbResult<Vec<u8>> {
    let sql = "INSERT INTO audit_keys (tenant_id, sealed) SELECT id, ?2 FROM tenants WHERE id = ?1 ON CONFLICT DO NOTHING";
    tx.db.prepare_cached(sql)?.execute(params![tenant.get(), sealed])?;
    Ok(key(tx.db, tenant)?.ok_or_else(|| missing("tenant", tenant))?)
}

/// A record as it stands there, whatever became of it.
fn chained(row: &Row<'_>) -> rusqlite::Result<Chained> {
    let details: Option<String> = row.get(11)?;
    let outcome: Option<String> = row.get(8)?;
    let hash = |index| row.get::<_, Option<Vec<u8>>>(index).map(|bytes| Hash::kept(bytes.as_deref()));
    Ok(Chained {
        record: Record {
            seq: row.get::<_, i64>(0)? as u64,
            tenant: TenantId::new(row.get(1)?),
            at: columns::time(row, 2)?,
            actor_id: columns::id_or_none(row, 3, UserId::new)?,
            actor: row.get::<_, Option<String>>(4)?.unwrap_or_else(|| DAMAGED.to_owned()),
            action: row.get(5)?,
            resource_type: row.get(6)?,
            resource_id: row.get(7)?,
            outcome: Outcome::from_name(outcome.as_deref().unwrap_or_default()),
            ip: row.get(9)?,
            user_agent: row.get(10)?,
            details: Record::kept_details(details.and_then(|text| serde_json::from_str(&text).ok())),
            prev: hash(12)?,
        },
        hash: hash(13)?,
    })
}
