//! [`Limits`] in SQLite.

use async_trait::async_trait;
use opsconductor_core::{
    Result,
    id::TenantId,
    store::{Limit, LimitRecord, LimitScope, Limits, Listing, Notice, Page, Pause},
};
use rusqlite::{Connection, OptionalExtension, Row, params};

use crate::{
    SqliteStore, columns,
    error::{DbResult, missing},
    queue::parking::{self, column},
    writer::Tx,
};

#[async_trait]
impl Limits for SqliteStore {
    async fn set_limit(&self, tenant: TenantId, scope: LimitScope, limit: Limit) -> Result<LimitRecord> {
        limit.check()?;
        self.writer.write(move |tx| set(tx, tenant, scope, limit)).await
    }

    async fn limit(&self, tenant: TenantId, scope: LimitScope) -> Result<LimitRecord> {
        self.readers
            .read(move |db| {
                exists(db, tenant, scope)?;
                find(db, tenant, scope)
            })
            .await
    }

    async fn list_limits(&self, tenant: TenantId, page: Page) -> Result<Listing<LimitRecord>> {
        self.readers
            .read(move |db| {
                let sql = "SELECT count(*) FROM limits WHERE tenant_id = ?1 AND kind <> 'run'";
                let total: i64 = db.prepare_cached(sql)?.query_row([tenant.get()], |row| row.get(0))?;
                let sql = format!(
                    "SELECT {COLUMNS} FROM limits WHERE tenant_id = ?1 AND kind <> 'run' ORDER BY id DESC LIMIT ?2 OFFSET ?3"
                );
                let mut find = db.prepare_cached(&sql)?;
                let rows =
                    find.query_map(params![tenant.get(), page.limit, columns::count(page.skip)], record)?;
                Ok(Listing { items: rows.collect::<rusqlite::Result<_>>()?, total: total as u64 })
            })
            .await
    }

    async fn pause(&self, tenant: TenantId, scope: LimitScope, reason: &str) -> Result<LimitRecord> {
        let reason = reason.to_owned();
        self.writer
            .write(move |tx| {
                let id = row_of(tx, tenant, scope)?;
                let sql =
                    "UPDATE limits SET paused_at = ?2, pause_reason = ?3 WHERE id = ?1 AND paused_at IS NULL";
                tx.db.prepare_cached(sql)?.execute(params![id, tx.now, reason])?;
                changed(tx, id, tenant, scope)
            })
            .await
    }

    async fn resume(&self, tenant: TenantId, scope: LimitScope) -> Result<LimitRecord> {
        self.writer
            .write(move |tx| {
                let id = row_of(tx, tenant, scope)?;
                let sql = "UPDATE limits SET paused_at = NULL, pause_reason = NULL WHERE id = ?1";
                tx.db.prepare_cached(sql)?.execute([id])?;
                changed(tx, id, tenant, scope)
            })
            .await
    }

    async fn wake_limited(&self) -> Result<()> {
        self.writer.write(parking::look_again).await
    }
}

/// Removes what was set in a scope that goes.
pub(crate) fn forget(tx: &mut Tx<'_>, tenant: TenantId, scope: LimitScope) -> DbResult<()> {
    let (kind, id) = scope.parts();
    let sql = "DELETE FROM limits WHERE tenant_id = ?1 AND kind = ?2 AND ref = ?3 RETURNING id";
    let gone: Option<i64> =
        tx.db.prepare_cached(sql)?.query_row(params![tenant.get(), kind, id], |row| row.get(0)).optional()?;
    if let Some(limit) = gone {
        parking::unpark(tx, limit, u32::MAX)?;
        tx.notice(Notice::Ready);
    }
    Ok(())
}

fn set(tx: &mut Tx<'_>, tenant: TenantId, scope: LimitScope, limit: Limit) -> DbResult<LimitRecord> {
    let id = row_of(tx, tenant, scope)?;
    let per = limit.rate.map(|rate| columns::count(rate.per.as_micros()));
    let sql = "UPDATE limits
        SET next_start = CASE WHEN (rate_starts, rate_per, rate_burst) IS (?3, ?4, ?5) THEN next_start END,
            running_max = ?2, rate_starts = ?3, rate_per = ?4, rate_burst = ?5
        WHERE id = ?1";
    tx.db.prepare_cached(sql)?.execute(params![
        id,
        limit.running,
        limit.rate.map(|rate| rate.starts),
        per,
        limit.rate.map(|rate| rate.burst),
    ])?;
    changed(tx, id, tenant, scope)
}

/// The row of a scope that is there, made if need be. What runs in it is counted from now on.
fn row_of(tx: &mut Tx<'_>, tenant: TenantId, scope: LimitScope) -> DbResult<i64> {
    exists(tx.db, tenant, scope)?;
    let (kind, id) = scope.parts();
    let sql = "INSERT INTO limits (tenant_id, kind, ref) VALUES (?1, ?2, ?3) ON CONFLICT DO NOTHING";
    if tx.db.prepare_cached(sql)?.execute(params![tenant.get(), kind, id])? > 0 {
        let (column, value) = column(tenant.get(), scope);
        let sql =
            format!("UPDATE queue SET limited = 1 WHERE state = 'running' AND limited = 0 AND {column} = ?1");
        tx.db.prepare_cached(&sql)?.execute([value])?;
    }
    let sql = "SELECT id FROM limits WHERE tenant_id = ?1 AND kind = ?2 AND ref = ?3";
    Ok(tx.db.prepare_cached(sql)?.query_row(params![tenant.get(), kind, id], |row| row.get(0))?)
}

/// Lets go on what may go on now, and leaves no row where nothing holds.
fn changed(tx: &mut Tx<'_>, id: i64, tenant: TenantId, scope: LimitScope) -> DbResult<LimitRecord> {
    let record = find(tx.db, tenant, scope)?;
    if record.limit.is_none() && record.paused.is_none() {
        forget(tx, tenant, scope)?;
    } else {
        parking::changed(tx, id)?;
    }
    Ok(record)
}

fn exists(db: &Connection, tenant: TenantId, scope: LimitScope) -> DbResult<()> {
    scope.check_settable()?;
    let (kind, id) = scope.parts();
    let sql = match scope {
        LimitScope::Job(_) => "SELECT 1 FROM jobs WHERE id = ?1 AND tenant_id = ?2",
        LimitScope::Target(_) => "SELECT 1 FROM targets WHERE id = ?1 AND tenant_id = ?2",
        LimitScope::Credential(_) => "SELECT 1 FROM credentials WHERE id = ?1 AND tenant_id = ?2",
        _ => "SELECT 1 FROM tenants WHERE id = ?2 AND ?1 = 0",
    };
    let found = db.prepare_cached(sql)?.query_row(params![id, tenant.get()], |_| Ok(())).optional()?;
    Ok(found.ok_or_else(|| missing(kind, id))?)
}

const COLUMNS: &str = "kind, ref, running_max, rate_starts, rate_per, rate_burst, paused_at, pause_reason";

fn find(db: &Connection, tenant: TenantId, scope: LimitScope) -> DbResult<LimitRecord> {
    let (kind, id) = scope.parts();
    let sql = format!("SELECT {COLUMNS} FROM limits WHERE tenant_id = ?1 AND kind = ?2 AND ref = ?3");
    let found = db.prepare_cached(&sql)?.query_row(params![tenant.get(), kind, id], record).optional()?;
    Ok(found.unwrap_or_else(|| LimitRecord::none(scope)))
}

fn record(row: &Row<'_>) -> rusqlite::Result<LimitRecord> {
    let paused = match columns::time_or_none(row, 6)? {
        Some(since) => Some(Pause { since, reason: columns::text_or_empty(row, 7)? }),
        None => None,
    };
    Ok(LimitRecord { scope: parking::scope(row, 0)?, limit: parking::limit(row, 2)?, paused })
}
