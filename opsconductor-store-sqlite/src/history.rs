//! The [`History`] in SQLite, read by connections that never wait for the writer.

use std::sync::Arc;

use async_trait::async_trait;
use opsconductor_core::{
    Result,
    id::{JobId, RunId, TaskId, TenantId, UserId},
    run::{Event, EventKind, RunPlan, RunStatus, TaskStatus, plan::TaskKey},
    store::{
        AttemptRecord, History, Listing, OutputChunk, OutputQuery, Page, Question, RunFilter, RunRecord,
        SealedParameter, TaskRecord,
    },
    transport::Stream,
};
use rusqlite::{Connection, OptionalExtension, Row, named_params, params};

use crate::{
    SqliteStore, columns,
    error::{DbResult, missing},
    plans,
    queue::suspend,
    tables::Statements,
};

const TASKS: &str = include_str!("../sql/tasks.sql");
const EVENTS: &str = include_str!("../sql/events.sql");
const OUTPUT: &str = include_str!("../sql/output.sql");

#[async_trait]
impl History for SqliteStore {
    async fn run(&self, tenant: TenantId, id: RunId) -> Result<RunRecord> {
        self.readers.glance(move |db| run(db, tenant, id)).await
    }

    async fn list_runs(&self, tenant: TenantId, filter: RunFilter, page: Page) -> Result<Listing<RunRecord>> {
        self.readers.read(move |db| list_runs(db, tenant, &filter, page)).await
    }

    async fn run_plan(&self, tenant: TenantId, id: RunId) -> Result<Arc<RunPlan>> {
        let cache = self.plans.clone();
        if let Some(plan) = cache.find_of(tenant, id) {
            return Ok(plan);
        }
        self.readers
            .read(move |db| {
                exists(db, tenant, id)?;
                plans::of(&cache, db, id)
            })
            .await
    }

    async fn run_secrets(&self, tenant: TenantId, id: RunId) -> Result<Vec<SealedParameter>> {
        self.readers
            .read(move |db| {
                exists(db, tenant, id)?;
                let sql = "SELECT name, id, version, sealed FROM run_secrets WHERE run_id = ?1 ORDER BY name";
                let mut find = db.prepare_cached(sql)?;
                let rows = find.query_map([id.get()], sealed)?;
                Ok(rows.collect::<rusqlite::Result<_>>()?)
            })
            .await
    }

    async fn tasks(&self, tenant: TenantId, run: RunId, page: Page) -> Result<Listing<TaskRecord>> {
        self.readers
            .read(move |db| {
                exists(db, tenant, run)?;
                let sql = "SELECT count(*) FROM job_run_steps WHERE job_run_id = ?1";
                let total: i64 = db.prepare_cached(sql)?.query_row([run.get()], |row| row.get(0))?;
                let mut find = db.prepare_cached(TASKS)?;
                let rows = find
                    .query_map(params![run.get(), page.limit, columns::count(page.skip)], |r| task(r, run))?;
                Ok(Listing { items: rows.collect::<rusqlite::Result<_>>()?, total: total as u64 })
            })
            .await
    }

    async fn outcomes(&self, tenant: TenantId, run: RunId) -> Result<Vec<(TaskKey, TaskStatus)>> {
        self.readers
            .read(move |db| {
                exists(db, tenant, run)?;
                let sql = "SELECT idx, target_id, status FROM job_run_steps AS s
                    WHERE s.job_run_id = ?1 AND NOT EXISTS (SELECT 1 FROM queue AS q WHERE q.task_id = s.id)
                    ORDER BY s.id";
                let mut find = db.prepare_cached(sql)?;
                let rows = find.query_map([run.get()], |row| {
                    let key = TaskKey { step: row.get(0)?, target: columns::target(row, 1)? };
                    Ok((key, columns::parsed(row, 2)?))
                })?;
                Ok(rows.collect::<rusqlite::Result<_>>()?)
            })
            .await
    }

    async fn task_at(&self, tenant: TenantId, run: RunId, place: u64) -> Result<TaskRecord> {
        self.readers
            .read(move |db| {
                exists(db, tenant, run)?;
                let found = db
                    .prepare_cached(TASKS)?
                    .query_row(params![run.get(), 1, columns::count(place)], |row| task(row, run))
                    .optional()?;
                Ok(found.ok_or_else(|| missing("task", place))?)
            })
            .await
    }

    async fn attempts(&self, tenant: TenantId, run: RunId, task: TaskId) -> Result<Vec<AttemptRecord>> {
        self.readers
            .read(move |db| {
                exists(db, tenant, run)?;
                let mine = "SELECT 1 FROM job_run_steps WHERE id = ?1 AND job_run_id = ?2";
                let found =
                    db.prepare_cached(mine)?.query_row([task.get(), run.get()], |_| Ok(())).optional()?;
                found.ok_or_else(|| missing("task", task))?;
                let sql = "SELECT attempt, worker, status, reason, started_at, finished_at FROM task_attempts
                    WHERE task_id = ?1 ORDER BY attempt";
                let mut find = db.prepare_cached(sql)?;
                let rows = find.query_map([task.get()], |row| attempt(row, task))?;
                Ok(rows.collect::<rusqlite::Result<_>>()?)
            })
            .await
    }

    async fn events(&self, tenant: TenantId, run: RunId, after: u64, limit: usize) -> Result<Vec<Event>> {
        self.readers
            .read(move |db| {
                exists(db, tenant, run)?;
                let mut find = db.prepare_cached(EVENTS)?;
                let params = params![run.get(), columns::count(after), columns::count(limit)];
                let rows = find.query_map(params, |row| event(row, run))?;
                Ok(rows.collect::<rusqlite::Result<_>>()?)
            })
            .await
    }

    async fn output(
        &self,
        tenant: TenantId,
        run: RunId,
        query: OutputQuery,
        limit: usize,
    ) -> Result<Vec<OutputChunk>> {
        self.readers
            .read(move |db| {
                exists(db, tenant, run)?;
                let (task, attempt, seq) = query.after.unwrap_or((TaskId::new(0), 0, 0));
                let mut find = db.prepare_cached(OUTPUT)?;
                let rows = find.query_map(
                    named_params! {
                        ":run": run.get(),
                        ":task": query.task.map(TaskId::get),
                        ":stream": query.stream.map(Stream::as_str),
                        ":after_task": task.get(),
                        ":after_attempt": attempt,
                        ":after_seq": seq,
                        ":limit": columns::count(limit),
                    },
                    chunk,
                )?;
                Ok(rows.collect::<rusqlite::Result<_>>()?)
            })
            .await
    }

    async fn questions(&self, tenant: TenantId, page: Page) -> Result<Listing<Question>> {
        // Callers know the wall clock alone.
        let behind = self.clock.now().timestamp_micros().saturating_sub(self.steady.now());
        self.readers.read(move |db| suspend::questions(db, tenant, page, behind)).await
    }

    async fn queue_depth(&self) -> Result<(u64, u64)> {
        self.readers
            .read(|db| {
                let sql = "SELECT (SELECT count(*) FROM queue WHERE state = 'queued' AND parked_on IS NULL)
                    + (SELECT count(*) FROM queue WHERE parked_on IS NOT NULL)
                    - (SELECT count(*) FROM queue
                       WHERE suspended IS NOT NULL AND decision IS NULL AND state = 'queued'),
                    (SELECT count(*) FROM queue WHERE state = 'running')";
                let depth = |row: &Row<'_>| Ok((row.get::<_, i64>(0)? as u64, row.get::<_, i64>(1)? as u64));
                Ok(db.prepare_cached(sql)?.query_row([], depth)?)
            })
            .await
    }
}

const RUN_COLUMNS: &str =
    "id, job_id, job_version, status, stopping >= 2, requested_by, parameters, correlation_id,
    idempotency_key, priority, parent_run_id, labels, queued_at, started_at, finished_at, concurrency_key";

/// One run of a tenant.
pub(crate) fn run(db: &impl Statements, tenant: TenantId, id: RunId) -> DbResult<RunRecord> {
    let sql = format!("SELECT {RUN_COLUMNS} FROM job_runs WHERE id = ?1 AND tenant_id = ?2");
    let found = db.statement(&sql)?.query_row([id.get(), tenant.get()], run_record).optional()?;
    Ok(found.ok_or_else(|| missing("run", id))?)
}

/// How a run stands, whosoever it is.
pub(crate) fn run_status(db: &Connection, id: RunId) -> DbResult<Option<RunStatus>> {
    let mut find = db.prepare_cached("SELECT status FROM job_runs WHERE id = ?1")?;
    Ok(find.query_row([id.get()], |row| columns::parsed(row, 0)).optional()?)
}

fn exists(db: &Connection, tenant: TenantId, id: RunId) -> DbResult<()> {
    let sql = "SELECT 1 FROM job_runs WHERE id = ?1 AND tenant_id = ?2";
    let found = db.prepare_cached(sql)?.query_row([id.get(), tenant.get()], |_| Ok(())).optional()?;
    Ok(found.ok_or_else(|| missing("run", id))?)
}

fn list_runs(
    db: &Connection,
    tenant: TenantId,
    filter: &RunFilter,
    page: Page,
) -> DbResult<Listing<RunRecord>> {
    // Written out for each filter, so that each has its index.
    let wanted = match (filter.job, filter.status) {
        (None, None) => "tenant_id = ?1 AND ?2 IS NULL AND ?3 IS NULL",
        (Some(_), None) => "tenant_id = ?1 AND job_id = ?2 AND ?3 IS NULL",
        (None, Some(_)) => "tenant_id = ?1 AND status = ?3 AND ?2 IS NULL",
        (Some(_), Some(_)) => "tenant_id = ?1 AND job_id = ?2 AND status = ?3",
    };
    let (job, status) = (filter.job.map(JobId::get), filter.status.map(RunStatus::as_str));
    let total: i64 = db
        .prepare_cached(&format!("SELECT count(*) FROM job_runs WHERE {wanted}"))?
        .query_row(params![tenant.get(), job, status], |row| row.get(0))?;
    let mut find = db.prepare_cached(&format!(
        "SELECT {RUN_COLUMNS} FROM job_runs WHERE {wanted} ORDER BY id DESC LIMIT ?4 OFFSET ?5"
    ))?;
    let params = params![tenant.get(), job, status, page.limit, columns::count(page.skip)];
    let rows = find.query_map(params, run_record)?;
    Ok(Listing { items: rows.collect::<rusqlite::Result<_>>()?, total: total as u64 })
}

fn run_record(row: &Row<'_>) -> rusqlite::Result<RunRecord> {
    Ok(RunRecord {
        id: RunId::new(row.get(0)?),
        job: JobId::new(row.get(1)?),
        job_version: row.get(2)?,
        status: columns::parsed(row, 3)?,
        cancel_requested: row.get(4)?,
        requested_by: columns::id_or_none(row, 5, UserId::new)?,
        parameters: columns::json(row, 6)?,
        correlation_id: row.get(7)?,
        idempotency_key: row.get(8)?,
        priority: row.get(9)?,
        parent: columns::id_or_none(row, 10, RunId::new)?,
        concurrency_key: row.get(15)?,
        labels: columns::json(row, 11)?,
        queued_at: columns::time(row, 12)?,
        started_at: columns::time_or_none(row, 13)?,
        finished_at: columns::time_or_none(row, 14)?,
    })
}

fn sealed(row: &Row<'_>) -> rusqlite::Result<SealedParameter> {
    Ok(SealedParameter { name: row.get(0)?, id: row.get(1)?, version: row.get(2)?, sealed: row.get(3)? })
}

fn task(row: &Row<'_>, run: RunId) -> rusqlite::Result<TaskRecord> {
    Ok(TaskRecord {
        id: TaskId::new(row.get(0)?),
        run,
        step: row.get(1)?,
        kind: row.get(2)?,
        target: columns::target(row, 3)?,
        status: columns::parsed(row, 4)?,
        attempt: row.get(5)?,
        exit_code: row.get(6)?,
        stdout: columns::text_or_empty(row, 7)?,
        stderr: columns::text_or_empty(row, 8)?,
        reason: row.get(9)?,
        metrics: columns::json_or_default(row, 10)?,
        started_at: columns::time_or_none(row, 11)?,
        finished_at: columns::time_or_none(row, 12)?,
    })
}

fn attempt(row: &Row<'_>, task: TaskId) -> rusqlite::Result<AttemptRecord> {
    Ok(AttemptRecord {
        task,
        attempt: row.get(0)?,
        worker: columns::parsed(row, 1)?,
        status: columns::parsed(row, 2)?,
        reason: row.get(3)?,
        started_at: columns::time(row, 4)?,
        finished_at: columns::time(row, 5)?,
    })
}

pub(crate) fn event(row: &Row<'_>, run: RunId) -> rusqlite::Result<Event> {
    let kind: String = row.get(1)?;
    let kind = match kind.as_str() {
        "run.queued" => EventKind::RunQueued,
        "run.started" => EventKind::RunStarted,
        "run.finished" => EventKind::RunFinished { status: columns::parsed(row, 7)? },
        "step.started" => EventKind::StepStarted { attempt: row.get(6)? },
        "step.output" => {
            EventKind::StepOutput { stream: stream(row, 9)?, text: columns::text_or_empty(row, 10)? }
        }
        "step.waiting" => EventKind::StepRequeued { reason: columns::text_or_empty(row, 8)? },
        _ => EventKind::StepFinished { status: columns::parsed(row, 7)?, reason: row.get(8)? },
    };
    Ok(Event {
        run,
        seq: row.get::<_, i64>(0)? as u64,
        task: columns::id_or_none(row, 3, TaskId::new)?,
        step: row.get(4)?,
        target: columns::target(row, 5)?,
        kind,
        at: columns::time(row, 2)?,
    })
}

fn chunk(row: &Row<'_>) -> rusqlite::Result<OutputChunk> {
    Ok(OutputChunk {
        task: TaskId::new(row.get(0)?),
        step: row.get(1)?,
        target: columns::target(row, 2)?,
        attempt: row.get(3)?,
        seq: row.get(4)?,
        stream: stream(row, 5)?,
        at: columns::time(row, 6)?,
        text: row.get(7)?,
    })
}

fn stream(row: &Row<'_>, index: usize) -> rusqlite::Result<Stream> {
    // The column's CHECK knows these two alone.
    let name = row.get_ref(index)?.as_str().unwrap_or_default();
    Ok(if name == Stream::Stderr.as_str() { Stream::Stderr } else { Stream::Stdout })
}
