//! The tasks and tries that a transaction ends.

use std::borrow::Cow;

use opsconductor_core::{
    clock::Timestamp,
    id::{RunId, TaskId, WorkerId},
    run::TaskStatus,
    store::Lease,
};
use sqlx::{PgConnection, postgres::PgRow};
use uuid::Uuid;

use super::lease::Held;
use crate::{PgStore, columns, error::DbResult, events::Place};

const END_TASKS: &str = include_str!("../../sql/end_tasks.sql");
const END_ATTEMPTS: &str = include_str!("../../sql/end_attempts.sql");

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
    /// Where those stand that this transaction has locked, and which the others are.
    held: Vec<&'a str>,
    idle: Vec<i64>,
}

impl<'a> Ends<'a> {
    /// A task that a worker held.
    pub(super) fn held(
        &mut self,
        held: &'a Held,
        lease: &Lease,
        status: TaskStatus,
        reason: Option<Cow<'a, str>>,
        outcome: Outcome<'a>,
    ) {
        self.held.push(&held.stands);
        self.push(held.place.task, status, reason, held.attempt, Some(held.started_at), outcome);
        self.epoch.push(Some(lease.epoch));
        self.worker.push(Some(columns::uuid(lease.worker)));
    }

    /// A task that no worker held.
    pub(super) fn idle(&mut self, idle: &Idle, status: TaskStatus, reason: Cow<'a, str>) {
        self.idle.push(idle.place.task.get());
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
            .bind(&self.held)
            .bind(&self.idle)
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
