//! Runs go on after tasks of them ended: counters, what waited, the end.

use opsconductor_core::{
    Result,
    id::{RunId, TargetId, TaskId},
    run::{
        RunPlan, RunStatus, TaskStatus,
        advance::{self, Ledger, StepCounters, Waiting},
        plan::TaskKey,
    },
    store::Notice,
};
use rusqlite::{Row, params};

use super::{lease::cancel_reason, turns};
use crate::{
    columns,
    error::DbResult,
    events::{EventRow, Events, Place},
    plans,
    writer::Tx,
};

const RELEASE_ONE: &str = include_str!("../../sql/release_one.sql");
pub(super) const RELEASE_ALL: &str = include_str!("../../sql/release_all.sql");

/// Takes note of the tasks that ended, carries out what follows, and says how the run ended if it did.
pub(super) fn advance(
    tx: &mut Tx<'_>,
    events: &mut Events,
    run: RunId,
    finished: &[(TaskKey, TaskStatus)],
) -> DbResult<Option<RunStatus>> {
    let plan = plans::of(tx.plans, tx.db, run)?;
    let before = counters(tx, run, &plan)?;
    let mut after = before.clone();
    let canceled = cancel_reason(tx, run)?.is_some();
    let over = {
        let mut rows = Rows { tx, events, run };
        advance::advance(&plan, &mut after, finished, canceled, &mut rows)?
    };
    write_counters(tx, run, &before, &after)?;
    if let Some(status) = over {
        end_run(tx, events, run, status)?;
    }
    Ok(over)
}

/// How the steps of a run stand.
pub(super) fn counters(tx: &Tx<'_>, run: RunId, plan: &RunPlan) -> DbResult<Vec<StepCounters>> {
    let sql = "SELECT remaining, succeeded, failed, aborted FROM run_steps WHERE run_id = ?1 ORDER BY idx";
    let read = |row: &Row<'_>| {
        Ok(StepCounters {
            remaining: row.get(0)?,
            succeeded: row.get(1)?,
            failed: row.get(2)?,
            aborted: row.get(3)?,
        })
    };
    let mut counters = Vec::with_capacity(plan.steps.len());
    for row in tx.db.prepare_cached(sql)?.query_map([run.get()], read)? {
        counters.push(row?);
    }
    Ok(counters)
}

/// Writes the counters that changed.
pub(super) fn write_counters(
    tx: &Tx<'_>,
    run: RunId,
    before: &[StepCounters],
    after: &[StepCounters],
) -> DbResult<()> {
    let sql = "UPDATE run_steps SET remaining = ?3, succeeded = ?4, failed = ?5, aborted = ?6
        WHERE run_id = ?1 AND idx = ?2";
    let mut update = tx.db.prepare_cached(sql)?;
    for (index, (before, after)) in (0_u32..).zip(before.iter().zip(after)) {
        if before != after {
            update.execute(params![
                run.get(),
                index,
                after.remaining,
                after.succeeded,
                after.failed,
                after.aborted
            ])?;
        }
    }
    Ok(())
}

/// Ends a run.
pub(super) fn end_run(tx: &mut Tx<'_>, events: &mut Events, run: RunId, status: RunStatus) -> DbResult<()> {
    let sql = "UPDATE job_runs SET status = ?2, finished_at = ?3 WHERE id = ?1
        RETURNING tenant_id, concurrency_key";
    let key: (i64, Option<String>) = tx
        .db
        .prepare_cached(sql)?
        .query_row(params![run.get(), status.as_str(), tx.now], |row| Ok((row.get(0)?, row.get(1)?)))?;
    events.push(tx, run, EventRow::run_finished(status))?;
    match key {
        (tenant, Some(key)) => turns::pass_on(tx, run, tenant, &key),
        _ => Ok(()),
    }
}

/// A task that was taken out of the queue while no worker held it.
pub(super) struct Idle {
    place: Place,
    attempt: u32,
    started_at: Option<i64>,
}

impl Idle {
    /// From the columns `task_id, idx, target_id, attempt, started_at`.
    pub(super) fn read(row: &Row<'_>) -> rusqlite::Result<Self> {
        let place =
            Place { task: TaskId::new(row.get(0)?), step: row.get(1)?, target: columns::target(row, 2)? };
        Ok(Self { place, attempt: row.get(3)?, started_at: row.get(4)? })
    }

    pub(super) fn step(&self) -> u32 {
        self.place.step
    }
}

/// Ends tasks as aborted, in the order of their ids.
pub(super) fn abort_idle(
    tx: &mut Tx<'_>,
    events: &mut Events,
    run: RunId,
    mut tasks: Vec<Idle>,
    reason: &str,
) -> DbResult<()> {
    tasks.sort_unstable_by_key(|task| task.place.task);
    let sql = "UPDATE job_run_steps SET status = 'aborted', reason = ?2, finished_at = ?3, attempt = ?4, started_at = ?5
        WHERE id = ?1";
    for task in tasks {
        tx.db.prepare_cached(sql)?.execute(params![
            task.place.task.get(),
            reason,
            tx.now,
            task.attempt,
            task.started_at
        ])?;
        events.push(tx, run, EventRow::finished(task.place, TaskStatus::Aborted, Some(reason)))?;
    }
    Ok(())
}

/// One run's waiting tasks, as `advance` moves them.
struct Rows<'a, 'tx> {
    tx: &'a mut Tx<'tx>,
    events: &'a mut Events,
    run: RunId,
}

impl Rows<'_, '_> {
    fn try_release(&mut self, step: u32, which: Waiting) -> DbResult<()> {
        let run = self.run.get();
        let queued = |row: &Row<'_>| Ok(row.get_ref(0)?.as_str().is_ok_and(|state| state == "queued"));
        let states = match which {
            Waiting::One(target) => self
                .tx
                .db
                .prepare_cached(RELEASE_ONE)?
                .query_map(params![run, step, target.map(TargetId::get)], queued)?
                .collect::<rusqlite::Result<Vec<bool>>>()?,
            Waiting::All => self
                .tx
                .db
                .prepare_cached(RELEASE_ALL)?
                .query_map(params![run, step], queued)?
                .collect::<rusqlite::Result<Vec<bool>>>()?,
        };
        if states.contains(&true) {
            self.tx.notice(Notice::Ready);
        }
        Ok(())
    }

    fn try_abort(&mut self, step: u32, which: Waiting, reason: &str) -> DbResult<u32> {
        let run = self.run.get();
        let tasks = match which {
            Waiting::One(target) => {
                let sql = "DELETE FROM queue WHERE run_id = ?1 AND idx = ?2 AND target_id IS ?3 AND state = 'waiting'
                    RETURNING task_id, idx, target_id, attempt, started_at";
                self.tx
                    .db
                    .prepare_cached(sql)?
                    .query_map(params![run, step, target.map(TargetId::get)], Idle::read)?
                    .collect::<rusqlite::Result<Vec<_>>>()?
            }
            Waiting::All => {
                let sql = "DELETE FROM queue WHERE run_id = ?1 AND idx = ?2 AND state = 'waiting'
                    RETURNING task_id, idx, target_id, attempt, started_at";
                self.tx
                    .db
                    .prepare_cached(sql)?
                    .query_map(params![run, step], Idle::read)?
                    .collect::<rusqlite::Result<Vec<_>>>()?
            }
        };
        let count = tasks.len() as u32;
        abort_idle(self.tx, self.events, self.run, tasks, reason)?;
        Ok(count)
    }
}

impl Ledger for Rows<'_, '_> {
    fn release(&mut self, step: u32, which: Waiting) -> Result<()> {
        Ok(self.try_release(step, which)?)
    }

    fn abort(&mut self, step: u32, which: Waiting, reason: &str) -> Result<u32> {
        Ok(self.try_abort(step, which, reason)?)
    }
}
