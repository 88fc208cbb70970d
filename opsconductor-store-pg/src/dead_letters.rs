//! [`DeadLetters`] in PostgreSQL, in the table `dlq`. What the Python system left there names no run and is not listed.

use async_trait::async_trait;
use opsconductor_core::{
    Result,
    id::{LetterId, RunId, TaskId, TenantId},
    run::RunStatus,
    store::{
        DeadLetter, DeadLetters, Enqueued, Listing, NewRun, Notice, Page, Repeats,
        dead_letters::{not_over, repeat_goes_on, repeated_already},
    },
};
use sqlx::{PgConnection, postgres::PgRow, types::Json};

use crate::{
    PgStore, columns,
    error::{DbResult, missing},
    queue::enqueue::{self, Prepared},
};

#[async_trait]
impl DeadLetters for PgStore {
    async fn dead_letter(&self, tenant: TenantId, id: LetterId) -> Result<DeadLetter> {
        Ok(get(self, tenant, id).await?)
    }

    async fn list_dead_letters(
        &self,
        tenant: TenantId,
        run: Option<RunId>,
        page: Page,
    ) -> Result<Listing<DeadLetter>> {
        Ok(list(self, tenant, run, page).await?)
    }

    async fn discard_dead_letter(&self, tenant: TenantId, id: LetterId) -> Result<()> {
        Ok(discard(self, tenant, id).await?)
    }

    async fn redrive(&self, tenant: TenantId, run: RunId, new: NewRun) -> Result<Enqueued> {
        let prepared = Prepared::of(new)?;
        Ok(redrive(self, tenant, run, &prepared).await?)
    }

    async fn repeat(&self, tenant: TenantId, run: RunId, new: NewRun, repeats: Repeats) -> Result<Enqueued> {
        let prepared = Prepared::of(new)?;
        Ok(repeat(self, tenant, run, &prepared, repeats).await?)
    }
}

const BY_ID: &str = "SELECT id, topic, run_id, coalesce(task_id, 0), payload, error, created_at
    FROM :schema.dlq WHERE tenant_id = $1 AND id = $2 AND run_id IS NOT NULL";

const LIST: &str = "SELECT id, topic, run_id, coalesce(task_id, 0), payload, error, created_at
    FROM :schema.dlq WHERE tenant_id = $1 AND run_id IS NOT NULL AND ($2::bigint IS NULL OR run_id = $2)
    ORDER BY id DESC LIMIT $3 OFFSET $4";

async fn get(store: &PgStore, tenant: TenantId, id: LetterId) -> DbResult<DeadLetter> {
    let mut tx = store.pools.read(tenant).await?;
    let found = sqlx::query(store.statements.of(BY_ID))
        .bind(tenant.get())
        .bind(id.get())
        .fetch_optional(&mut *tx)
        .await?;
    tx.commit().await?;
    Ok(letter(&found.ok_or_else(|| missing("dead letter", id))?)?)
}

async fn list(
    store: &PgStore,
    tenant: TenantId,
    run: Option<RunId>,
    page: Page,
) -> DbResult<Listing<DeadLetter>> {
    let run = run.map(RunId::get);
    let mut tx = store.pools.read(tenant).await?;
    let sql = "SELECT count(*) FROM :schema.dlq
        WHERE tenant_id = $1 AND run_id IS NOT NULL AND ($2::bigint IS NULL OR run_id = $2)";
    let total: i64 =
        sqlx::query_scalar(store.statements.of(sql)).bind(tenant.get()).bind(run).fetch_one(&mut *tx).await?;
    let rows = sqlx::query(store.statements.of(LIST))
        .bind(tenant.get())
        .bind(run)
        .bind(i64::from(page.limit))
        .bind(columns::count(page.skip))
        .fetch_all(&mut *tx)
        .await?;
    tx.commit().await?;
    let items = rows.iter().map(letter).collect::<sqlx::Result<_>>()?;
    Ok(Listing { items, total: total as u64 })
}

async fn discard(store: &PgStore, tenant: TenantId, id: LetterId) -> DbResult<()> {
    let mut tx = store.pools.write(tenant).await?;
    let sql = "DELETE FROM :schema.dlq WHERE tenant_id = $1 AND id = $2 AND run_id IS NOT NULL";
    let gone =
        sqlx::query(store.statements.of(sql)).bind(tenant.get()).bind(id.get()).execute(&mut *tx).await?;
    if gone.rows_affected() == 0 {
        return Err(missing("dead letter", id).into());
    }
    tx.commit().await
}

async fn redrive(store: &PgStore, tenant: TenantId, run: RunId, prepared: &Prepared) -> DbResult<Enqueued> {
    let mut tx = store.pools.write(tenant).await?;
    let first = lock_line(store, &mut tx, tenant, run).await?;
    let status = status(store, &mut tx, tenant, run).await?;
    let sql = "DELETE FROM :schema.dlq WHERE tenant_id = $1 AND run_id = $2";
    let gone =
        sqlx::query(store.statements.of(sql)).bind(tenant.get()).bind(run.get()).execute(&mut *tx).await?;
    if gone.rows_affected() == 0 {
        return Err(missing("dead letter", run).into());
    }
    if !status.is_final() {
        return Err(not_over(run).into());
    }
    check_line(store, &mut tx, tenant, run, first).await?;
    let enqueued = enqueue::write(store, &mut tx, tenant, prepared).await?;
    tx.concerns(enqueued.run.id.get());
    tx.commit().await?;
    store.notices.tell([Notice::Ready, Notice::Run(enqueued.run.id)]);
    Ok(enqueued)
}

async fn repeat(
    store: &PgStore,
    tenant: TenantId,
    run: RunId,
    prepared: &Prepared,
    repeats: Repeats,
) -> DbResult<Enqueued> {
    let mut tx = store.pools.write(tenant).await?;
    let first = lock_line(store, &mut tx, tenant, run).await?;
    if !status(store, &mut tx, tenant, run).await?.is_final() {
        return Err(not_over(run).into());
    }
    check_line(store, &mut tx, tenant, run, first).await?;
    if repeats == Repeats::Once {
        let sql = "SELECT id FROM :schema.job_runs
            WHERE tenant_id = $1 AND parent_run_id = $2 ORDER BY id DESC LIMIT 1";
        let child: Option<i64> = sqlx::query_scalar(store.statements.of(sql))
            .bind(tenant.get())
            .bind(run.get())
            .fetch_optional(&mut *tx)
            .await?;
        if let Some(child) = child {
            return Err(repeated_already(run, RunId::new(child)).into());
        }
    }
    let sql = "DELETE FROM :schema.dlq WHERE tenant_id = $1 AND run_id = $2";
    sqlx::query(store.statements.of(sql)).bind(tenant.get()).bind(run.get()).execute(&mut *tx).await?;
    let enqueued = enqueue::write(store, &mut tx, tenant, prepared).await?;
    tx.concerns(enqueued.run.id.get());
    tx.commit().await?;
    store.notices.tell([Notice::Ready, Notice::Run(enqueued.run.id)]);
    Ok(enqueued)
}

/// Finds the first run of which `run` came, be it through others, and locks its row: of those who do something of one line again
/// at once, the second waits here. Whoever only refers to a run does not.
async fn lock_line(store: &PgStore, tx: &mut PgConnection, tenant: TenantId, run: RunId) -> DbResult<i64> {
    let find = "WITH RECURSIVE up (id, parent) AS (
            SELECT id, parent_run_id FROM :schema.job_runs WHERE tenant_id = $1 AND id = $2
            UNION ALL
            SELECT r.id, r.parent_run_id FROM up JOIN :schema.job_runs r ON r.tenant_id = $1 AND r.id = up.parent)
        SELECT min(id) FROM up";
    let lock = "SELECT id FROM :schema.job_runs WHERE tenant_id = $1 AND id = $2 FOR NO KEY UPDATE";
    loop {
        let first: Option<i64> = sqlx::query_scalar(store.statements.of(find))
            .bind(tenant.get())
            .bind(run.get())
            .fetch_one(&mut *tx)
            .await?;
        let first = first.ok_or_else(|| missing("run", run))?;
        let locked: Option<i64> = sqlx::query_scalar(store.statements.of(lock))
            .bind(tenant.get())
            .bind(first)
            .fetch_optional(&mut *tx)
            .await?;
        // It may have been removed between the two looks; then the line begins with a later one.
        if locked.is_some() {
            return Ok(first);
        }
    }
}

async fn status(store: &PgStore, tx: &mut PgConnection, tenant: TenantId, run: RunId) -> DbResult<RunStatus> {
    let sql = "SELECT status FROM :schema.job_runs WHERE tenant_id = $1 AND id = $2 FOR KEY SHARE";
    let status: Option<String> = sqlx::query_scalar(store.statements.of(sql))
        .bind(tenant.get())
        .bind(run.get())
        .fetch_optional(&mut *tx)
        .await?;
    Ok(status.ok_or_else(|| missing("run", run))?.parse()?)
}

/// Refuses to do a run again while another of the line that begins with `first` goes on.
async fn check_line(
    store: &PgStore,
    tx: &mut PgConnection,
    tenant: TenantId,
    run: RunId,
    first: i64,
) -> DbResult<()> {
    let sql = "WITH RECURSIVE line (id, finished_at) AS (
            SELECT id, finished_at FROM :schema.job_runs WHERE tenant_id = $1 AND id = $2
            UNION ALL
            SELECT r.id, r.finished_at FROM line
                JOIN :schema.job_runs r ON r.tenant_id = $1 AND r.parent_run_id = line.id)
        SELECT id FROM line WHERE finished_at IS NULL AND id <> $3 ORDER BY id LIMIT 1";
    let alive: Option<i64> = sqlx::query_scalar(store.statements.of(sql))
        .bind(tenant.get())
        .bind(first)
        .bind(run.get())
        .fetch_optional(&mut *tx)
        .await?;
    alive.map_or(Ok(()), |other| Err(repeat_goes_on(run, RunId::new(other)).into()))
}

fn letter(row: &PgRow) -> sqlx::Result<DeadLetter> {
    let Json(payload) = columns::get(row, 4)?;
    Ok(DeadLetter {
        id: LetterId::new(columns::get(row, 0)?),
        topic: columns::get(row, 1)?,
        run: RunId::new(columns::get(row, 2)?),
        task: TaskId::new(columns::get(row, 3)?),
        payload,
        error: columns::get(row, 5)?,
        created_at: columns::get(row, 6)?,
    })
}
