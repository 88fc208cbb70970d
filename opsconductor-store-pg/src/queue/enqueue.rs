//! A run comes in.

use std::sync::Arc;

use opsconductor_core::{
    Error, ErrorKind, Result,
    audit::staging,
    clock::Timestamp,
    id::{JobId, RunId, TargetId, TenantId},
    run::{RunPlan, RunStatus},
    store::{Enqueued, Idempotency, NewRun, Notice, RunRecord, SealedParameter},
};
use sqlx::PgConnection;

use super::{gather::Offered, insert::insert, turns};
use crate::{
    PgStore, columns,
    error::{DbResult, invalid, missing},
    history,
};

const REFUSED: &str = include_str!("../../sql/enqueue_refused.sql");

/// How often to look why nothing was enqueued. Twice is enough: a run with the same key that came between is then seen.
const TRIES_MAX: u32 = 3;

/// A run with its JSON, made before a connection is taken.
pub(crate) struct Prepared {
    pub(super) new: NewRun,
    pub(super) plan: String,
    pub(super) parameters: String,
    pub(super) labels: String,
}

impl Prepared {
    pub(crate) fn of(new: NewRun) -> Result<Self> {
        new.check_secrets()?;
        Ok(Self {
            plan: columns::to_json(&*new.plan)?,
            parameters: columns::to_json(&new.plan.parameters)?,
            labels: columns::to_json(&new.labels)?,
            new,
        })
    }
}

pub(super) async fn enqueue(store: &PgStore, tenant: TenantId, prepared: Prepared) -> DbResult<Enqueued> {
    let prepared = Arc::new(prepared);
    let staged = staging::take();
    // A record that is chained at once holds the end of its chain to the commit: no others wait in the same statement.
    let is_strict = staged.as_ref().is_some_and(|staged| staged.strict);
    let offered = match is_strict {
        true => Offered::Alone,
        false => store.gatherer.offer(tenant, &prepared, &staged).await,
    };
    let needs_transaction =
        staged.is_some() || prepared.new.concurrency_key.is_some() || !prepared.new.plan.is_plain();
    let enqueued = match offered {
        Offered::Written(id, queued_at) => {
            Enqueued { run: record(id, queued_at, &prepared.new), repeated: false }
        }
        Offered::Failed(error) => return Err(error.into()),
        Offered::Alone if needs_transaction => {
            let mut tx = store.pools.queue_writing_with(staged).await?;
            let enqueued = write(store, &mut tx, tenant, &prepared).await?;
            match enqueued.repeated {
                true => tx.changed_nothing(),
                false => tx.concerns(enqueued.run.id.get()),
            }
            tx.commit().await?;
            enqueued
        }
        Offered::Alone => write(store, &mut *store.pools.queue().await?, tenant, &prepared).await?,
    };
    if !enqueued.repeated {
        let (id, plan) = (enqueued.run.id, prepared.new.plan.clone());
        store.plans.keep_of(tenant, id, plan, prepared.plan.len());
        store.notices.tell([Notice::Ready, Notice::Run(enqueued.run.id)]);
    }
    Ok(enqueued)
}

/// Writes the run, or finds the first one. One with a concurrency key needs a transaction, and so does one whose plan is not
/// plain, as with secret parameters.
pub(crate) async fn write(
    store: &PgStore,
    db: &mut PgConnection,
    tenant: TenantId,
    prepared: &Prepared,
) -> DbResult<Enqueued> {
    if let Some(key) = &prepared.new.concurrency_key {
        turns::lock(store, db, [(tenant, key.as_str())]).await?;
    }
    for _ in 0..TRIES_MAX {
        let written = insert(&store.statements, store.moment(), db, &[(tenant, prepared)]).await?;
        if let Some((id, queued_at)) = written.first().copied().flatten() {
            flow(store, db, tenant, id, &prepared.new.plan).await?;
            seal_in(store, db, tenant, id, &prepared.new.secrets).await?;
            let run = record(id, queued_at, &prepared.new);
            return Ok(Enqueued { run, repeated: false });
        }
        if let Some(run) = first(store, db, tenant, &prepared.new).await? {
            return Ok(Enqueued { run, repeated: true });
        }
    }
    Err(Error::new(
        ErrorKind::StoreUnavailable,
        "what the run refers to is being changed at this moment; try again",
    )
    .into())
}

/// Writes what a plan says beyond what the one statement writes: how long the run may take, how many of its tasks go at once,
/// and which wait for the batch before theirs.
async fn flow(
    store: &PgStore,
    db: &mut PgConnection,
    tenant: TenantId,
    run: RunId,
    plan: &RunPlan,
) -> DbResult<()> {
    if let Some(seconds) = plan.timeout_sec {
        let sql = "UPDATE :schema.job_runs SET time_limit = $2 WHERE id = $1";
        let written =
            sqlx::query(store.statements.of(sql)).bind(run.get()).bind(i64::from(seconds) * 1_000_000);
        written.execute(&mut *db).await?;
    }
    if let Some(most) = plan.max_parallel {
        let sql = "INSERT INTO :schema.limits (tenant_id, kind, ref, running_max) VALUES ($1, 'run', $2, $3)";
        let written = sqlx::query(store.statements.of(sql)).bind(tenant.get()).bind(run.get());
        written.bind(i64::from(most)).execute(&mut *db).await?;
    }
    for (step, index) in plan.steps.iter().zip(0_u32..).filter(|(step, _)| !step.batches.is_empty()) {
        let later = plan.targets_of(step, step.first_batch(), u32::MAX);
        let later: Vec<i64> = later.into_iter().map(TargetId::get).collect();
        let sql = "UPDATE :schema.queue SET waits = waits + 1, state = 'waiting'
            WHERE run_id = $1 AND idx = $2 AND target_id = ANY ($3)";
        let written =
            sqlx::query(store.statements.of(sql)).bind(run.get()).bind(columns::int(index)).bind(later);
        written.execute(&mut *db).await?;
    }
    Ok(())
}

/// Writes the sealed parameters of a run that has some.
async fn seal_in(
    store: &PgStore,
    db: &mut PgConnection,
    tenant: TenantId,
    run: RunId,
    secrets: &[SealedParameter],
) -> DbResult<()> {
    if secrets.is_empty() {
        return Ok(());
    }
    let sql = "INSERT INTO :schema.run_secrets (run_id, tenant_id, name, id, version, sealed)
        SELECT $1::bigint, $2::bigint, * FROM unnest($3::text[], $4::text[], $5::int[], $6::bytea[])";
    let names: Vec<&str> = secrets.iter().map(|secret| secret.name.as_str()).collect();
    let ids: Vec<&str> = secrets.iter().map(|secret| secret.id.as_str()).collect();
    let versions: Vec<i32> = secrets.iter().map(|secret| secret.version).collect();
    let sealed: Vec<&[u8]> = secrets.iter().map(|secret| secret.sealed.as_slice()).collect();
    sqlx::query(store.statements.of(sql))
        .bind(run.get())
        .bind(tenant.get())
        .bind(names)
        .bind(ids)
        .bind(versions)
        .bind(sealed)
        .execute(db)
        .await?;
    Ok(())
}

/// The run that was enqueued before with the same key; an error where something else is the reason that nothing was
/// written, and nothing where that reason is gone.
async fn first(
    store: &PgStore,
    db: &mut PgConnection,
    tenant: TenantId,
    new: &NewRun,
) -> DbResult<Option<RunRecord>> {
    let (job, version, parent, current, first, digest): (
        bool,
        bool,
        bool,
        bool,
        Option<i64>,
        Option<Vec<u8>>,
    ) = sqlx::query_as(store.statements.of(REFUSED))
        .bind(tenant.get())
        .bind(new.job.get())
        .bind(new.plan.job_version)
        .bind(new.idempotency.as_ref().map(|given| &given.key))
        .bind(new.parent.map(RunId::get))
        .fetch_one(&mut *db)
        .await?;
    if !job {
        return Err(missing("job", new.job).into());
    }
    if let (Some(given), Some(id)) = (&new.idempotency, first) {
        same(given, id, digest.as_deref())?;
        return history::run(store, db, tenant, RunId::new(id)).await.map(Some);
    }
    if !version {
        return Err(missing("job version", new.plan.job_version).with("job", new.job).into());
    }
    if new.if_current && !current {
        return Err(missing("present job version", new.plan.job_version).with("job", new.job).into());
    }
    if let (Some(parent_id), false) = (new.parent, parent) {
        return Err(missing("run", parent_id).into());
    }
    if new.plan.steps.is_empty() {
        return Err(invalid("a run needs at least one step").with("job", new.job).into());
    }
    Ok(None)
}

/// The run that has the key, if there is one.
pub(super) async fn enqueued(
    store: &PgStore,
    tenant: TenantId,
    job: JobId,
    given: &Idempotency,
) -> DbResult<Option<RunRecord>> {
    let sql = "SELECT id, idempotency_digest FROM :schema.job_runs
        WHERE tenant_id = $1 AND job_id = $2 AND idempotency_key = $3";
    let mut tx = store.pools.read(tenant).await?;
    let found: Option<(i64, Vec<u8>)> = sqlx::query_as(store.statements.of(sql))
        .bind(tenant.get())
        .bind(job.get())
        .bind(&given.key)
        .fetch_optional(&mut *tx)
        .await?;
    let Some((id, digest)) = found else { return Ok(None) };
    same(given, id, Some(&digest))?;
    let run = history::run(store, &mut tx, tenant, RunId::new(id)).await?;
    tx.commit().await?;
    Ok(Some(run))
}

/// Refuses the repeat of another request.
fn same(given: &Idempotency, first: i64, digest: Option<&[u8]>) -> Result<()> {
    if digest == Some(&given.digest[..]) {
        return Ok(());
    }
    let message = "the idempotency key was used for another request; use a new key";
    Err(Error::new(ErrorKind::Conflict, message).with("key", &given.key).with("run", first))
}

/// The new run as it was just written.
fn record(id: RunId, queued_at: Timestamp, new: &NewRun) -> RunRecord {
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
        queued_at,
        started_at: None,
        finished_at: None,
    }
}
