//! [`DeadLetters`] in SQLite.

use async_trait::async_trait;
use opsconductor_core::{
    Result,
    id::{LetterId, RunId, TaskId, TenantId},
    store::{
        DeadLetter, DeadLetters, Enqueued, Listing, NewRun, Page, Repeats,
        dead_letters::{not_over, repeat_goes_on, repeated_already},
    },
};
use rusqlite::{Connection, OptionalExtension, Row, params};

use crate::{
    SqliteStore, columns,
    error::{DbResult, missing},
    history,
    queue::enqueue::{self, Prepared},
    writer::Tx,
};

#[async_trait]
impl DeadLetters for SqliteStore {
    async fn dead_letter(&self, tenant: TenantId, id: LetterId) -> Result<DeadLetter> {
        self.readers
            .read(move |db| {
                let sql = format!("SELECT {COLUMNS} FROM dlq WHERE id = ?1 AND tenant_id = ?2");
                let found =
                    db.prepare_cached(&sql)?.query_row([id.get(), tenant.get()], letter).optional()?;
                Ok(found.ok_or_else(|| missing("dead letter", id))?)
            })
            .await
    }

    async fn list_dead_letters(
        &self,
        tenant: TenantId,
        run: Option<RunId>,
        page: Page,
    ) -> Result<Listing<DeadLetter>> {
        self.readers.read(move |db| list(db, tenant, run, page)).await
    }

    async fn discard_dead_letter(&self, tenant: TenantId, id: LetterId) -> Result<()> {
        self.writer
            .write(move |tx| {
                let sql = "DELETE FROM dlq WHERE id = ?1 AND tenant_id = ?2";
                match tx.db.prepare_cached(sql)?.execute([id.get(), tenant.get()])? {
                    0 => Err(missing("dead letter", id).into()),
                    _ => Ok(()),
                }
            })
            .await
    }

    async fn redrive(&self, tenant: TenantId, run: RunId, new: NewRun) -> Result<Enqueued> {
        let prepared = Prepared::of(new)?;
        self.writer.write(move |tx| redrive(tx, tenant, run, &prepared)).await
    }

    async fn repeat(&self, tenant: TenantId, run: RunId, new: NewRun, repeats: Repeats) -> Result<Enqueued> {
        let prepared = Prepared::of(new)?;
        self.writer.write(move |tx| repeat(tx, tenant, run, &prepared, repeats)).await
    }
}

const COLUMNS: &str = "id, topic, run_id, task_id, payload, error, created_at";

fn list(db: &Connection, tenant: TenantId, run: Option<RunId>, page: Page) -> DbResult<Listing<DeadLetter>> {
    // Written out for each, so that each has its index.
    let wanted = match run {
        Some(_) => "tenant_id = ?1 AND run_id = ?2",
        None => "tenant_id = ?1 AND ?2 IS NULL",
    };
    let run = run.map(RunId::get);
    let total: i64 = db
        .prepare_cached(&format!("SELECT count(*) FROM dlq WHERE {wanted}"))?
        .query_row(params![tenant.get(), run], |row| row.get(0))?;
    let mut find = db.prepare_cached(&format!(
        "SELECT {COLUMNS} FROM dlq WHERE {wanted} ORDER BY id DESC LIMIT ?3 OFFSET ?4"
    ))?;
    let rows = find.query_map(params![tenant.get(), run, page.limit, columns::count(page.skip)], letter)?;
    Ok(Listing { items: rows.collect::<rusqlite::Result<_>>()?, total: total as u64 })
}

fn redrive(tx: &mut Tx<'_>, tenant: TenantId, run: RunId, prepared: &Prepared) -> DbResult<Enqueued> {
    let record = history::run(tx.db, tenant, run)?;
    if tx.db.prepare_cached("DELETE FROM dlq WHERE run_id = ?1")?.execute([run.get()])? == 0 {
        return Err(missing("dead letter", run).into());
    }
    if !record.status.is_final() {
        return Err(not_over(run).into());
    }
    check_line(tx.db, run)?;
    enqueue::enqueue(tx, tenant, prepared)
}

fn repeat(
    tx: &mut Tx<'_>,
    tenant: TenantId,
    run: RunId,
    prepared: &Prepared,
    repeats: Repeats,
) -> DbResult<Enqueued> {
    if !history::run(tx.db, tenant, run)?.status.is_final() {
        return Err(not_over(run).into());
    }
    check_line(tx.db, run)?;
    if repeats == Repeats::Once {
        let sql = "SELECT id FROM job_runs WHERE parent_run_id = ?1 ORDER BY id DESC LIMIT 1";
        let child = tx.db.prepare_cached(sql)?.query_row([run.get()], |row| row.get(0)).optional()?;
        if let Some(child) = child {
            return Err(repeated_already(run, RunId::new(child)).into());
        }
    }
    tx.db.prepare_cached("DELETE FROM dlq WHERE run_id = ?1")?.execute([run.get()])?;
    enqueue::enqueue(tx, tenant, prepared)
}

/// Refuses to do a run again while another of its line goes on. A parent is never another tenant's.
fn check_line(db: &Connection, run: RunId) -> DbResult<()> {
    let sql = "WITH RECURSIVE
            up (id, parent) AS (
                SELECT id, parent_run_id FROM job_runs WHERE id = ?1
                UNION ALL SELECT r.id, r.parent_run_id FROM up JOIN job_runs r ON r.id = up.parent),
            line (id, finished_at) AS (
                SELECT id, finished_at FROM job_runs WHERE id = (SELECT min(id) FROM up)
                UNION ALL SELECT r.id, r.finished_at FROM line JOIN job_runs r ON r.parent_run_id = line.id)
        SELECT id FROM line WHERE finished_at IS NULL AND id <> ?1 ORDER BY id LIMIT 1";
    let alive = db.prepare_cached(sql)?.query_row([run.get()], |row| row.get(0)).optional()?;
    alive.map_or(Ok(()), |other| Err(repeat_goes_on(run, RunId::new(other)).into()))
}

fn letter(row: &Row<'_>) -> rusqlite::Result<DeadLetter> {
    Ok(DeadLetter {
        id: LetterId::new(row.get(0)?),
        topic: row.get(1)?,
        run: RunId::new(row.get(2)?),
        task: TaskId::new(row.get(3)?),
        payload: columns::json(row, 4)?,
        error: row.get(5)?,
        created_at: columns::time(row, 6)?,
    })
}
