//! Runs go on after tasks of them ended: counters, what waited, the end.

use opsconductor_core::{
    Result,
    id::{RunId, TargetId, TaskId, TenantId},
    run::{
        RunPlan, RunStatus, TaskStatus,
        advance::{self, Ledger, StepCounters, Waiting},
        phase::Stopping,
        plan::TaskKey,
    },
    store::{LimitScope, Notice},
};
use rusqlite::{Row, params};

use super::{
    lease::stop_of,
    parking::{self, Belongs},
    turns,
};
use crate::{
    columns,
    error::DbResult,
    events::{EventRow, Events, Place},
    limits, notifications, plans,
    writer::Tx,
};

const RELEASE_ONE: &str = include_str!("../../sql/release_one.sql");
const RELEASE_ALL: &str = include_str!("../../sql/release_all.sql");

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
    let stopping = stop_of(tx, run)?.map_or(Stopping::No, |(stopping, _)| stopping);
    let over = {
        let mut rows = Rows { tx, events, run };
        advance::advance(&plan, &mut after, finished, stopping, &mut rows)?
    };
    write_counters(tx, run, &before, &after)?;
    if let Some(status) = over {
        end_run(tx, events, run, status, &after)?;
    }
    Ok(over)
}

/// How the steps of a run stand.
pub(super) fn counters(tx: &Tx<'_>, run: RunId, plan: &RunPlan) -> DbResult<Vec<StepCounters>> {
    let sql =
        "SELECT remaining, succeeded, failed, aborted, batch FROM run_steps WHERE run_id = ?1 ORDER BY idx";
    let read = |row: &Row<'_>| {
        Ok(StepCounters {
            remaining: row.get(0)?,
            succeeded: row.get(1)?,
            failed: row.get(2)?,
            aborted: row.get(3)?,
            batch: columns::json_or_default(row, 4)?,
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
        if before.batch != after.batch {
            let sql = "UPDATE run_steps SET batch = ?3 WHERE run_id = ?1 AND idx = ?2";
            let batch = columns::to_json(&after.batch)?;
            tx.db.prepare_cached(sql)?.execute(params![run.get(), index, batch])?;
        }
    }
    Ok(())
}

/// Ends a run.
pub(super) fn end_run(
    tx: &mut Tx<'_>,
    events: &mut Events,
    run: RunId,
    status: RunStatus,
    counters: &[StepCounters],
) -> DbResult<()> {
    let sql = "UPDATE job_runs SET status = ?2, finished_at = ?3 WHERE id = ?1
        RETURNING tenant_id, concurrency_key";
    let key: (i64, Option<String>) = tx
        .db
        .prepare_cached(sql)?
        .query_row(params![run.get(), status.as_str(), tx.now], |row| Ok((row.get(0)?, row.get(1)?)))?;
    events.push(tx, run, EventRow::run_finished(status))?;
    let plan = plans::of(tx.plans, tx.db, run)?;
    if plan.max_parallel.is_some() {
        limits::forget(tx, TenantId::new(key.0), LimitScope::Run(run))?;
    }
    notifications::tell_of_end(tx, &plan, (TenantId::new(key.0), run), status, counters)?;
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

/// Ends tasks, in the order of their ids.
pub(super) fn end_idle(
    tx: &mut Tx<'_>,
    events: &mut Events,
    run: RunId,
    mut tasks: Vec<Idle>,
    status: TaskStatus,
    reason: &str,
) -> DbResult<()> {
    tasks.sort_unstable_by_key(|task| task.place.task);
    let sql =
        "UPDATE job_run_steps SET status = ?6, reason = ?2, finished_at = ?3, attempt = ?4, started_at = ?5
        WHERE id = ?1";
    for task in tasks {
        tx.db.prepare_cached(sql)?.execute(params![
            task.place.task.get(),
            reason,
            tx.now,
            task.attempt,
            task.started_at,
            status.as_str()
        ])?;
        events.push(tx, run, EventRow::finished(task.place, status, Some(reason)))?;
    }
    Ok(())
}

/// Takes one thing off what each of these waiting tasks waits for. A task with nothing left becomes ready.
pub(super) fn release(tx: &mut Tx<'_>, run: RunId, step: u32, which: Waiting) -> DbResult<()> {
    let queued = |row: &Row<'_>| Ok(row.get_ref(0)?.as_str().is_ok_and(|state| state == "queued"));
    let states = match which {
        Waiting::One(target) => tx
            .db
            .prepare_cached(RELEASE_ONE)?
            .query_map(params![run.get(), step, target.map(TargetId::get)], queued)?
            .collect::<rusqlite::Result<Vec<bool>>>()?,
        Waiting::All => tx
            .db
            .prepare_cached(RELEASE_ALL)?
            .query_map(params![run.get(), step], queued)?
            .collect::<rusqlite::Result<Vec<bool>>>()?,
    };
    if states.contains(&true) {
        tx.notice(Notice::Ready);
    }
    Ok(())
}

/// One run's waiting tasks, as `advance` moves them.
pub(super) struct Rows<'a, 'tx> {
    pub(super) tx: &'a mut Tx<'tx>,
    pub(super) events: &'a mut Events,
    pub(super) run: RunId,
}

impl Rows<'_, '_> {
    fn try_end(
        &mut self,
        step: u32,
        which: Waiting,
        idle: advance::Idle,
        status: TaskStatus,
        reason: &str,
    ) -> DbResult<Vec<Option<TargetId>>> {
        let run = self.run.get();
        let (tasks, ready) = match (which, idle) {
            (Waiting::One(target), advance::Idle::Waiting) => {
                let sql = "DELETE FROM queue WHERE run_id = ?1 AND idx = ?2 AND target_id IS ?3 AND state = 'waiting'
                    RETURNING task_id, idx, target_id, attempt, started_at";
                let mut take = self.tx.db.prepare_cached(sql)?;
                let rows = take.query_map(params![run, step, target.map(TargetId::get)], Idle::read)?;
                (rows.collect::<rusqlite::Result<Vec<_>>>()?, Vec::new())
            }
            (Waiting::All, advance::Idle::Waiting) => {
                let sql = "DELETE FROM queue WHERE run_id = ?1 AND idx = ?2 AND state = 'waiting'
                    RETURNING task_id, idx, target_id, attempt, started_at";
                let mut take = self.tx.db.prepare_cached(sql)?;
                let rows = take.query_map(params![run, step], Idle::read)?;
                (rows.collect::<rusqlite::Result<Vec<_>>>()?, Vec::new())
            }
            (which, advance::Idle::Any) => self.take_idle(step, which)?,
        };
        parking::freed(self.tx, &ready)?;
        let targets = tasks.iter().map(|task| task.place.target).collect();
        end_idle(self.tx, self.events, self.run, tasks, status, reason)?;
        Ok(targets)
    }

    /// Takes tasks of a step out of the queue that no worker holds, with what those belong to that were ready.
    fn take_idle(&mut self, step: u32, which: Waiting) -> DbResult<(Vec<Idle>, Vec<Belongs>)> {
        let (any, target) = match which {
            Waiting::All => (true, None),
            Waiting::One(target) => (false, target),
        };
        let sql = "DELETE FROM queue
            WHERE task_id IN (SELECT id FROM job_run_steps WHERE job_run_id = ?1) AND idx = ?2 AND (?3 OR target_id IS ?4)
                AND state IN ('waiting', 'queued')
            RETURNING task_id, idx, target_id, attempt + (state = 'queued' AND kept), started_at,
                state = 'queued' AND parked_on IS NULL, tenant_id, job_id, target_id, credential_id, run_id";
        let (mut tasks, mut ready) = (Vec::new(), Vec::new());
        let mut take = self.tx.db.prepare_cached(sql)?;
        let mut rows = take.query(params![self.run.get(), step, any, target.map(TargetId::get)])?;
        while let Some(row) = rows.next()? {
            tasks.push(Idle::read(row)?);
            if row.get(5)? {
                ready.push(Belongs::read(row, 6)?);
            }
        }
        Ok((tasks, ready))
    }

    fn try_waiting(&self, step: u32, targets: &[TargetId]) -> DbResult<Vec<TargetId>> {
        let sql = "SELECT EXISTS (SELECT 1 FROM queue
            WHERE run_id = ?1 AND idx = ?2 AND target_id = ?3 AND state = 'waiting')";
        let mut find = self.tx.db.prepare_cached(sql)?;
        let mut waiting = Vec::with_capacity(targets.len());
        for target in targets {
            if find.query_row(params![self.run.get(), step, target.get()], |row| row.get(0))? {
                waiting.push(*target);
            }
        }
        Ok(waiting)
    }
}

impl Ledger for Rows<'_, '_> {
    fn release(&mut self, step: u32, which: Waiting) -> Result<()> {
        Ok(release(self.tx, self.run, step, which)?)
    }

    fn end(
        &mut self,
        step: u32,
        which: Waiting,
        idle: advance::Idle,
        status: TaskStatus,
        reason: &str,
    ) -> Result<Vec<Option<TargetId>>> {
        Ok(self.try_end(step, which, idle, status, reason)?)
    }

    fn waiting(&mut self, step: u32, targets: &[TargetId]) -> Result<Vec<TargetId>> {
        Ok(self.try_waiting(step, targets)?)
    }
}
