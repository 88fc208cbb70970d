//! A run is to stop.

use opsconductor_core::{
    id::{RunId, TenantId},
    run::{TaskStatus, advance::run_status},
    store::{Notice, RunRecord},
};
use rusqlite::params;

use super::{
    advance::{Idle, abort_idle, counters, end_run, write_counters},
    parking::{self, Belongs},
};
use crate::{error::DbResult, events::Events, history, plans, writer::Tx};

pub(super) fn cancel_run(tx: &mut Tx<'_>, tenant: TenantId, id: RunId, reason: &str) -> DbResult<RunRecord> {
    let run = history::run(tx.db, tenant, id)?;
    if run.status.is_final() || run.cancel_requested {
        return Ok(run);
    }
    let sql = "UPDATE job_runs SET cancel_requested = 1, cancel_reason = ?2 WHERE id = ?1";
    tx.db.prepare_cached(sql)?.execute(params![id.get(), reason])?;
    let sql = "DELETE FROM queue
        WHERE task_id IN (SELECT id FROM job_run_steps WHERE job_run_id = ?1) AND state IN ('waiting', 'queued')
        RETURNING task_id, idx, target_id, attempt, started_at, state = 'queued' AND parked_on IS NULL,
            tenant_id, job_id, target_id, credential_id";
    let (mut idle, mut ready) = (Vec::new(), Vec::new());
    let mut take = tx.db.prepare_cached(sql)?;
    let mut rows = take.query([id.get()])?;
    while let Some(row) = rows.next()? {
        idle.push(Idle::read(row)?);
        if row.get(5)? {
            ready.push(Belongs::read(row, 6)?);
        }
    }
    drop(rows);
    drop(take);
    parking::freed(tx, &ready)?;
    let plan = plans::of(tx.plans, tx.db, id)?;
    let before = counters(tx, id, &plan)?;
    let mut after = before.clone();
    for task in &idle {
        after[task.step() as usize].count(TaskStatus::Aborted, 1);
    }
    let mut events = Events::default();
    abort_idle(tx, &mut events, id, idle, reason)?;
    write_counters(tx, id, &before, &after)?;
    match run_status(&plan, &after, true) {
        Some(status) => end_run(tx, &mut events, id, status)?,
        None => tx.notice(Notice::Cancel(id)),
    }
    history::run(tx.db, tenant, id)
}
