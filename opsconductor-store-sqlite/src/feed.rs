//! The [`Feed`] in SQLite: a trigger numbers each event as it is written, and the writer is alone.

use std::time::Duration;

use async_trait::async_trait;
use opsconductor_core::{
    Result,
    id::{RunId, TenantId},
    store::{Feed, FeedEvent, StepCounts},
};
use rusqlite::{Connection, OptionalExtension, params};

use crate::{SqliteStore, columns, error::DbResult, history, writer::Tx};

const EVENTS: &str = include_str!("../sql/tenant_events.sql");

/// How many numbers of runs that are gone go at once.
const GONE_MAX: i64 = 10_000;

#[async_trait]
impl Feed for SqliteStore {
    async fn number_events(&self, _limit: usize) -> Result<u64> {
        Ok(0)
    }

    async fn tenant_events(&self, tenant: TenantId, after: u64, limit: usize) -> Result<Vec<FeedEvent>> {
        self.readers.read(move |db| events(db, tenant, after, limit)).await
    }

    async fn last_tenant_event(&self, tenant: TenantId) -> Result<u64> {
        self.readers
            .read(move |db| {
                let sql = "SELECT seq FROM tenant_events WHERE tenant_id = ?1 ORDER BY seq DESC LIMIT 1";
                let last = db.prepare_cached(sql)?.query_row([tenant.get()], |row| row.get::<_, i64>(0));
                Ok(last.optional()?.unwrap_or(0) as u64)
            })
            .await
    }

    async fn step_counts(&self, tenant: TenantId, since: Duration) -> Result<StepCounts> {
        let from = self.clock.now().timestamp_micros().saturating_sub(columns::count(since.as_micros()));
        self.readers.read(move |db| counts(db, tenant, from)).await
    }
}

fn events(db: &Connection, tenant: TenantId, after: u64, limit: usize) -> DbResult<Vec<FeedEvent>> {
    let mut find = db.prepare_cached(EVENTS)?;
    let rows =
        find.query_map(params![tenant.get(), columns::count(after), columns::count(limit)], |row| {
            let run = RunId::new(row.get(12)?);
            Ok(FeedEvent { seq: row.get::<_, i64>(11)? as u64, event: history::event(row, run)? })
        })?;
    Ok(rows.collect::<rusqlite::Result<_>>()?)
}

fn counts(db: &Connection, tenant: TenantId, from: i64) -> DbResult<StepCounts> {
    let alive = "SELECT count(*) FILTER (WHERE state = 'queued' AND NOT (suspended IS NOT NULL AND decision IS NULL)),
            count(*) FILTER (WHERE state = 'running')
        FROM queue WHERE tenant_id = ?1";
    let (queued, running): (i64, i64) =
        db.prepare_cached(alive)?.query_row([tenant.get()], |row| Ok((row.get(0)?, row.get(1)?)))?;
    // Two looks, so that each has its index.
    let ended = "SELECT count(*) FILTER (WHERE s.status = 'succeeded'), count(*) FILTER (WHERE s.status IN ('failed', 'lost'))
        FROM (SELECT id FROM job_runs WHERE tenant_id = ?1 AND status IN ('queued', 'running')
              UNION ALL
              SELECT id FROM job_runs WHERE finished_at >= ?2 AND finished_at IS NOT NULL AND tenant_id = ?1) AS r
        JOIN job_run_steps AS s ON s.job_run_id = r.id
        WHERE s.finished_at >= ?2";
    let (succeeded, failed): (i64, i64) =
        db.prepare_cached(ended)?.query_row([tenant.get(), from], |row| Ok((row.get(0)?, row.get(1)?)))?;
    Ok(StepCounts {
        queued: queued as u64,
        running: running as u64,
        succeeded: succeeded as u64,
        failed: failed as u64,
    })
}

/// Forgets the numbers at the front of each tenant whose runs are gone.
pub(crate) fn forget_gone(tx: &Tx<'_>) -> DbResult<()> {
    let sql = "DELETE FROM tenant_events WHERE (tenant_id, seq) IN (
        SELECT e.tenant_id, e.seq
        FROM (SELECT t.id,
                  (SELECT x.seq FROM tenant_events AS x
                   WHERE x.tenant_id = t.id AND EXISTS (SELECT 1 FROM job_runs AS r WHERE r.id = x.run_id)
                   ORDER BY x.seq LIMIT 1) AS alive,
                  (SELECT x.seq FROM tenant_events AS x WHERE x.tenant_id = t.id ORDER BY x.seq DESC LIMIT 1) AS last
              FROM tenants AS t) AS ends
        JOIN tenant_events AS e ON e.tenant_id = ends.id AND e.seq < coalesce(ends.alive, ends.last)
        LIMIT ?1)";
    tx.db.prepare_cached(sql)?.execute([GONE_MAX])?;
    Ok(())
}
