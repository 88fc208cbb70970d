//! What a transaction that ends tasks writes: the runs that it has locked, and the tasks that it takes out of the queue.

use std::{borrow::Cow, collections::BTreeMap};

use opsconductor_core::{
    clock::Timestamp,
    id::{RunId, TaskId, TenantId, WorkerId},
    run::{RunStatus, TaskStatus, advance::StepCounters},
    store::Lease,
};
use sqlx::{PgConnection, postgres::PgRow};
use uuid::Uuid;

use super::lease::Held;
use crate::{
    PgStore, columns,
    error::DbResult,
    events::{EventColumns, EventRow, Place},
};

const LOCK_RUNS: &str = include_str!("../../sql/lock_runs.sql");
const MOVE_RUNS: &str = include_str!("../../sql/move_runs.sql");
const END_TASKS: &str = include_str!("../../sql/end_tasks.sql");
const END_ATTEMPTS: &str = include_str!("../../sql/end_attempts.sql");

/// Runs that the transaction has locked, and when it was that it had them.
pub(super) struct Locked {
    pub(super) now: Timestamp,
    pub(super) runs: BTreeMap<RunId, LockedRun>,
}

/// One of them, with what becomes of it.
pub(super) struct LockedRun {
    tenant: TenantId,
    last_event: i64,
    pub(super) cancel_reason: Option<String>,
    cancel: bool,
    before: Vec<StepCounters>,
    pub(super) counters: Vec<StepCounters>,
    events: Vec<EventRow>,
    ended: Option<RunStatus>,
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
            });
            locked.now = columns::get(&row, 9)?;
        }
        for run in locked.runs.values_mut() {
            run.before = run.counters.clone();
        }
        Ok(locked)
    }

    /// Adds an event to a run.
    pub(super) fn tell(&mut self, run: RunId, event: EventRow) {
        if let Some(run) = self.runs.get_mut(&run) {
            run.events.push(event);
        }
    }

    /// Writes the runs.
    pub(super) async fn write(self, store: &PgStore, tx: &mut PgConnection) -> DbResult<()> {
        let (mut counted, mut told, mut moved) =
            (CounterColumns::default(), EventColumns::default(), RunColumns::default());
        for (id, run) in self.runs {
            counted.push(id, &run.before, &run.counters);
            let mut seq = run.last_event;
            for event in run.events {
                seq += 1;
                told.push(id, run.tenant, seq, event);
            }
            moved.run.push(id.get());
            moved.last_event.push(seq);
            moved.status.push(run.ended.map(RunStatus::as_str));
            moved.cancel_reason.push(run.cancel.then_some(run.cancel_reason).flatten());
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
            .bind(&told.kind)
            .bind(&told.task)
            .bind(&told.step)
            .bind(&told.target)
            .bind(&told.status)
            .bind(&told.reason)
            .bind(&moved.run)
            .bind(&moved.last_event)
            .bind(&moved.status)
            .bind(&moved.cancel_reason)
            .execute(tx)
            .await?;
        Ok(())
    }
}

impl LockedRun {
    fn read(row: &PgRow) -> sqlx::Result<Self> {
        Ok(Self {
            tenant: TenantId::new(columns::get(row, 1)?),
            last_event: columns::get(row, 2)?,
            cancel_reason: columns::get(row, 3)?,
            cancel: false,
            before: Vec::new(),
            counters: Vec::new(),
            events: Vec::new(),
            ended: None,
        })
    }

    /// Ends it.
    pub(super) fn end(&mut self, status: RunStatus) {
        self.ended = Some(status);
        self.events.push(EventRow::run_finished(status));
    }

    /// Marks it to be canceled.
    pub(super) fn cancel(&mut self, reason: &str) {
        self.cancel = true;
        self.cancel_reason = Some(reason.to_owned());
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
}

impl CounterColumns {
    /// Those that changed.
    fn push(&mut self, run: RunId, before: &[StepCounters], after: &[StepCounters]) {
        for (step, (before, after)) in (0..).zip(before.iter().zip(after)) {
            if before != after {
                self.run.push(run.get());
                self.step.push(step);
                self.remaining.push(columns::int(after.remaining));
                self.succeeded.push(columns::int(after.succeeded));
                self.failed.push(columns::int(after.failed));
                self.aborted.push(columns::int(after.aborted));
            }
        }
    }
}

#[derive(Default)]
struct RunColumns {
    run: Vec<i64>,
    last_event: Vec<i64>,
    status: Vec<Option<&'static str>>,
    cancel_reason: Vec<Option<String>>,
}

/// A task that no worker holds, taken out of the queue.
#[derive(Debug, Clone)]
pub(super) struct Idle {
    pub(super) run: RunId,
    pub(super) place: Place,
    pub(super) attempt: i32,
    pub(super) started_at: Option<Timestamp>,
}

impl Idle {
    /// From the columns `run_id, task_id, idx, target_id, attempt, started_at`.
    pub(super) fn read(row: &PgRow) -> sqlx::Result<Self> {
        let task = TaskId::new(columns::get(row, 1)?);
        Ok(Self {
            run: RunId::new(columns::get(row, 0)?),
            place: Place { task, step: columns::unsigned(row, 2)?, target: columns::target(row, 3)? },
            attempt: columns::get(row, 4)?,
            started_at: columns::get(row, 5)?,
        })
    }
}

/// How a task ended, beside its status.
#[derive(Default)]
pub(super) struct Outcome<'a> {
    pub(super) exit_code: Option<i64>,
    pub(super) stdout: Option<Cow<'a, str>>,
    pub(super) stderr: Option<Cow<'a, str>>,
    pub(super) metrics: Option<&'a str>,
}

/// Tasks that end, as columns.
#[derive(Default)]
pub(super) struct Ends<'a> {
    task: Vec<i64>,
    status: Vec<&'static str>,
    exit_code: Vec<Option<i64>>,
    stdout: Vec<Option<Cow<'a, str>>>,
    stderr: Vec<Option<Cow<'a, str>>>,
    metrics: Vec<Option<&'a str>>,
    reason: Vec<Option<Cow<'a, str>>>,
    attempt: Vec<i32>,
    started_at: Vec<Option<Timestamp>>,
    epoch: Vec<Option<i64>>,
    worker: Vec<Option<Uuid>>,
}

impl<'a> Ends<'a> {
    /// A task that a worker held.
    pub(super) fn held(
        &mut self,
        held: &Held,
        lease: &Lease,
        status: TaskStatus,
        reason: Option<Cow<'a, str>>,
        outcome: Outcome<'a>,
    ) {
        self.push(held.place.task, status, reason, held.attempt, Some(held.started_at), outcome);
        self.epoch.push(Some(lease.epoch));
        self.worker.push(Some(columns::uuid(lease.worker)));
    }

    /// A task that no worker held, aborted.
    pub(super) fn idle(&mut self, idle: &Idle, reason: Cow<'a, str>) {
        let status = TaskStatus::Aborted;
        self.push(idle.place.task, status, Some(reason), idle.attempt, idle.started_at, Outcome::default());
        self.epoch.push(None);
        self.worker.push(None);
    }

    fn push(
        &mut self,
        task: TaskId,
        status: TaskStatus,
        reason: Option<Cow<'a, str>>,
        attempt: i32,
        started_at: Option<Timestamp>,
        outcome: Outcome<'a>,
    ) {
        self.task.push(task.get());
        self.status.push(status.as_str());
        self.exit_code.push(outcome.exit_code);
        self.stdout.push(outcome.stdout);
        self.stderr.push(outcome.stderr);
        self.metrics.push(outcome.metrics);
        self.reason.push(reason);
        self.attempt.push(attempt);
        self.started_at.push(started_at);
    }

    pub(super) async fn write(&self, store: &PgStore, tx: &mut PgConnection, now: Timestamp) -> DbResult<()> {
        if self.task.is_empty() {
            return Ok(());
        }
        sqlx::query(store.statements.of(END_TASKS))
            .bind(now)
            .bind(&self.task)
            .bind(&self.status)
            .bind(&self.exit_code)
            .bind(&self.stdout)
            .bind(&self.stderr)
            .bind(&self.metrics)
            .bind(&self.reason)
            .bind(&self.attempt)
            .bind(&self.started_at)
            .bind(&self.epoch)
            .bind(&self.worker)
            .execute(tx)
            .await?;
        Ok(())
    }
}

/// Tries that end, as columns.
#[derive(Default)]
pub(super) struct Attempts<'a> {
    task: Vec<i64>,
    attempt: Vec<i32>,
    tenant: Vec<i64>,
    worker: Vec<Uuid>,
    status: Vec<&'static str>,
    reason: Vec<Option<Cow<'a, str>>>,
    started_at: Vec<Timestamp>,
}

impl<'a> Attempts<'a> {
    pub(super) fn push(
        &mut self,
        held: &Held,
        worker: WorkerId,
        status: TaskStatus,
        reason: Option<Cow<'a, str>>,
    ) {
        self.task.push(held.place.task.get());
        self.attempt.push(held.attempt);
        self.tenant.push(held.tenant.get());
        self.worker.push(columns::uuid(worker));
        self.status.push(status.as_str());
        self.reason.push(reason);
        self.started_at.push(held.started_at);
    }

    pub(super) async fn write(&self, store: &PgStore, tx: &mut PgConnection, now: Timestamp) -> DbResult<()> {
        sqlx::query(store.statements.of(END_ATTEMPTS))
            .bind(now)
            .bind(&self.task)
            .bind(&self.attempt)
            .bind(&self.tenant)
            .bind(&self.worker)
            .bind(&self.status)
            .bind(&self.reason)
            .bind(&self.started_at)
            .execute(tx)
            .await?;
        Ok(())
    }
}
