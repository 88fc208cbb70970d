//! The runs that a transaction has locked, and what becomes of them.

use std::{collections::BTreeMap, sync::Arc};

use opsconductor_core::{
    clock::Timestamp,
    id::{RunId, TenantId},
    run::{RunPlan, RunStatus, advance::StepCounters, phase::Stopping, plan::PlannedStep},
};
use sqlx::{PgConnection, postgres::PgRow};

use super::turns::{self, Ended};
use crate::{
    PgStore, columns,
    error::DbResult,
    events::{Told, ToldColumns},
    notifications::{self, Ending},
};

const LOCK_RUNS: &str = include_str!("../../sql/lock_runs.sql");
const MOVE_RUNS: &str = include_str!("../../sql/move_runs.sql");

/// Runs that the transaction has locked, and when it was that it had them.
pub(super) struct Locked {
    pub(super) now: Timestamp,
    pub(super) runs: BTreeMap<RunId, LockedRun>,
}

/// One of them, with what becomes of it.
pub(super) struct LockedRun {
    tenant: TenantId,
    last_event: i64,
    stopping: Stopping,
    stop_reason: Option<String>,
    concurrency_key: Option<String>,
    before: Vec<StepCounters>,
    pub(super) counters: Vec<StepCounters>,
    told: Vec<Told>,
    ended: Option<RunStatus>,
    /// The plan, if someone is told of the end.
    tells: Option<Arc<RunPlan>>,
}

impl Locked {
    /// Locks `runs`, by id, after the tasks: in this order everywhere, so that nobody waits in a circle.
    pub(super) async fn lock(
        store: &PgStore,
        tx: &mut PgConnection,
        runs: impl IntoIterator<Item = RunId>,
    ) -> DbResult<Self> {
        let mut runs: Vec<_> = runs.into_iter().map(RunId::get).collect();
        runs.sort_unstable();
        runs.dedup();
        let rows = sqlx::query(store.statements.of(LOCK_RUNS))
            .bind(&runs)
            .bind(store.moment())
            .fetch_all(tx)
            .await?;
        let mut locked = Self { now: Timestamp::default(), runs: BTreeMap::new() };
        for row in rows {
            let run = match locked.runs.entry(RunId::new(columns::get(&row, 0)?)) {
                std::collections::btree_map::Entry::Occupied(entry) => entry.into_mut(),
                std::collections::btree_map::Entry::Vacant(entry) => entry.insert(LockedRun::read(&row)?),
            };
            run.counters.push(StepCounters {
                remaining: columns::unsigned(&row, 5)?,
                succeeded: columns::unsigned(&row, 6)?,
                failed: columns::unsigned(&row, 7)?,
                aborted: columns::unsigned(&row, 8)?,
                batch: match columns::get::<Option<&str>>(&row, 12)? {
                    Some(batch) => serde_json::from_str(batch)?,
                    None => None,
                },
            });
            locked.now = columns::get(&row, 9)?;
        }
        for run in locked.runs.values_mut() {
            run.before = run.counters.clone();
        }
        Ok(locked)
    }

    /// Adds an event to a run.
    pub(super) fn tell(&mut self, run: RunId, told: Told) {
        if let Some(run) = self.runs.get_mut(&run) {
            run.told.push(told);
        }
    }

    /// Writes the runs, and lets those begin whose turn it is now. Whether one did.
    pub(super) async fn write(self, store: &PgStore, tx: &mut PgConnection) -> DbResult<bool> {
        let (mut ended, mut endings) = (Vec::new(), Vec::new());
        let (mut counted, mut told, mut moved) =
            (CounterColumns::default(), ToldColumns::default(), RunColumns::default());
        for (id, run) in self.runs {
            counted.push(id, &run.before, &run.counters)?;
            if let (Some(status), Some(plan)) = (run.ended, run.tells) {
                let (tenant, finished_at) = (run.tenant, self.now);
                endings.push(Ending { id, tenant, plan, status, finished_at, counters: run.counters });
            }
            if let (Some(_), Some(key)) = (run.ended, run.concurrency_key) {
                ended.push(Ended { run: id, tenant: run.tenant, key });
            }
            moved.run.push(id.get());
            moved.last_event.push(told.push(id, run.tenant, run.last_event, &run.told)?);
            moved.status.push(run.ended.map(RunStatus::as_str));
        }
        sqlx::query(store.statements.of(MOVE_RUNS))
            .bind(self.now)
            .bind(&counted.run)
            .bind(&counted.step)
            .bind(&counted.remaining)
            .bind(&counted.succeeded)
            .bind(&counted.failed)
            .bind(&counted.aborted)
            .bind(&told.run)
            .bind(&told.seq)
            .bind(&told.tenant)
            .bind(&told.told)
            .bind(&moved.run)
            .bind(&moved.last_event)
            .bind(&moved.status)
            .execute(&mut *tx)
            .await?;
        counted.write_batches(store, tx).await?;
        notifications::tell_of_ends(store, tx, &endings).await?;
        turns::pass_on(store, tx, &ended).await
    }
}

impl LockedRun {
    fn read(row: &PgRow) -> sqlx::Result<Self> {
        Ok(Self {
            tenant: TenantId::new(columns::get(row, 1)?),
            last_event: columns::get(row, 2)?,
            stopping: Stopping::from_number(columns::get(row, 11)?),
            stop_reason: columns::get(row, 3)?,
            concurrency_key: columns::get(row, 10)?,
            before: Vec::new(),
            counters: Vec::new(),
            told: Vec::new(),
            ended: None,
            tells: None,
        })
    }

    /// Ends it.
    pub(super) fn end(&mut self, status: RunStatus, plan: &Arc<RunPlan>) {
        self.ended = Some(status);
        self.tells = (!plan.notify.is_empty()).then(|| plan.clone());
        self.told.push(Told::RunFinished { status });
    }

    /// How far it is to stop.
    pub(super) fn stopping(&self) -> Stopping {
        self.stopping
    }

    /// Why, if `step` is to stop with it.
    pub(super) fn stop_reason(&self, step: Option<&PlannedStep>) -> Option<String> {
        let stops = step.is_none_or(|step| !self.stopping.spares(step));
        stops.then(|| self.stop_reason.clone().unwrap_or_default())
    }

    /// Marks it to stop so far; whoever does so writes it.
    pub(super) fn stop(&mut self, stopping: Stopping) {
        self.stopping = stopping;
    }
}

#[derive(Default)]
struct CounterColumns {
    run: Vec<i64>,
    step: Vec<i32>,
    remaining: Vec<i32>,
    succeeded: Vec<i32>,
    failed: Vec<i32>,
    aborted: Vec<i32>,
    /// The batches that moved, by run and step.
    batches: Vec<(i64, i32, String)>,
}

impl CounterColumns {
    /// Writes how the batches stand that moved; most runs have none.
    async fn write_batches(self, store: &PgStore, tx: &mut PgConnection) -> DbResult<()> {
        let sql = "UPDATE :schema.run_steps SET batch = $3 WHERE run_id = $1 AND idx = $2";
        for (run, step, batch) in self.batches {
            let written = sqlx::query(store.statements.of(sql)).bind(run).bind(step).bind(batch);
            written.execute(&mut *tx).await?;
        }
        Ok(())
    }

    /// Those that changed.
    fn push(&mut self, run: RunId, before: &[StepCounters], after: &[StepCounters]) -> DbResult<()> {
        for (step, (before, after)) in (0..).zip(before.iter().zip(after)) {
            if before != after {
                self.run.push(run.get());
                self.step.push(step);
                self.remaining.push(columns::int(after.remaining));
                self.succeeded.push(columns::int(after.succeeded));
                self.failed.push(columns::int(after.failed));
                self.aborted.push(columns::int(after.aborted));
            }
            if before.batch != after.batch {
                self.batches.push((run.get(), step, columns::to_json(&after.batch)?));
            }
        }
        Ok(())
    }
}

#[derive(Default)]
struct RunColumns {
    run: Vec<i64>,
    last_event: Vec<i64>,
    status: Vec<Option<&'static str>>,
}
