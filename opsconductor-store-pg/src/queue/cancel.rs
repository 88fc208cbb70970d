//! A run is to stop: someone cancels it, or it takes too long.

use opsconductor_core::{
    id::{RunId, TenantId},
    run::{
        TaskStatus,
        phase::{self, Phase, Stopping},
        plan::RunPlan,
    },
    store::{Notice, RunRecord, overdue_reason},
};

use super::{
    advance::Releases,
    ends::{Ends, Idle},
    parking::{self, Belongs},
    runs::Locked,
    turns,
};
use crate::{PgStore, columns, error::DbResult, events::Told, history, plans};

const TAKE_IDLE: &str = include_str!("../../sql/take_idle.sql");

const OVERDUE: &str = "SELECT id, tenant_id, time_limit FROM :schema.job_runs
    WHERE time_limit IS NOT NULL AND finished_at IS NULL AND stopping = 0
        AND started_at + time_limit * interval '1 microsecond' <= (SELECT coalesce($1::timestamptz, clock_timestamp()))
    ORDER BY id LIMIT $2";

pub(super) async fn cancel_run(
    store: &PgStore,
    tenant: TenantId,
    id: RunId,
    reason: &str,
) -> DbResult<RunRecord> {
    stop_run(store, tenant, id, Why::Canceled, &columns::storable(reason)).await
}

pub(super) async fn stop_overdue(store: &PgStore, limit: usize) -> DbResult<Vec<RunId>> {
    let mut db = store.pools.queue().await?;
    let found: Vec<(i64, i64, i64)> = sqlx::query_as(store.statements.of(OVERDUE))
        .bind(store.moment())
        .bind(columns::count(limit))
        .fetch_all(&mut *db)
        .await?;
    drop(db);
    let mut stopped = Vec::with_capacity(found.len());
    for (id, tenant, micros) in found {
        let (id, seconds) = (RunId::new(id), u32::try_from(micros / 1_000_000).unwrap_or(u32::MAX));
        stop_run(store, TenantId::new(tenant), id, Why::Overdue, &overdue_reason(seconds)).await?;
        stopped.push(id);
    }
    Ok(stopped)
}

async fn stop_run(
    store: &PgStore,
    tenant: TenantId,
    id: RunId,
    why: Why,
    reason: &str,
) -> DbResult<RunRecord> {
    let (mut run, stopping) = stop(store, tenant, id, why, reason).await?;
    // A task that was locked for a moment, because someone looked at its limits, was taken for one that is being claimed.
    if let Some(stopping) = stopping
        && !run.status.is_final()
        && is_left(store, id, stopping).await?
    {
        (run, _) = stop(store, tenant, id, Why::Again, reason).await?;
    }
    Ok(run)
}

/// Why a run is to stop.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Why {
    /// Someone says so.
    Canceled,
    /// It takes too long.
    Overdue,
    /// It stops already. Whatever someone held at the first pass counted as held; the second waits for those tasks. Nobody else
    /// waits for the run with one of them in hand: they were queued, and the run is to stop.
    Again,
}

/// The steps that a run that stops so far lets go on.
fn spared(plan: &RunPlan, stopping: Stopping) -> Vec<i32> {
    (0..).zip(&plan.steps).filter(|(_, step)| stopping.spares(step)).map(|(index, _)| index).collect()
}

/// Whether a task of a run is in the queue that no worker holds and that is to stop.
async fn is_left(store: &PgStore, id: RunId, stopping: Stopping) -> DbResult<bool> {
    let sql = "SELECT EXISTS (SELECT 1 FROM :schema.queue
        WHERE run_id = $1 AND state <> 'running' AND idx <> ALL ($2))";
    let mut db = store.pools.queue().await?;
    let plans = plans::of(store, &mut db, [id]).await?;
    let spared = plans.get(&id).map(|plan| spared(plan, stopping)).unwrap_or_default();
    Ok(sqlx::query_scalar(store.statements.of(sql)).bind(id.get()).bind(spared).fetch_one(&mut *db).await?)
}

/// Stops a run once, and says how far if it did.
async fn stop(
    store: &PgStore,
    tenant: TenantId,
    id: RunId,
    why: Why,
    reason: &str,
) -> DbResult<(RunRecord, Option<Stopping>)> {
    let mut tx = store.pools.queue_writing().await?;
    history::run(store, &mut tx, tenant, id).await?;
    let plans = plans::of(store, &mut tx, [id]).await?;
    let Some(plan) = plans.get(&id) else {
        return Ok((history::run(store, &mut tx, tenant, id).await?, None));
    };
    if why == Why::Again {
        let sql = "SELECT 1 FROM :schema.queue AS q JOIN :schema.job_runs AS r ON r.id = q.run_id
            WHERE q.run_id = $1 AND q.state = 'queued' AND (r.stopping = 1 AND q.idx <> ALL ($2)
                OR r.stopping = 2 AND q.idx <> ALL ($3) OR r.stopping = 3)
            ORDER BY q.task_id FOR UPDATE OF q";
        sqlx::query(store.statements.of(sql))
            .bind(id.get())
            .bind(spared(plan, Stopping::Overdue))
            .bind(spared(plan, Stopping::Canceled))
            .execute(&mut *tx)
            .await?;
    }
    let mut locked = Locked::lock(store, &mut tx, [id]).await?;
    // It is read again under the lock: it may have ended meanwhile.
    let run = history::run(store, &mut tx, tenant, id).await?;
    let Some(mine) = locked.runs.get_mut(&id).filter(|_| !run.status.is_final()) else {
        return Ok((run, None));
    };
    let next = match why {
        Why::Canceled => mine.stopping().canceled(plan, &mine.counters),
        Why::Overdue => (mine.stopping() == Stopping::No).then_some(Stopping::Overdue),
        Why::Again => Some(mine.stopping()),
    };
    let Some(stopping) = next else { return Ok((run, None)) };
    mine.stop(stopping);
    if let Some(key) = &run.concurrency_key {
        turns::lock(store, &mut tx, [(tenant, key.as_str())]).await?;
    }
    if why != Why::Again {
        let sql = "UPDATE :schema.job_runs SET stopping = $2, cancel_reason = $3 WHERE id = $1";
        let marked =
            sqlx::query(store.statements.of(sql)).bind(id.get()).bind(stopping.number()).bind(reason);
        marked.execute(&mut *tx).await?;
    }
    let taken = sqlx::query(store.statements.of(TAKE_IDLE)).bind(id.get()).bind(spared(plan, stopping));
    let rows = taken.fetch_all(&mut *tx).await?;
    let mut idle = rows.iter().map(Idle::read).collect::<sqlx::Result<Vec<_>>>()?;
    idle.sort_unstable_by_key(|task| task.place.task);
    let mut ready = Belongs::default();
    for row in &rows {
        if columns::get(row, 6)? {
            ready.push(
                id,
                columns::get(row, 7)?,
                columns::get(row, 8)?,
                columns::get(row, 3)?,
                columns::get(row, 9)?,
            );
        }
    }
    let mut ends = Ends::default();
    let (mut notices, mut releases) = (vec![Notice::Run(id)], Releases::default());
    for task in &idle {
        let status = TaskStatus::Aborted;
        ends.idle(task, status, reason.into());
        locked.tell(id, Told::Finished { place: task.place, status, reason: Some(reason.to_owned()) });
    }
    if let Some(locked) = locked.runs.get_mut(&id) {
        let before = Phase::of(plan, &locked.counters);
        for task in &idle {
            locked.counters[task.place.step as usize].count(TaskStatus::Aborted, 1);
        }
        match phase::go_on(plan, before, &mut locked.counters, stopping, &mut releases)? {
            Some(status) => locked.end(status, plan),
            None => notices.push(Notice::Cancel(id)),
        }
    }
    ends.write(store, &mut tx, locked.now).await?;
    let ready_now = releases.write(store, &mut tx, id).await?;
    let began = locked.write(store, &mut tx).await?;
    notices.extend((began || ready_now).then_some(Notice::Ready));
    let run = history::run(store, &mut tx, tenant, id).await?;
    tx.commit().await?;
    store.notices.tell(notices);
    // A limit let them go on; now others may.
    parking::freed(store, &ready).await;
    Ok((run, Some(stopping)))
}
