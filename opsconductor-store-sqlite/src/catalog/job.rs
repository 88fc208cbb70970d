//! Jobs and their versions.

use opsconductor_core::{
    Error, ErrorKind,
    id::{JobId, TenantId, UserId},
    store::{JobRecord, JobVersion, LimitScope, Listing, NewJob, Page, changed_meanwhile, named_by},
};
use rusqlite::{Connection, OptionalExtension, Row, named_params, params};

use super::tenant;
use crate::{
    columns,
    error::{DbResult, invalid, missing, taken},
    limits,
    writer::Tx,
};

const COLUMNS: &str = "id, name, version, definition, created_by, is_active, created_at";

pub(super) fn insert(
    tx: &mut Tx<'_>,
    owner: TenantId,
    new: &NewJob,
    (definition, targets): (&str, &str),
) -> DbResult<JobRecord> {
    check(tx, owner, None, new)?;
    let sql =
        "INSERT INTO jobs (tenant_id, name, version, definition, targets, created_by, is_active, created_at)
        VALUES (:tenant, :name, :version, :definition, :targets, :created_by, :active, :now)";
    tx.db.prepare_cached(sql)?.execute(named_params! {
        ":tenant": owner.get(),
        ":name": new.name,
        ":version": new.version,
        ":definition": definition,
        ":targets": targets,
        ":created_by": new.created_by.map(UserId::get),
        ":active": new.is_active,
        ":now": tx.now,
    })?;
    let id = JobId::new(tx.db.last_insert_rowid());
    tx.concerns(id.get());
    add_version(tx, id, new.version, new, definition)?;
    by_id(tx.db, owner, id)
}

pub(super) fn update(
    tx: &mut Tx<'_>,
    owner: TenantId,
    id: JobId,
    new: &NewJob,
    (definition, targets): (&str, &str),
) -> DbResult<JobRecord> {
    let present = by_id(tx.db, owner, id)?;
    if new.expected_version.is_some_and(|expected| expected != present.version) {
        return Err(changed_meanwhile(id, present.version).into());
    }
    check(tx, owner, Some(id), new)?;
    let version = new.version.max(present.version + 1);
    let sql = "UPDATE jobs
        SET name = :name, version = :version, definition = :definition, targets = :targets, created_by = :created_by,
            is_active = :active
        WHERE id = :id";
    tx.db.prepare_cached(sql)?.execute(named_params! {
        ":id": id.get(),
        ":name": new.name,
        ":version": version,
        ":definition": definition,
        ":targets": targets,
        ":created_by": new.created_by.map(UserId::get),
        ":active": new.is_active,
    })?;
    add_version(tx, id, version, new, definition)?;
    by_id(tx.db, owner, id)
}

fn add_version(tx: &Tx<'_>, id: JobId, version: i32, new: &NewJob, definition: &str) -> DbResult<()> {
    let sql = "INSERT INTO job_versions (job_id, version, name, definition, created_by, saved_at)
        VALUES (?1, ?2, ?3, ?4, ?5, ?6)";
    let created_by = new.created_by.map(UserId::get);
    tx.db.prepare_cached(sql)?.execute(params![
        id.get(),
        version,
        new.name,
        definition,
        created_by,
        tx.now
    ])?;
    Ok(())
}

/// Whether a job may be written: `id` is its own when it is there already.
fn check(tx: &Tx<'_>, owner: TenantId, id: Option<JobId>, new: &NewJob) -> DbResult<()> {
    tenant::check(tx.db, owner)?;
    if new.version < 1 {
        return Err(invalid("the version of a job is at least 1").with("given", new.version).into());
    }
    let sql = "SELECT 1 FROM jobs WHERE tenant_id = ?1 AND name = ?2 AND id IS NOT ?3";
    if tx.db.prepare_cached(sql)?.exists(params![owner.get(), new.name, id.map(JobId::get)])? {
        return Err(taken("job", &new.name).into());
    }
    let mut find = tx.db.prepare_cached("SELECT 1 FROM targets WHERE tenant_id = ?1 AND name = ?2")?;
    for name in new.targets.iter().filter(|_| new.is_active) {
        if !find.exists(params![owner.get(), name])? {
            return Err(invalid("a target that the job names does not exist").with("target", name).into());
        }
    }
    Ok(())
}

/// Refuses what would take the target called `name` from an active job.
pub(super) fn check_unnamed(tx: &Tx<'_>, owner: TenantId, name: &str) -> DbResult<()> {
    let sql = "SELECT name FROM jobs
        WHERE tenant_id = ?1 AND is_active AND ?2 IN (SELECT value FROM json_each(jobs.targets))
        ORDER BY id DESC LIMIT 1";
    let job: Option<String> =
        tx.db.prepare_cached(sql)?.query_row(params![owner.get(), name], |row| row.get(0)).optional()?;
    job.map_or(Ok(()), |job| Err(named_by(&job).into()))
}

pub(super) fn by_id(db: &Connection, owner: TenantId, id: JobId) -> DbResult<JobRecord> {
    let sql = format!("SELECT {COLUMNS} FROM jobs WHERE id = ?1 AND tenant_id = ?2");
    let found = db.prepare_cached(&sql)?.query_row([id.get(), owner.get()], read).optional()?;
    Ok(found.ok_or_else(|| missing("job", id))?)
}

pub(super) fn by_name(db: &Connection, owner: TenantId, name: &str) -> DbResult<JobRecord> {
    let sql = format!("SELECT {COLUMNS} FROM jobs WHERE tenant_id = ?1 AND name = ?2");
    let found = db.prepare_cached(&sql)?.query_row(params![owner.get(), name], read).optional()?;
    Ok(found.ok_or_else(|| missing("job", name))?)
}

pub(super) fn list(
    db: &Connection,
    owner: TenantId,
    active_only: bool,
    page: Page,
) -> DbResult<Listing<JobRecord>> {
    let wanted = "tenant_id = ?1 AND (is_active OR NOT ?2)";
    let total: i64 = db
        .prepare_cached(&format!("SELECT count(*) FROM jobs WHERE {wanted}"))?
        .query_row(params![owner.get(), active_only], |row| row.get(0))?;
    let sql = format!("SELECT {COLUMNS} FROM jobs WHERE {wanted} ORDER BY id DESC LIMIT ?3 OFFSET ?4");
    let mut find = db.prepare_cached(&sql)?;
    let rows =
        find.query_map(params![owner.get(), active_only, page.limit, columns::count(page.skip)], read)?;
    Ok(Listing { items: rows.collect::<rusqlite::Result<_>>()?, total: total as u64 })
}

pub(super) fn versions(
    db: &Connection,
    owner: TenantId,
    id: JobId,
    page: Page,
) -> DbResult<Listing<JobVersion>> {
    by_id(db, owner, id)?;
    let sql = "SELECT count(*) FROM job_versions WHERE job_id = ?1";
    let total: i64 = db.prepare_cached(sql)?.query_row([id.get()], |row| row.get(0))?;
    let sql = "SELECT version, name, definition, created_by, saved_at FROM job_versions WHERE job_id = ?1
        ORDER BY version DESC LIMIT ?2 OFFSET ?3";
    let mut find = db.prepare_cached(sql)?;
    let rows = find.query_map(params![id.get(), page.limit, columns::count(page.skip)], |row| {
        Ok(JobVersion {
            version: row.get(0)?,
            name: row.get(1)?,
            definition: columns::json(row, 2)?,
            created_by: columns::id_or_none(row, 3, UserId::new)?,
            saved_at: columns::time(row, 4)?,
        })
    })?;
    Ok(Listing { items: rows.collect::<rusqlite::Result<_>>()?, total: total as u64 })
}

pub(super) fn delete(tx: &mut Tx<'_>, owner: TenantId, id: JobId) -> DbResult<()> {
    by_id(tx.db, owner, id)?;
    let sql = "SELECT id FROM job_runs WHERE job_id = ?1 LIMIT 1";
    let run: Option<i64> = tx.db.prepare_cached(sql)?.query_row([id.get()], |row| row.get(0)).optional()?;
    if let Some(run) = run {
        return Err(Error::new(ErrorKind::Conflict, "the job has runs").with("run", run).into());
    }
    // Its versions go with it.
    tx.db.prepare_cached("DELETE FROM jobs WHERE id = ?1")?.execute([id.get()])?;
    limits::forget(tx, owner, LimitScope::Job(id))
}

fn read(row: &Row<'_>) -> rusqlite::Result<JobRecord> {
    Ok(JobRecord {
        id: JobId::new(row.get(0)?),
        name: row.get(1)?,
        version: row.get(2)?,
        definition: columns::json(row, 3)?,
        created_by: columns::id_or_none(row, 4, UserId::new)?,
        is_active: row.get(5)?,
        created_at: columns::time(row, 6)?,
    })
}
