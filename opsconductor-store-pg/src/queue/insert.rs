//! The one statement that writes runs.

use opsconductor_core::{
    clock::Timestamp,
    id::{CredentialId, RunId, TargetId, TenantId, UserId},
};
use sqlx::PgConnection;

use super::{enqueue::Prepared, lease::place};
use crate::{columns, error::DbResult, sql::Statements};

const ENQUEUE: &str = include_str!("../../sql/enqueue.sql");

/// Writes runs, and answers by their places with the id of each and when it was queued; nothing for one that was left out.
pub(super) async fn insert(
    statements: &Statements,
    moment: Option<Timestamp>,
    db: &mut PgConnection,
    runs: &[(TenantId, &Prepared)],
) -> DbResult<Vec<Option<(RunId, Timestamp)>>> {
    let (mut run, mut step, mut task) =
        (RunColumns::default(), StepColumns::default(), TaskColumns::default());
    for (place, (tenant, prepared)) in (1..).zip(runs) {
        run.push(*tenant, prepared);
        step.push(place, prepared);
        task.push(place, prepared);
    }
    let rows = sqlx::query(statements.of(ENQUEUE))
        .bind(moment)
        .bind(&run.tenant)
        .bind(&run.job)
        .bind(&run.version)
        .bind(&run.priority)
        .bind(&run.requested_by)
        .bind(&run.parameters)
        .bind(&run.parent)
        .bind(&run.correlation_id)
        .bind(&run.key)
        .bind(&run.digest)
        .bind(&run.labels)
        .bind(&run.turn)
        .bind(&run.plan)
        .bind(&run.if_current)
        .bind(&step.run)
        .bind(&step.index)
        .bind(&step.kind)
        .bind(&step.shell)
        .bind(&step.timeout)
        .bind(&step.tasks)
        .bind(&task.run)
        .bind(&task.step)
        .bind(&task.target)
        .bind(&task.waits)
        .bind(&task.credential)
        .fetch_all(db)
        .await?;
    let mut written = vec![None; runs.len()];
    for row in rows {
        written[place(&row, 0)?] = Some((RunId::new(columns::get(&row, 1)?), columns::get(&row, 2)?));
    }
    Ok(written)
}

#[derive(Default)]
struct RunColumns<'a> {
    tenant: Vec<i64>,
    job: Vec<i64>,
    version: Vec<i32>,
    priority: Vec<i16>,
    requested_by: Vec<Option<i64>>,
    parameters: Vec<&'a str>,
    parent: Vec<Option<i64>>,
    correlation_id: Vec<Option<&'a str>>,
    key: Vec<Option<&'a str>>,
    digest: Vec<Option<&'a [u8]>>,
    labels: Vec<&'a str>,
    turn: Vec<Option<&'a str>>,
    plan: Vec<&'a str>,
    if_current: Vec<bool>,
}

impl<'a> RunColumns<'a> {
    fn push(&mut self, tenant: TenantId, prepared: &'a Prepared) {
        let new = &prepared.new;
        self.tenant.push(tenant.get());
        self.job.push(new.job.get());
        self.version.push(new.plan.job_version);
        self.priority.push(new.priority);
        self.requested_by.push(new.requested_by.map(UserId::get));
        self.parameters.push(&prepared.parameters);
        self.parent.push(new.parent.map(RunId::get));
        self.correlation_id.push(new.correlation_id.as_deref());
        self.key.push(new.idempotency.as_ref().map(|given| given.key.as_str()));
        self.digest.push(new.idempotency.as_ref().map(|given| &given.digest[..]));
        self.labels.push(&prepared.labels);
        self.turn.push(new.concurrency_key.as_deref());
        self.plan.push(&prepared.plan);
        self.if_current.push(new.if_current);
    }
}

#[derive(Default)]
struct StepColumns<'a> {
    run: Vec<i64>,
    index: Vec<i32>,
    kind: Vec<&'a str>,
    shell: Vec<Option<&'a str>>,
    timeout: Vec<i32>,
    tasks: Vec<i32>,
}

impl<'a> StepColumns<'a> {
    fn push(&mut self, run: i64, prepared: &'a Prepared) {
        for (index, step) in (0..).zip(&prepared.new.plan.steps) {
            self.run.push(run);
            self.index.push(index);
            self.kind.push(&step.kind);
            self.shell.push(step.fields.get("shell").and_then(|shell| shell.as_str()));
            self.timeout.push(columns::int(step.timeout_sec));
            self.tasks.push(columns::int(step.task_count()));
        }
    }
}

#[derive(Default)]
struct TaskColumns {
    run: Vec<i64>,
    step: Vec<i32>,
    target: Vec<Option<i64>>,
    waits: Vec<i32>,
    credential: Vec<Option<i64>>,
}

impl TaskColumns {
    fn push(&mut self, run: i64, prepared: &Prepared) {
        let credentials = prepared.new.plan.credentials();
        for (key, waits) in prepared.new.plan.tasks_by_edges() {
            self.run.push(run);
            self.step.push(columns::int(key.step));
            self.target.push(key.target.map(TargetId::get));
            self.waits.push(columns::int(waits));
            let credential = key.target.and_then(|target| credentials.get(&target).copied());
            self.credential.push(credential.map(CredentialId::get));
        }
    }
}
