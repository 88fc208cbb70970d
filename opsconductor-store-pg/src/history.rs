//! The [`History`] in PostgreSQL: each call sees one moment, with the rights of one tenant.

pub(crate) mod rows;

use std::sync::Arc;

use async_trait::async_trait;
use opsconductor_core::{
    Result,
    clock::Timestamp,
    id::{JobId, RunId, TaskId, TenantId},
    run::{Event, RunPlan, RunStatus, TaskStatus, plan::TaskKey},
    store::{
        AttemptRecord, History, Listing, OutputChunk, OutputQuery, Page, Question, RunFilter, RunRecord,
        SealedParameter, TaskRecord,
    },
    transport::Stream,
};
use sqlx::PgConnection;

use crate::{
    PgStore, columns,
    error::{DbResult, missing},
    plans,
    queue::suspend,
};

const TASKS: &str = include_str!("../sql/tasks.sql");
const EVENTS: &str = include_str!("../sql/events.sql");
const OUTPUT: &str = include_str!("../sql/output.sql");

#[async_trait]
impl History for PgStore {
    async fn run(&self, tenant: TenantId, id: RunId) -> Result<RunRecord> {
        Ok(one_run(self, tenant, id).await?)
    }

    async fn list_runs(&self, tenant: TenantId, filter: RunFilter, page: Page) -> Result<Listing<RunRecord>> {
        Ok(list_runs(self, tenant, &filter, page).await?)
    }

    async fn run_plan(&self, tenant: TenantId, id: RunId) -> Result<Arc<RunPlan>> {
        Ok(run_plan(self, tenant, id).await?)
    }

    async fn run_secrets(&self, tenant: TenantId, id: RunId) -> Result<Vec<SealedParameter>> {
        Ok(run_secrets(self, tenant, id).await?)
    }

    async fn tasks(&self, tenant: TenantId, run: RunId, page: Page) -> Result<Listing<TaskRecord>> {
        Ok(tasks(self, tenant, run, page).await?)
    }

    async fn outcomes(&self, tenant: TenantId, run: RunId) -> Result<Vec<(TaskKey, TaskStatus)>> {
        Ok(outcomes(self, tenant, run).await?)
    }

    async fn task_at(&self, tenant: TenantId, run: RunId, place: u64) -> Result<TaskRecord> {
        Ok(task_at(self, tenant, run, place).await?)
    }

    async fn attempts(&self, tenant: TenantId, run: RunId, task: TaskId) -> Result<Vec<AttemptRecord>> {
        Ok(attempts(self, tenant, run, task).await?)
    }

    async fn events(&self, tenant: TenantId, run: RunId, after: u64, limit: usize) -> Result<Vec<Event>> {
        Ok(events(self, tenant, run, after, limit).await?)
    }

    async fn output(
        &self,
        tenant: TenantId,
        run: RunId,
        query: OutputQuery,
        limit: usize,
    ) -> Result<Vec<OutputChunk>> {
        Ok(output(self, tenant, run, &query, limit).await?)
    }

    async fn questions(&self, tenant: TenantId, page: Page) -> Result<Listing<Question>> {
        Ok(suspend::questions(self, tenant, page).await?)
    }

    async fn queue_depth(&self) -> Result<(u64, u64)> {
        Ok(queue_depth(self).await?)
    }
}

const RUN: &str = "SELECT id, job_id, job_version, status, stopping >= 2, requested_by, parameters,
        correlation_id, idempotency_key, priority, parent_run_id, labels, queued_at, started_at, finished_at,
        concurrency_key
    FROM :schema.job_runs
    WHERE tenant_id = $1 AND id = $2";

/// One run of a tenant.
pub(crate) async fn run(
    store: &PgStore,
    db: &mut PgConnection,
    tenant: TenantId,
    id: RunId,
) -> DbResult<RunRecord> {
    let found =
        sqlx::query(store.statements.of(RUN)).bind(tenant.get()).bind(id.get()).fetch_optional(db).await?;
    let row = found.ok_or_else(|| missing("run", id))?;
    Ok(rows::run_record(&row)?)
}

async fn one_run(store: &PgStore, tenant: TenantId, id: RunId) -> DbResult<RunRecord> {
    let mut tx = store.pools.read(tenant).await?;
    let found = run(store, &mut tx, tenant, id).await?;
    tx.commit().await?;
    Ok(found)
}

/// Refuses a run that is not the tenant's.
async fn exists(store: &PgStore, db: &mut PgConnection, tenant: TenantId, id: RunId) -> DbResult<()> {
    let sql = "SELECT EXISTS (SELECT 1 FROM :schema.job_runs WHERE tenant_id = $1 AND id = $2)";
    let found: bool =
        sqlx::query_scalar(store.statements.of(sql)).bind(tenant.get()).bind(id.get()).fetch_one(db).await?;
    if found { Ok(()) } else { Err(missing("run", id).into()) }
}

const COUNT_RUNS: &str = "SELECT count(*) FROM :schema.job_runs
    WHERE tenant_id = $1 AND ($2::bigint IS NULL OR job_id = $2) AND ($3::text IS NULL OR ended_as = $3)
        AND ($4::text IS NULL OR (ended_as IS NULL AND status = $4))";

const LIST_RUNS: &str = "SELECT id, job_id, job_version, status, stopping >= 2, requested_by, parameters,
        correlation_id, idempotency_key, priority, parent_run_id, labels, queued_at, started_at, finished_at,
        concurrency_key
    FROM :schema.job_runs
    WHERE tenant_id = $1 AND ($2::bigint IS NULL OR job_id = $2) AND ($3::text IS NULL OR ended_as = $3)
        AND ($4::text IS NULL OR (ended_as IS NULL AND status = $4))
    ORDER BY id DESC LIMIT $5 OFFSET $6";

async fn list_runs(
    store: &PgStore,
    tenant: TenantId,
    filter: &RunFilter,
    page: Page,
) -> DbResult<Listing<RunRecord>> {
    let job = filter.job.map(JobId::get);
    // What has ended and what is alive are found in two ways.
    let (ended, alive) = match filter.status {
        Some(status) if status.is_final() => (Some(status.as_str()), None),
        other => (None, other.map(RunStatus::as_str)),
    };
    let mut tx = store.pools.read(tenant).await?;
    let total: i64 = sqlx::query_scalar(store.statements.of(COUNT_RUNS))
        .bind(tenant.get())
        .bind(job)
        .bind(ended)
        .bind(alive)
        .fetch_one(&mut *tx)
        .await?;
    let found = sqlx::query(store.statements.of(LIST_RUNS))
        .bind(tenant.get())
        .bind(job)
        .bind(ended)
        .bind(alive)
        .bind(i64::from(page.limit))
        .bind(columns::count(page.skip))
        .fetch_all(&mut *tx)
        .await?;
    tx.commit().await?;
    Ok(Listing {
        items: found.iter().map(rows::run_record).collect::<sqlx::Result<_>>()?,
        total: total as u64,
    })
}

async fn run_plan(store: &PgStore, tenant: TenantId, id: RunId) -> DbResult<Arc<RunPlan>> {
    if let Some(plan) = store.plans.find_of(tenant, id) {
        return Ok(plan);
    }
    let mut tx = store.pools.read(tenant).await?;
    exists(store, &mut tx, tenant, id).await?;
    let plan = plans::of(store, &mut tx, [id]).await?.remove(&id);
    tx.commit().await?;
    Ok(plan.ok_or_else(|| missing("run", id))?)
}

async fn run_secrets(store: &PgStore, tenant: TenantId, id: RunId) -> DbResult<Vec<SealedParameter>> {
    let mut tx = store.pools.read(tenant).await?;
    exists(store, &mut tx, tenant, id).await?;
    let sql = "SELECT name, id, version, sealed FROM :schema.run_secrets
        WHERE tenant_id = $1 AND run_id = $2 ORDER BY name COLLATE \"C\"";
    let found =
        sqlx::query(store.statements.of(sql)).bind(tenant.get()).bind(id.get()).fetch_all(&mut *tx).await?;
    tx.commit().await?;
    Ok(found.iter().map(rows::sealed).collect::<sqlx::Result<_>>()?)
}

async fn tasks(store: &PgStore, tenant: TenantId, id: RunId, page: Page) -> DbResult<Listing<TaskRecord>> {
    let mut tx = store.pools.read(tenant).await?;
    exists(store, &mut tx, tenant, id).await?;
    let sql = store.statements.of("SELECT count(*) FROM :schema.job_run_steps WHERE job_run_id = $1");
    let total: i64 = sqlx::query_scalar(sql).bind(id.get()).fetch_one(&mut *tx).await?;
    let found = sqlx::query(store.statements.of(TASKS))
        .bind(id.get())
        .bind(i64::from(page.limit))
        .bind(columns::count(page.skip))
        .fetch_all(&mut *tx)
        .await?;
    tx.commit().await?;
    let items = found.iter().map(|row| rows::task(row, id)).collect::<sqlx::Result<_>>()?;
    Ok(Listing { items, total: total as u64 })
}

async fn outcomes(store: &PgStore, tenant: TenantId, id: RunId) -> DbResult<Vec<(TaskKey, TaskStatus)>> {
    let mut tx = store.pools.read(tenant).await?;
    exists(store, &mut tx, tenant, id).await?;
    let sql = "SELECT s.idx, s.target_id, s.status FROM :schema.job_run_steps AS s
        WHERE s.job_run_id = $1 AND NOT EXISTS (SELECT 1 FROM :schema.queue AS q WHERE q.task_id = s.id)
        ORDER BY s.id";
    let found = sqlx::query(store.statements.of(sql)).bind(id.get()).fetch_all(&mut *tx).await?;
    tx.commit().await?;
    Ok(found.iter().map(rows::outcome).collect::<sqlx::Result<_>>()?)
}

async fn task_at(store: &PgStore, tenant: TenantId, id: RunId, place: u64) -> DbResult<TaskRecord> {
    let mut tx = store.pools.read(tenant).await?;
    exists(store, &mut tx, tenant, id).await?;
    let found = sqlx::query(store.statements.of(TASKS))
        .bind(id.get())
        .bind(1_i64)
        .bind(columns::count(place))
        .fetch_optional(&mut *tx)
        .await?;
    tx.commit().await?;
    let row = found.ok_or_else(|| missing("task", place))?;
    Ok(rows::task(&row, id)?)
}

async fn attempts(
    store: &PgStore,
    tenant: TenantId,
    run: RunId,
    task: TaskId,
) -> DbResult<Vec<AttemptRecord>> {
    let mut tx = store.pools.read(tenant).await?;
    exists(store, &mut tx, tenant, run).await?;
    let mine = "SELECT EXISTS (SELECT 1 FROM :schema.job_run_steps WHERE id = $1 AND job_run_id = $2)";
    let found: bool = sqlx::query_scalar(store.statements.of(mine))
        .bind(task.get())
        .bind(run.get())
        .fetch_one(&mut *tx)
        .await?;
    if !found {
        return Err(missing("task", task).into());
    }
    let sql = "SELECT attempt, worker, status, reason, started_at, finished_at FROM :schema.task_attempts
        WHERE task_id = $1 ORDER BY attempt";
    let found = sqlx::query(store.statements.of(sql)).bind(task.get()).fetch_all(&mut *tx).await?;
    tx.commit().await?;
    Ok(found.iter().map(|row| rows::attempt(row, task)).collect::<sqlx::Result<_>>()?)
}

async fn events(
    store: &PgStore,
    tenant: TenantId,
    run: RunId,
    after: u64,
    limit: usize,
) -> DbResult<Vec<Event>> {
    let mut tx = store.pools.read(tenant).await?;
    let queued = "SELECT queued_at FROM :schema.job_runs WHERE tenant_id = $1 AND id = $2";
    let queued: Option<Timestamp> = sqlx::query_scalar(store.statements.of(queued))
        .bind(tenant.get())
        .bind(run.get())
        .fetch_optional(&mut *tx)
        .await?;
    let queued = rows::queued(run, queued.ok_or_else(|| missing("run", run))?);
    let found = sqlx::query(store.statements.of(EVENTS))
        .bind(run.get())
        // Their sum is a number too.
        .bind(columns::count(after.max(queued.seq)).min(i64::MAX / 2))
        .bind(columns::count(limit).min(i64::MAX / 2))
        .fetch_all(&mut *tx)
        .await?;
    tx.commit().await?;
    let mut events = vec![queued];
    for row in &found {
        events.extend(rows::events(row, run)?);
    }
    events.retain(|event| event.seq > after);
    events.truncate(limit);
    Ok(events)
}

async fn output(
    store: &PgStore,
    tenant: TenantId,
    run: RunId,
    query: &OutputQuery,
    limit: usize,
) -> DbResult<Vec<OutputChunk>> {
    let (task, attempt, seq) = query.after.unwrap_or((TaskId::new(0), 0, 0));
    let mut tx = store.pools.read(tenant).await?;
    exists(store, &mut tx, tenant, run).await?;
    let found = sqlx::query(store.statements.of(OUTPUT))
        .bind(run.get())
        .bind(query.task.map(TaskId::get))
        .bind(query.stream.map(Stream::as_str))
        .bind(task.get())
        .bind(columns::int(attempt))
        .bind(i64::from(seq))
        .bind(columns::count(limit))
        .fetch_all(&mut *tx)
        .await?;
    tx.commit().await?;
    Ok(found.iter().map(rows::chunk).collect::<sqlx::Result<_>>()?)
}

async fn queue_depth(store: &PgStore) -> DbResult<(u64, u64)> {
    let sql = "SELECT (SELECT count(*) FROM :schema.queue WHERE state = 'queued' AND parked_on IS NULL)
        + (SELECT count(*) FROM :schema.queue WHERE parked_on IS NOT NULL)
        - (SELECT count(*) FROM :schema.queue WHERE suspended IS NOT NULL AND decision IS NULL AND state = 'queued'),
        (SELECT count(*) FROM :schema.queue WHERE state = 'running')";
    let mut db = store.pools.queue().await?;
    let (queued, running): (i64, i64) = sqlx::query_as(store.statements.of(sql)).fetch_one(&mut *db).await?;
    Ok((queued as u64, running as u64))
}
