//! A run comes in.

use std::collections::HashMap;

use opsconductor_core::{
    Error, ErrorKind, Result,
    id::{CredentialId, JobId, RunId, TargetId, TenantId},
    run::{RunStatus, TaskStatus, plan::TaskKey},
    store::{Enqueued, Idempotency, NewRun, Notice, RunRecord},
};
use rusqlite::{OptionalExtension, named_params, params};

use super::turns;
use crate::{
    columns,
    error::{DbResult, invalid, missing},
    events::{EventRow, Events},
    history,
    tables::Statements,
    writer::Tx,
};

/// A run with its JSON, made before the writer is asked for a turn.
pub(crate) struct Prepared {
    new: NewRun,
    plan: String,
    parameters: String,
    labels: String,
    credentials: HashMap<TargetId, CredentialId>,
}

impl Prepared {
    pub(crate) fn of(new: NewRun) -> Result<Self> {
        new.check_secrets()?;
        Ok(Self {
            plan: columns::to_json(&*new.plan)?,
            parameters: columns::to_json(&new.plan.parameters)?,
            labels: columns::to_json(&new.labels)?,
            credentials: new.plan.credentials(),
            new,
        })
    }
}

pub(crate) fn enqueue(tx: &mut Tx<'_>, tenant: TenantId, prepared: &Prepared) -> DbResult<Enqueued> {
    let new = &prepared.new;
    let mine = "SELECT 1 FROM jobs WHERE id = ?1 AND tenant_id = ?2";
    exists(tx, mine, params![new.job.get(), tenant.get()])?.ok_or_else(|| missing("job", new.job))?;
    if let Some(given) = &new.idempotency
        && let Some(run) = earlier(tx, tenant, new.job, given)?
    {
        tx.changed_nothing();
        return Ok(Enqueued { run, repeated: true });
    }
    let version = "SELECT 1 FROM job_versions WHERE job_id = ?1 AND version = ?2";
    exists(tx, version, params![new.job.get(), new.plan.job_version])?
        .ok_or_else(|| missing("job version", new.plan.job_version).with("job", new.job))?;
    if new.if_current {
        let current = "SELECT 1 FROM jobs WHERE id = ?1 AND version = ?2 AND is_active";
        exists(tx, current, params![new.job.get(), new.plan.job_version])?
            .ok_or_else(|| missing("present job version", new.plan.job_version).with("job", new.job))?;
    }
    if let Some(parent) = new.parent {
        let mine = "SELECT 1 FROM job_runs WHERE id = ?1 AND tenant_id = ?2";
        exists(tx, mine, params![parent.get(), tenant.get()])?.ok_or_else(|| missing("run", parent))?;
    }
    if new.plan.steps.is_empty() {
        return Err(invalid("a run needs at least one step").with("job", new.job).into());
    }
    let wait_for_turn = turns::is_taken(tx, tenant, new.concurrency_key.as_deref())?;
    let run = add_run(tx, tenant, prepared)?;
    add_steps(tx, run, new)?;
    for (key, edges) in new.plan.tasks(wait_for_turn) {
        add_task(tx, tenant, run, prepared, key, edges)?;
    }
    Events::of_new(run).push(tx, run, EventRow::run_queued())?;
    tx.concerns(run.get());
    tx.notice(Notice::Run(run));
    tx.notice(Notice::Ready);
    tx.keep_plan(tenant, run, new.plan.clone(), prepared.plan.len());
    Ok(Enqueued { run: record(tx, run, new), repeated: false })
}

fn exists(tx: &Tx<'_>, sql: &str, params: impl rusqlite::Params) -> DbResult<Option<()>> {
    Ok(tx.prepare(sql)?.query_row(params, |_| Ok(())).optional()?)
}

/// The run that was enqueued before with the same idempotency key.
pub(super) fn earlier(
    db: &impl Statements,
    tenant: TenantId,
    job: JobId,
    given: &Idempotency,
) -> DbResult<Option<RunRecord>> {
    let sql = "SELECT id, idempotency_digest FROM job_runs
        WHERE tenant_id = ?1 AND job_id = ?2 AND idempotency_key = ?3";
    let found: Option<(i64, Vec<u8>)> = db
        .statement(sql)?
        .query_row(params![tenant.get(), job.get(), given.key], |row| Ok((row.get(0)?, row.get(1)?)))
        .optional()?;
    let Some((id, digest)) = found else { return Ok(None) };
    if digest != given.digest {
        return Err(Error::new(
            ErrorKind::Conflict,
            "the idempotency key was used for another request; use a new key",
        )
        .with("key", &given.key)
        .with("run", id)
        .into());
    }
    history::run(db, tenant, RunId::new(id)).map(Some)
}

fn add_run(tx: &Tx<'_>, tenant: TenantId, prepared: &Prepared) -> DbResult<RunId> {
    let new = &prepared.new;
    let sql = "INSERT INTO job_runs
            (tenant_id, job_id, job_version, status, priority, queued_at, requested_by, parent_run_id, correlation_id,
             idempotency_key, idempotency_digest, concurrency_key, labels, parameters)
        VALUES (:tenant, :job, :version, 'queued', :priority, :now, :requested_by, :parent, :correlation, :key, :digest,
                :concurrency_key, :labels, :parameters)";
    tx.prepare(sql)?.execute(named_params! {
        ":tenant": tenant.get(),
        ":job": new.job.get(),
        ":version": new.plan.job_version,
        ":priority": new.priority,
        ":now": tx.now,
        ":requested_by": new.requested_by.map(|user| user.get()),
        ":parent": new.parent.map(RunId::get),
        ":correlation": new.correlation_id,
        ":key": new.idempotency.as_ref().map(|given| &given.key),
        ":digest": new.idempotency.as_ref().map(|given| &given.digest[..]),
        ":concurrency_key": new.concurrency_key,
        ":labels": prepared.labels,
        ":parameters": prepared.parameters,
    })?;
    let id = tx.db.last_insert_rowid();
    let sql = "INSERT INTO run_plans (run_id, plan) VALUES (?1, ?2)";
    tx.prepare(sql)?.execute(params![id, prepared.plan])?;
    if let Some(seconds) = new.plan.timeout_sec {
        let sql = "UPDATE job_runs SET time_limit = ?2 WHERE id = ?1";
        tx.prepare(sql)?.execute(params![id, i64::from(seconds) * 1_000_000])?;
    }
    if let Some(most) = new.plan.max_parallel {
        let sql = "INSERT INTO limits (tenant_id, kind, ref, running_max) VALUES (?1, 'run', ?2, ?3)";
        tx.prepare(sql)?.execute(params![tenant.get(), id, most])?;
    }
    for secret in &new.secrets {
        let sql = "INSERT INTO run_secrets (run_id, name, id, version, sealed) VALUES (?1, ?2, ?3, ?4, ?5)";
        tx.prepare(sql)?.execute(params![id, secret.name, secret.id, secret.version, secret.sealed])?;
    }
    Ok(RunId::new(id))
}

fn add_steps(tx: &Tx<'_>, run: RunId, new: &NewRun) -> DbResult<()> {
    let sql = "INSERT INTO run_steps (run_id, idx, remaining) VALUES (?1, ?2, ?3)";
    let mut insert = tx.prepare(sql)?;
    for (step, index) in new.plan.steps.iter().zip(0_u32..) {
        insert.execute(params![run.get(), index, step.task_count()])?;
    }
    Ok(())
}

fn add_task(
    tx: &Tx<'_>,
    tenant: TenantId,
    run: RunId,
    Prepared { new, credentials, .. }: &Prepared,
    key: TaskKey,
    edges: u32,
) -> DbResult<()> {
    let step = &new.plan.steps[key.step as usize];
    let status = if edges == 0 { TaskStatus::Queued } else { TaskStatus::Waiting };
    let target = key.target.map(TargetId::get);
    let sql = "INSERT INTO job_run_steps (job_run_id, idx, type, target_id, status, shell, timeoutsec)
        VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)";
    tx.prepare(sql)?.execute(params![
        run.get(),
        key.step,
        step.kind,
        target,
        status.as_str(),
        step.fields.get("shell").and_then(|shell| shell.as_str()),
        step.timeout_sec,
    ])?;
    let id = tx.db.last_insert_rowid();
    let sql = "INSERT INTO queue
            (task_id, run_id, tenant_id, idx, target_id, state, priority, due_at, waits, job_id, credential_id)
        VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11)";
    tx.prepare(sql)?.execute(params![
        id,
        run.get(),
        tenant.get(),
        key.step,
        target,
        status.as_str(),
        new.priority,
        tx.steady,
        edges,
        new.job.get(),
        key.target.and_then(|target| credentials.get(&target)).map(|credential| credential.get()),
    ])?;
    Ok(())
}

/// The new run as it was just written.
fn record(tx: &Tx<'_>, id: RunId, new: &NewRun) -> RunRecord {
    RunRecord {
        id,
        job: new.job,
        job_version: new.plan.job_version,
        status: RunStatus::Queued,
        cancel_requested: false,
        requested_by: new.requested_by,
        parameters: new.plan.parameters.clone(),
        correlation_id: new.correlation_id.clone(),
        idempotency_key: new.idempotency.as_ref().map(|given| given.key.clone()),
        priority: new.priority,
        parent: new.parent,
        concurrency_key: new.concurrency_key.clone(),
        labels: new.labels.clone(),
        queued_at: columns::moment(tx.now),
        started_at: None,
        finished_at: None,
    }
}
