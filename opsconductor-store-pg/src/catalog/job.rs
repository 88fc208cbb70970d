//! Jobs and their versions.

use opsconductor_core::{
    Error, ErrorKind,
    clock::Timestamp,
    id::{JobId, TenantId, UserId},
    store::{JobRecord, JobVersion, LimitScope, Listing, NewJob, Page, changed_meanwhile},
};
use sqlx::{PgConnection, postgres::PgRow, types::Json};

use super::refused;
use crate::{
    PgStore, columns,
    error::{DbResult, invalid, missing, taken},
    limits,
};

const BY_ID: &str = "SELECT id, name, version, definition, created_by, is_active, created_at
    FROM :schema.jobs WHERE tenant_id = $1 AND id = $2";

const BY_NAME: &str = "SELECT id, name, version, definition, created_by, is_active, created_at
    FROM :schema.jobs WHERE tenant_id = $1 AND name = $2";

const LIST: &str = "SELECT id, name, version, definition, created_by, is_active, created_at
    FROM :schema.jobs WHERE tenant_id = $1 AND (is_active OR NOT $2) ORDER BY id DESC LIMIT $3 OFFSET $4";

pub(super) async fn insert(store: &PgStore, owner: TenantId, new: NewJob) -> DbResult<JobRecord> {
    check_version(&new)?;
    let mut tx = store.pools.write(owner).await?;
    let sql =
        "INSERT INTO :schema.jobs (tenant_id, name, version, definition, created_by, is_active, created_at, targets)
        VALUES ($1, $2, $3, $4, $5, $6, coalesce($7::timestamptz, clock_timestamp()), $8)
        RETURNING id, created_at";
    let written = sqlx::query_as(store.statements.of(sql))
        .bind(owner.get())
        .bind(&new.name)
        .bind(new.version)
        .bind(Json(&new.definition))
        .bind(new.created_by.map(UserId::get))
        .bind(new.is_active)
        .bind(store.moment())
        .bind(&new.targets)
        .fetch_one(&mut *tx)
        .await;
    let (id, created_at): (i64, Timestamp) =
        written.map_err(|error| refused(error, owner, |constraint| because(constraint, &new)))?;
    hold_targets(store, &mut tx, owner, &new).await?;
    tx.concerns(id);
    let (id, version) = (JobId::new(id), new.version);
    add_version(store, &mut tx, owner, id, version, &new).await?;
    tx.commit().await?;
    Ok(record(id, version, new, created_at))
}

pub(super) async fn update(store: &PgStore, owner: TenantId, id: JobId, new: NewJob) -> DbResult<JobRecord> {
    let mut tx = store.pools.write(owner).await?;
    // Its row is locked, so that two versions saved at once get two numbers.
    let sql = "SELECT version FROM :schema.jobs WHERE tenant_id = $1 AND id = $2 FOR UPDATE";
    let present: Option<i32> = sqlx::query_scalar(store.statements.of(sql))
        .bind(owner.get())
        .bind(id.get())
        .fetch_optional(&mut *tx)
        .await?;
    let present = present.ok_or_else(|| missing("job", id))?;
    if new.expected_version.is_some_and(|expected| expected != present) {
        return Err(changed_meanwhile(id, present).into());
    }
    check_version(&new)?;
    let version = new.version.max(present.saturating_add(1));
    let sql = "UPDATE :schema.jobs
        SET name = $3, version = $4, definition = $5, created_by = $6, is_active = $7, targets = $8
        WHERE tenant_id = $1 AND id = $2
        RETURNING created_at";
    let written = sqlx::query_scalar(store.statements.of(sql))
        .bind(owner.get())
        .bind(id.get())
        .bind(&new.name)
        .bind(version)
        .bind(Json(&new.definition))
        .bind(new.created_by.map(UserId::get))
        .bind(new.is_active)
        .bind(&new.targets)
        .fetch_one(&mut *tx)
        .await;
    let created_at: Timestamp =
        written.map_err(|error| refused(error, owner, |constraint| because(constraint, &new)))?;
    hold_targets(store, &mut tx, owner, &new).await?;
    add_version(store, &mut tx, owner, id, version, &new).await?;
    tx.commit().await?;
    Ok(record(id, version, new, created_at))
}

async fn add_version(
    store: &PgStore,
    tx: &mut PgConnection,
    owner: TenantId,
    id: JobId,
    version: i32,
    new: &NewJob,
) -> DbResult<()> {
    let sql = "INSERT INTO :schema.job_versions (job_id, version, tenant_id, name, definition, created_by, saved_at)
        VALUES ($1, $2, $3, $4, $5, $6, coalesce($7::timestamptz, clock_timestamp()))";
    sqlx::query(store.statements.of(sql))
        .bind(id.get())
        .bind(version)
        .bind(owner.get())
        .bind(&new.name)
        .bind(Json(&new.definition))
        .bind(new.created_by.map(UserId::get))
        .bind(store.moment())
        .execute(tx)
        .await?;
    Ok(())
}

/// Refuses an active job that names a target which is not there. Those that are stay, with their names, until this is
/// committed.
async fn hold_targets(store: &PgStore, tx: &mut PgConnection, owner: TenantId, new: &NewJob) -> DbResult<()> {
    if !new.is_active || new.targets.is_empty() {
        return Ok(());
    }
    let sql =
        "SELECT name FROM :schema.targets WHERE tenant_id = $1 AND name = ANY ($2) ORDER BY id FOR KEY SHARE";
    let found: Vec<String> = sqlx::query_scalar(store.statements.of(sql))
        .bind(owner.get())
        .bind(&new.targets)
        .fetch_all(tx)
        .await?;
    match new.targets.iter().find(|name| !found.contains(name)) {
        Some(name) => Err(invalid("a target that the job names does not exist").with("target", name).into()),
        None => Ok(()),
    }
}

fn check_version(new: &NewJob) -> DbResult<()> {
    match new.version {
        1.. => Ok(()),
        given => Err(invalid("the version of a job is at least 1").with("given", given).into()),
    }
}

/// Why a job was not written, by the constraint that refused it.
fn because(constraint: &str, new: &NewJob) -> Option<Error> {
    (constraint == "jobs_name_taken").then(|| taken("job", &new.name))
}

pub(super) async fn get(store: &PgStore, owner: TenantId, id: JobId) -> DbResult<JobRecord> {
    let mut tx = store.pools.read(owner).await?;
    let found = sqlx::query(store.statements.of(BY_ID))
        .bind(owner.get())
        .bind(id.get())
        .fetch_optional(&mut *tx)
        .await?;
    tx.commit().await?;
    read(&found.ok_or_else(|| missing("job", id))?)
}

pub(super) async fn by_name(store: &PgStore, owner: TenantId, name: &str) -> DbResult<JobRecord> {
    let mut tx = store.pools.read(owner).await?;
    let found = sqlx::query(store.statements.of(BY_NAME))
        .bind(owner.get())
        .bind(name)
        .fetch_optional(&mut *tx)
        .await?;
    tx.commit().await?;
    read(&found.ok_or_else(|| missing("job", name))?)
}

pub(super) async fn list(
    store: &PgStore,
    owner: TenantId,
    active_only: bool,
    page: Page,
) -> DbResult<Listing<JobRecord>> {
    let mut tx = store.pools.read(owner).await?;
    let sql = "SELECT count(*) FROM :schema.jobs WHERE tenant_id = $1 AND (is_active OR NOT $2)";
    let total: i64 = sqlx::query_scalar(store.statements.of(sql))
        .bind(owner.get())
        .bind(active_only)
        .fetch_one(&mut *tx)
        .await?;
    let rows = sqlx::query(store.statements.of(LIST))
        .bind(owner.get())
        .bind(active_only)
        .bind(i64::from(page.limit))
        .bind(columns::count(page.skip))
        .fetch_all(&mut *tx)
        .await?;
    tx.commit().await?;
    Ok(Listing { items: rows.iter().map(read).collect::<DbResult<_>>()?, total: total as u64 })
}

pub(super) async fn versions(
    store: &PgStore,
    owner: TenantId,
    id: JobId,
    page: Page,
) -> DbResult<Listing<JobVersion>> {
    let mut tx = store.pools.read(owner).await?;
    let sql = "SELECT count(*) FROM :schema.job_versions WHERE tenant_id = $1 AND job_id = $2";
    let total: i64 = sqlx::query_scalar(store.statements.of(sql))
        .bind(owner.get())
        .bind(id.get())
        .fetch_one(&mut *tx)
        .await?;
    let sql = "SELECT version, name, definition, created_by, saved_at FROM :schema.job_versions
        WHERE tenant_id = $1 AND job_id = $2 ORDER BY version DESC LIMIT $3 OFFSET $4";
    let rows = sqlx::query(store.statements.of(sql))
        .bind(owner.get())
        .bind(id.get())
        .bind(i64::from(page.limit))
        .bind(columns::count(page.skip))
        .fetch_all(&mut *tx)
        .await?;
    tx.commit().await?;
    if total == 0 {
        return Err(missing("job", id).into());
    }
    Ok(Listing { items: rows.iter().map(version).collect::<DbResult<_>>()?, total: total as u64 })
}

fn version(row: &PgRow) -> DbResult<JobVersion> {
    let Json(definition) = columns::get(row, 2)?;
    Ok(JobVersion {
        version: columns::get(row, 0)?,
        name: columns::get(row, 1)?,
        definition,
        created_by: columns::id_or_none(row, 3, UserId::new)?,
        saved_at: columns::get(row, 4)?,
    })
}

pub(super) async fn delete(store: &PgStore, owner: TenantId, id: JobId) -> DbResult<()> {
    let mut tx = store.pools.write(owner).await?;
    let in_use = || Error::new(ErrorKind::Conflict, "the job has runs");
    let sql = "SELECT id FROM :schema.job_runs WHERE tenant_id = $1 AND job_id = $2 LIMIT 1";
    let run: Option<i64> = sqlx::query_scalar(store.statements.of(sql))
        .bind(owner.get())
        .bind(id.get())
        .fetch_optional(&mut *tx)
        .await?;
    if let Some(run) = run {
        return Err(in_use().with("run", run).into());
    }
    // Its versions go with it. A run that came at the same moment is found by its key.
    let sql = "DELETE FROM :schema.jobs WHERE tenant_id = $1 AND id = $2";
    let gone = sqlx::query(store.statements.of(sql)).bind(owner.get()).bind(id.get()).execute(&mut *tx).await;
    let gone = gone
        .map_err(|error| refused(error, owner, |constraint| (constraint == "job_runs_job").then(in_use)))?;
    if gone.rows_affected() == 0 {
        return Err(missing("job", id).into());
    }
    limits::forget(store, &mut tx, owner, LimitScope::Job(id)).await?;
    tx.commit().await
}

fn record(id: JobId, version: i32, new: NewJob, created_at: Timestamp) -> JobRecord {
    JobRecord {
        id,
        name: new.name,
        version,
        definition: new.definition,
        created_by: new.created_by,
        is_active: new.is_active,
        created_at,
    }
}

fn read(row: &PgRow) -> DbResult<JobRecord> {
    let Json(definition) = columns::get(row, 3)?;
    Ok(JobRecord {
        id: JobId::new(columns::get(row, 0)?),
        name: columns::get(row, 1)?,
        version: columns::get(row, 2)?,
        definition,
        created_by: columns::id_or_none(row, 4, UserId::new)?,
        is_active: columns::get(row, 5)?,
        created_at: columns::get(row, 6)?,
    })
}
