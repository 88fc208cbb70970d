//! Tasks that wait for their time or for a person.

use opsconductor_core::{
    Error, ErrorKind,
    id::{RunId, TargetId, TaskId, TenantId},
    store::{Decision, Lease, Notice, Suspended, WaitsFor},
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
    let mut tx = store.pools.queue_transaction().await?;
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
