//! A run is to stop.

use opsconductor_core::{
    id::{RunId, TenantId},
    run::{TaskStatus, advance::run_status},
    store::{Notice, RunRecord},
};

use super::{
    ends::{Ends, Idle},
    parking::{self, Belongs},
    runs::Locked,
    turns,
};
use crate::{PgStore, columns, error::DbResult, events::Told, history, plans};

const TAKE_IDLE: &str = include_str!("../../sql/take_idle.sql");

pub(super) async fn cancel_run(
    store: &PgStore,
    tenant: TenantId,
    id: RunId,
    reason: &str,
) -> DbResult<RunRecord> {
    let reason = columns::storable(reason);
    let mut run = cancel(store, tenant, id, &reason, Pass::First).await?;
    // A task that was locked for a moment, because someone looked at its limits, was taken for one that is being claimed.
    if !run.status.is_final() && is_left(store, id).await? {
        run = cancel(store, tenant, id, &reason, Pass::Second).await?;
    }
    Ok(run)
}

/// Which pass it is.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Pass {
    /// Whatever someone holds at this moment counts as held.
    First,
    /// It waits for those tasks. Nobody else waits for the run with one of them in hand: they were queued, and the run is
    /// being canceled.
    Second,
}

/// Whether a task of a run is in the queue that no worker holds.
async fn is_left(store: &PgStore, id: RunId) -> DbResult<bool> {
    let sql = "SELECT EXISTS (SELECT 1 FROM :schema.queue WHERE run_id = $1 AND state <> 'running')";
    let mut db = store.pools.queue().await?;
    Ok(sqlx::query_scalar(store.statements.of(sql)).bind(id.get()).fetch_one(&mut *db).await?)
}

async fn cancel(
    store: &PgStore,
    tenant: TenantId,
    id: RunId,
    reason: &str,
    pass: Pass,
) -> DbResult<RunRecord> {
    let mut tx = store.pools.queue_transaction().await?;
    history::run(store, &mut tx, tenant, id).await?;
    let plans = plans::of(store, &mut tx, [id]).await?;
    if pass == Pass::Second {
        let sql = "SELECT 1 FROM :schema.queue WHERE run_id = $1 AND state <> 'running' ORDER BY task_id FOR UPDATE";
        sqlx::query(store.statements.of(sql)).bind(id.get()).execute(&mut *tx).await?;
    }
    let mut locked = Locked::lock(store, &mut tx, [id]).await?;
    // It is read again under the lock: it may have ended meanwhile.
    let run = history::run(store, &mut tx, tenant, id).await?;
    if run.status.is_final() || (run.cancel_requested && pass == Pass::First) {
        return Ok(run);
    }
    if let Some(key) = &run.concurrency_key {
        turns::lock(store, &mut tx, [(tenant, key.as_str())]).await?;
    }
    let rows = sqlx::query(store.statements.of(TAKE_IDLE)).bind(id.get()).fetch_all(&mut *tx).await?;
    let mut idle = rows.iter().map(Idle::read).collect::<sqlx::Result<Vec<_>>>()?;
    idle.sort_unstable_by_key(|task| task.place.task);
    let mut ready = Belongs::default();
    for row in &rows {
        if columns::get(row, 6)? {
            ready.push(
                columns::get(row, 7)?,
                columns::get(row, 8)?,
                columns::get(row, 3)?,
                columns::get(row, 9)?,
            );
        }
    }
    let mut ends = Ends::default();
    let mut notices = vec![Notice::Run(id)];
    for task in &idle {
        ends.idle(task, reason.into());
        let aborted = Told::Finished {
            place: task.place,
            status: TaskStatus::Aborted,
            reason: Some(reason.to_owned()),
        };
        locked.tell(id, aborted);
    }
    if let (Some(locked), Some(plan)) = (locked.runs.get_mut(&id), plans.get(&id)) {
        locked.cancel(reason);
        for task in &idle {
            locked.counters[task.place.step as usize].count(TaskStatus::Aborted, 1);
        }
        match run_status(plan, &locked.counters, true) {
            Some(status) => locked.end(status),
            None => notices.push(Notice::Cancel(id)),
        }
    }
    ends.write(store, &mut tx, locked.now).await?;
    let began = locked.write(store, &mut tx).await?;
    notices.extend(began.then_some(Notice::Ready));
    let run = history::run(store, &mut tx, tenant, id).await?;
    tx.commit().await?;
    store.notices.tell(notices);
    // A limit let them go on; now others may.
    parking::freed(store, &ready).await;
    Ok(run)
}
