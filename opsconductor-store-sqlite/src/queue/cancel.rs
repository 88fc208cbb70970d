//! A run is to stop: someone cancels it, or it takes too long.

use opsconductor_core::{
    id::{RunId, TenantId},
    run::{
        TaskStatus,
        phase::{self, Phase, Stopping},
    },
    store::{Notice, RunRecord, overdue_reason},
};
use rusqlite::{Connection, Row, params};

use super::{
    advance::{Idle, Rows, counters, end_idle, end_run, write_counters},
    lease::stop_of,
    parking::{self, Belongs},
};
use crate::{columns, error::DbResult, events::Events, history, plans, writer::Tx};

pub(super) fn cancel_run(tx: &mut Tx<'_>, tenant: TenantId, id: RunId, reason: &str) -> DbResult<RunRecord> {
    let run = history::run(tx.db, tenant, id)?;
    if run.status.is_final() {
        tx.changed_nothing();
        return Ok(run);
    }
    let plan = plans::of(tx.plans, tx.db, id)?;
    let stopping = stop_of(tx, id)?.map_or(Stopping::No, |(stopping, _)| stopping);
    let Some(stopping) = stopping.canceled(&plan, &counters(tx, id, &plan)?) else {
        tx.changed_nothing();
        return Ok(run);
    };
    stop(tx, id, stopping, reason)?;
    history::run(tx.db, tenant, id)
}

/// Whether a run that is alive has a limit of its time at all.
pub(super) fn is_timed(db: &Connection) -> DbResult<bool> {
    let sql = "SELECT EXISTS (SELECT 1 FROM job_runs WHERE time_limit IS NOT NULL AND finished_at IS NULL)";
    Ok(db.prepare_cached(sql)?.query_row([], |row| row.get(0))?)
}

pub(super) fn stop_overdue(tx: &mut Tx<'_>, limit: usize) -> DbResult<Vec<RunId>> {
    let sql = "SELECT id, time_limit FROM job_runs
        WHERE time_limit IS NOT NULL AND finished_at IS NULL AND stopping = 0 AND started_at + time_limit <= ?1
        ORDER BY id LIMIT ?2";
    let read = |row: &Row<'_>| Ok((RunId::new(row.get(0)?), row.get::<_, i64>(1)?));
    let found = tx
        .db
        .prepare_cached(sql)?
        .query_map(params![tx.now, columns::count(limit)], read)?
        .collect::<rusqlite::Result<Vec<_>>>()?;
    for (id, micros) in &found {
        let seconds = u32::try_from(micros / 1_000_000).unwrap_or(u32::MAX);
        stop(tx, *id, Stopping::Overdue, &overdue_reason(seconds))?;
    }
    Ok(found.into_iter().map(|(id, _)| id).collect())
}

/// Ends what no worker holds of a run that is to stop, and tells the workers that hold something.
fn stop(tx: &mut Tx<'_>, id: RunId, stopping: Stopping, reason: &str) -> DbResult<()> {
    let sql = "UPDATE job_runs SET cancel_requested = 1, cancel_reason = ?2, stopping = ?3 WHERE id = ?1";
    tx.db.prepare_cached(sql)?.execute(params![id.get(), reason, stopping.number()])?;
    let plan = plans::of(tx.plans, tx.db, id)?;
    let spared: Vec<_> = (0_u32..)
        .zip(&plan.steps)
        .filter(|(_, step)| stopping.spares(step))
        .map(|(index, _)| index)
        .collect();
    let sql = "DELETE FROM queue
        WHERE task_id IN (SELECT id FROM job_run_steps WHERE job_run_id = ?1) AND state IN ('waiting', 'queued')
            AND idx NOT IN (SELECT value FROM json_each(?2))
        RETURNING task_id, idx, target_id, attempt + (state = 'queued' AND kept), started_at,
            state = 'queued' AND parked_on IS NULL, tenant_id, job_id, target_id, credential_id, run_id";
    let (mut idle, mut ready) = (Vec::new(), Vec::new());
    let mut take = tx.db.prepare_cached(sql)?;
    let mut rows = take.query(params![id.get(), columns::to_json(&spared)?])?;
    while let Some(row) = rows.next()? {
        idle.push(Idle::read(row)?);
        if row.get(5)? {
            ready.push(Belongs::read(row, 6)?);
        }
    }
    drop(rows);
    drop(take);
    parking::freed(tx, &ready)?;
    let before = counters(tx, id, &plan)?;
    let (mut after, phase) = (before.clone(), Phase::of(&plan, &before));
    for task in &idle {
        after[task.step() as usize].count(TaskStatus::Aborted, 1);
    }
    let mut events = Events::default();
    end_idle(tx, &mut events, id, idle, TaskStatus::Aborted, reason)?;
    let over = {
        let mut rows = Rows { tx, events: &mut events, run: id };
        phase::go_on(&plan, phase, &mut after, stopping, &mut rows)?
    };
    write_counters(tx, id, &before, &after)?;
    match over {
        Some(status) => end_run(tx, &mut events, id, status, &after)?,
        None => tx.notice(Notice::Cancel(id)),
    }
    Ok(())
}
