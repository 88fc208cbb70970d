//! The [`Roster`] in PostgreSQL: of no tenant, so by the connections of the queue.

use std::time::Duration;

use async_trait::async_trait;
use opsconductor_core::{
    Result,
    id::WorkerId,
    store::{Heartbeat, Listing, Page, Roster, SILENT_WORKER_KEPT, WorkerRecord, WorkerState},
};
use sqlx::postgres::PgRow;

use crate::{PgStore, columns, error::DbResult};

const BEAT: &str = include_str!("../sql/beat.sql");

const LIST: &str = "SELECT id, host, process, version, concurrency, running, draining, gone_after, started_at, seen_at,
        (extract(epoch FROM coalesce($3::timestamptz, (SELECT clock_timestamp())) - seen_at) * 1000000)::bigint,
        (SELECT count(*) FROM :schema.workers)
    FROM :schema.workers ORDER BY started_at DESC, id LIMIT $1 OFFSET $2";

#[async_trait]
impl Roster for PgStore {
    async fn beat(&self, heartbeat: &Heartbeat) -> Result<()> {
        Ok(beat(self, heartbeat).await?)
    }

    async fn sign_off(&self, worker: WorkerId) -> Result<()> {
        Ok(sign_off(self, worker).await?)
    }

    async fn list_workers(&self, page: Page) -> Result<Listing<WorkerRecord>> {
        Ok(list(self, page).await?)
    }
}

async fn beat(store: &PgStore, told: &Heartbeat) -> DbResult<()> {
    let mut db = store.pools.queue().await?;
    sqlx::query(store.statements.of(BEAT))
        .bind(columns::uuid(told.worker))
        .bind(&*columns::storable(&told.host))
        .bind(i64::from(told.process))
        .bind(&*columns::storable(&told.version))
        .bind(i64::from(told.concurrency))
        .bind(i64::from(told.running))
        .bind(told.draining)
        .bind(columns::micros(told.gone_after))
        .bind(store.moment())
        .bind(columns::micros(SILENT_WORKER_KEPT))
        .execute(&mut *db)
        .await?;
    Ok(())
}

async fn sign_off(store: &PgStore, worker: WorkerId) -> DbResult<()> {
    let mut db = store.pools.queue().await?;
    sqlx::query(store.statements.of("DELETE FROM :schema.workers WHERE id = $1"))
        .bind(columns::uuid(worker))
        .execute(&mut *db)
        .await?;
    Ok(())
}

async fn list(store: &PgStore, page: Page) -> DbResult<Listing<WorkerRecord>> {
    let mut db = store.pools.queue().await?;
    let rows = sqlx::query(store.statements.of(LIST))
        .bind(i64::from(page.limit))
        .bind(columns::count(page.skip))
        .bind(store.moment())
        .fetch_all(&mut *db)
        .await?;
    let total: i64 = match rows.first() {
        Some(row) => columns::get(row, 11)?,
        // Behind the end there is no row that could say it.
        None => {
            sqlx::query_scalar(store.statements.of("SELECT count(*) FROM :schema.workers"))
                .fetch_one(&mut *db)
                .await?
        }
    };
    let items = rows.iter().map(record).collect::<sqlx::Result<_>>()?;
    Ok(Listing { items, total: total.unsigned_abs() })
}

fn record(row: &PgRow) -> sqlx::Result<WorkerRecord> {
    let number = |index| -> sqlx::Result<u32> {
        u32::try_from(columns::get::<i64>(row, index)?).map_err(|error| columns::unreadable(index, error))
    };
    let micros = |index| -> sqlx::Result<Duration> {
        Ok(Duration::from_micros(u64::try_from(columns::get::<i64>(row, index)?).unwrap_or_default()))
    };
    Ok(WorkerRecord {
        id: columns::worker(row, 0)?,
        host: columns::get(row, 1)?,
        process: number(2)?,
        version: columns::get(row, 3)?,
        concurrency: number(4)?,
        running: number(5)?,
        state: WorkerState::of(columns::get(row, 6)?, micros(10)?, micros(7)?),
        started_at: columns::get(row, 8)?,
        seen_at: columns::get(row, 9)?,
    })
}
