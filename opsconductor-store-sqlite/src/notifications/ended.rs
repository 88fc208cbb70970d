//! What is told of a run, in the transaction that ends it.

use opsconductor_core::{
    id::{JobId, RunId, TenantId},
    notify::outbox::{self, EndedRun, TROUBLES_MAX, Trouble},
    run::{RunPlan, RunStatus, advance::StepCounters},
};
use rusqlite::{Row, params};

use crate::{columns, error::DbResult, writer::Tx};

/// Writes it. Its row and its counters stand already as they stay.
pub(crate) fn tell_of_end(
    tx: &Tx<'_>,
    plan: &RunPlan,
    (tenant, run): (TenantId, RunId),
    status: RunStatus,
    counters: &[StepCounters],
) -> DbResult<()> {
    if plan.notify.is_empty() {
        return Ok(());
    }
    let sql = "SELECT job_id, started_at FROM job_runs WHERE id = ?1";
    let read = |row: &Row<'_>| Ok((JobId::new(row.get(0)?), columns::time_or_none(row, 1)?));
    let (job, started_at) = tx.db.prepare_cached(sql)?.query_row([run.get()], read)?;
    let sql = "SELECT idx, target_id, status, reason FROM job_run_steps
        WHERE job_run_id = ?1 AND status IN ('failed', 'lost') ORDER BY status <> 'lost', id LIMIT ?2";
    let read = |row: &Row<'_>| {
        Ok(Trouble {
            step: row.get(0)?,
            target: columns::target(row, 1)?,
            status: columns::parsed(row, 2)?,
            reason: row.get(3)?,
        })
    };
    let mut find = tx.db.prepare_cached(sql)?;
    let troubles = find.query_map(params![run.get(), columns::count(TROUBLES_MAX)], read)?;
    let ended = EndedRun {
        id: run,
        job,
        status,
        started_at,
        finished_at: columns::moment(tx.now),
        counters,
        troubles: troubles.collect::<rusqlite::Result<_>>()?,
    };
    for new in outbox::of(plan, &ended) {
        super::insert(tx, tenant, &new)?;
    }
    Ok(())
}
