//! The [`Roster`] in SQLite.

use std::time::Duration;

use async_trait::async_trait;
use opsconductor_core::{
    Result,
    id::WorkerId,
    store::{Heartbeat, Listing, Page, Roster, SILENT_WORKER_KEPT, WorkerRecord, WorkerState},
};
use rusqlite::{Row, named_params, params};

use crate::{SqliteStore, columns, error::DbResult, writer::Tx};

const BEAT: &str = include_str!("../sql/beat.sql");

#[async_trait]
impl Roster for SqliteStore {
    async fn beat(&self, heartbeat: &Heartbeat) -> Result<()> {
        let heartbeat = heartbeat.clone();
        self.writer.write(move |tx| beat(tx, &heartbeat)).await
    }

    async fn sign_off(&self, worker: WorkerId) -> Result<()> {
        self.writer
            .write(move |tx| {
                tx.db.prepare_cached("DELETE FROM workers WHERE id = ?1")?.execute([worker.to_string()])?;
                Ok(())
            })
            .await
    }

    async fn list_workers(&self, page: Page) -> Result<Listing<WorkerRecord>> {
        let now = self.clock.now().timestamp_micros();
        self.readers
            .read(move |db| {
                let total: i64 = db.query_row("SELECT count(*) FROM workers", [], |row| row.get(0))?;
                let sql = "SELECT id, host, process, version, concurrency, running, draining, gone_after, started_at,
                        seen_at
                    FROM workers ORDER BY started_at DESC, id LIMIT ?1 OFFSET ?2";
                let mut find = db.prepare_cached(sql)?;
                let rows =
                    find.query_map(params![page.limit, columns::count(page.skip)], |row| record(row, now))?;
                Ok(Listing { items: rows.collect::<rusqlite::Result<_>>()?, total: total as u64 })
            })
            .await
    }
}

fn beat(tx: &mut Tx<'_>, told: &Heartbeat) -> DbResult<()> {
    let sql = "DELETE FROM workers WHERE seen_at < ?1 AND id <> ?2";
    let kept_since = tx.now.saturating_sub(columns::after(0, SILENT_WORKER_KEPT));
    tx.db.prepare_cached(sql)?.execute(params![kept_since, told.worker.to_string()])?;
    tx.db.prepare_cached(BEAT)?.execute(named_params! {
        ":id": told.worker.to_string(),
        ":host": told.host,
        ":process": told.process,
        ":version": told.version,
        ":concurrency": told.concurrency,
        ":running": told.running,
        ":draining": told.draining,
        ":gone_after": columns::after(0, told.gone_after),
        ":now": tx.now,
    })?;
    Ok(())
}

fn record(row: &Row<'_>, now: i64) -> rusqlite::Result<WorkerRecord> {
    let micros = |number: i64| Duration::from_micros(u64::try_from(number).unwrap_or_default());
    let (gone_after, seen_at): (i64, i64) = (row.get(7)?, row.get(9)?);
    Ok(WorkerRecord {
        id: columns::parsed(row, 0)?,
        host: row.get(1)?,
        process: row.get(2)?,
        version: row.get(3)?,
        concurrency: row.get(4)?,
        running: row.get(5)?,
        state: WorkerState::of(row.get(6)?, micros(now - seen_at), micros(gone_after)),
        started_at: columns::time(row, 8)?,
        seen_at: columns::moment(seen_at),
    })
}
