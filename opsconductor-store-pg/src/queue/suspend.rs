//! Tasks that wait for their time or for a person.

use opsconductor_core::{
    Error, ErrorKind,
    id::{RunId, TargetId, TaskId, TenantId},
    store::{Decision, Lease, Listing, Notice, Page, Question, Suspended, WaitsFor},
};
use sqlx::postgres::PgRow;

use super::runs::Locked;
use crate::{
    PgStore, columns,
    error::{DbResult, missing},
    events::{Place, Told},
    history,
};

/// From the columns `suspended, decision`, of which the first stands at `at`.
fn read(row: &PgRow, at: usize) -> DbResult<Option<Suspended>> {
    let Some(waits_for) = columns::get::<Option<&str>>(row, at)?.and_then(WaitsFor::from_name) else {
        return Ok(None);
    };
    let decision: Option<&str> = columns::get(row, at + 1)?;
    Ok(Some(Suspended { waits_for, decision: decision.map(serde_json::from_str).transpose()? }))
}

pub(super) async fn suspended(store: &PgStore, lease: &Lease) -> DbResult<Option<Suspended>> {
    let sql = "SELECT suspended, decision FROM :schema.queue
        WHERE task_id = $1 AND run_id = $2 AND epoch = $3 AND worker = $4";
    let mut db = store.pools.queue().await?;
    let found = sqlx::query(store.statements.of(sql))
        .bind(lease.task.get())
        .bind(lease.run.get())
        .bind(lease.epoch)
        .bind(columns::uuid(lease.worker))
        .fetch_optional(&mut *db)
        .await?;
    let lost = || {
        Error::new(ErrorKind::LeaseLost, "the lease is held by someone else or has ended")
            .with("task", lease.task)
    };
    read(&found.ok_or_else(lost)?, 0)
}

const COUNT_OPEN: &str = "SELECT count(*) FROM :schema.queue
    WHERE tenant_id = $1 AND state = 'queued' AND suspended IN ('approval', 'lost') AND decision IS NULL";

/// What began to wait before this was kept has no words and the time of its start.
const LIST_OPEN: &str = "SELECT run_id, task_id, idx, target_id, suspended, coalesce(question, ''),
        coalesce(asked_at, started_at, due_at) AS since, due_at
    FROM :schema.queue
    WHERE tenant_id = $1 AND state = 'queued' AND suspended IN ('approval', 'lost') AND decision IS NULL
    ORDER BY since DESC, task_id DESC LIMIT $2 OFFSET $3";

/// What the tasks of a tenant ask.
pub(crate) async fn questions(store: &PgStore, tenant: TenantId, page: Page) -> DbResult<Listing<Question>> {
    let mut tx = store.pools.read(tenant).await?;
    let total: i64 =
        sqlx::query_scalar(store.statements.of(COUNT_OPEN)).bind(tenant.get()).fetch_one(&mut *tx).await?;
    let rows = sqlx::query(store.statements.of(LIST_OPEN))
        .bind(tenant.get())
        .bind(i64::from(page.limit))
        .bind(columns::count(page.skip))
        .fetch_all(&mut *tx)
        .await?;
    tx.commit().await?;
    let items = rows.iter().map(question).collect::<sqlx::Result<_>>()?;
    Ok(Listing { items, total: total as u64 })
}

fn question(row: &PgRow) -> sqlx::Result<Question> {
    Ok(Question {
        run: RunId::new(columns::get(row, 0)?),
        task: TaskId::new(columns::get(row, 1)?),
        step: columns::unsigned(row, 2)?,
        target: columns::target(row, 3)?,
        // The condition lets these two alone through.
        waits_for: match columns::get::<&str>(row, 4)? {
            "lost" => WaitsFor::Lost,
            _ => WaitsFor::Approval,
        },
        message: columns::get(row, 5)?,
        since: columns::get(row, 6)?,
        until: columns::get(row, 7)?,
    })
}

pub(super) async fn decide(
    store: &PgStore,
    tenant: TenantId,
    run: RunId,
    (step, target): (u32, Option<TargetId>),
    decision: &Decision,
) -> DbResult<()> {
    let mut decision = decision.clone();
    decision.by = columns::storable(&decision.by).into_owned();
    decision.note = decision.note.map(|note| columns::storable(&note).into_owned());
    let mut tx = store.pools.queue_writing().await?;
    history::run(store, &mut tx, tenant, run).await?;
    let sql = "SELECT id FROM :schema.job_run_steps
        WHERE job_run_id = $1 AND idx = $2 AND target_id IS NOT DISTINCT FROM $3";
    let found: Option<i64> = sqlx::query_scalar(store.statements.of(sql))
        .bind(run.get())
        .bind(columns::int(step))
        .bind(target.map(TargetId::get))
        .fetch_optional(&mut *tx)
        .await?;
    let task = TaskId::new(found.ok_or_else(|| missing("task of the run", run))?);
    // The task before its run, as everywhere.
    let sql = "SELECT suspended, decision, state FROM :schema.queue WHERE task_id = $1 FOR UPDATE";
    let row = sqlx::query(store.statements.of(sql)).bind(task.get()).fetch_optional(&mut *tx).await?;
    let row = row.ok_or_else(Suspended::ended)?;
    let is_idle = columns::get::<&str>(&row, 2)? == "queued";
    // One that a worker has claimed when its time was over is asked about no more.
    let open = read(&row, 0)?.filter(|waits| is_idle || waits.decision.is_some());
    if let Err(closed) = Suspended::check_open(open.as_ref()) {
        // Not left to the drop, which is over some time later: a claim passes over a row that is locked.
        tx.rollback().await?;
        return Err(closed.into());
    }
    let mut locked = Locked::lock(store, &mut tx, [run]).await?;
    let sql = "UPDATE :schema.queue SET decision = $2, due_at = $3 WHERE task_id = $1";
    sqlx::query(store.statements.of(sql))
        .bind(task.get())
        .bind(columns::to_json(&decision)?)
        .bind(locked.now)
        .execute(&mut *tx)
        .await?;
    let place = Place { task, step, target };
    locked.tell(run, Told::Requeued { place, reason: decision.sentence() });
    locked.write(store, &mut tx).await?;
    tx.commit().await?;
    store.notices.tell([Notice::Ready, Notice::Run(run)]);
    Ok(())
}
