//! Targets.

use opsconductor_core::{
    Error, ErrorKind, Result,
    id::{CredentialId, TargetId, TenantId},
    store::{LimitScope, Listing, Page},
    target::{Target, TargetSpec},
};
use rusqlite::{Connection, OptionalExtension, Row, named_params, params};

use super::{job, tenant};
use crate::{
    columns,
    error::{DbResult, invalid, missing, taken},
    limits,
    writer::Tx,
};

const COLUMNS: &str =
    "id, name, protocol, hostname, port, credential_ref, tags, metadata, depends_on, created_at";

/// Every wanted tag (a JSON array, `?2`) is among the row's.
const TAGGED: &str = "tenant_id = ?1 AND NOT EXISTS (
    SELECT 1 FROM json_each(?2) AS wanted
    WHERE wanted.value NOT IN (SELECT value FROM json_each(targets.tags)))";

const IN_USE: &str = include_str!("../../sql/target_in_use.sql");

/// What stands in columns of JSON.
pub(super) struct Json {
    tags: String,
    metadata: String,
    depends_on: String,
}

impl Json {
    pub(super) fn of(spec: &TargetSpec) -> Result<Self> {
        Ok(Self {
            tags: columns::to_json(&spec.tags)?,
            metadata: columns::to_json(&spec.metadata)?,
            depends_on: columns::to_json(&spec.depends_on)?,
        })
    }
}

pub(super) fn insert(tx: &mut Tx<'_>, owner: TenantId, spec: TargetSpec, json: &Json) -> DbResult<Target> {
    check(tx, owner, None, &spec)?;
    let sql = "INSERT INTO targets
            (tenant_id, name, protocol, hostname, port, credential_ref, tags, metadata, depends_on, created_at)
        VALUES (:tenant, :name, :protocol, :hostname, :port, :credential, :tags, :metadata, :depends_on, :now)";
    tx.db.prepare_cached(sql)?.execute(named_params! {
        ":tenant": owner.get(),
        ":name": spec.name,
        ":protocol": spec.protocol.as_str(),
        ":hostname": spec.hostname,
        ":port": spec.port,
        ":credential": spec.credential_ref.map(CredentialId::get),
        ":tags": json.tags,
        ":metadata": json.metadata,
        ":depends_on": json.depends_on,
        ":now": tx.now,
    })?;
    let id = TargetId::new(tx.db.last_insert_rowid());
    tx.concerns(id.get());
    Ok(Target { id, spec, created_at: columns::moment(tx.now) })
}

pub(super) fn update(
    tx: &mut Tx<'_>,
    owner: TenantId,
    id: TargetId,
    spec: TargetSpec,
    json: &Json,
) -> DbResult<Target> {
    let Target { spec: present, created_at, .. } = by_id(tx.db, owner, id)?;
    check(tx, owner, Some(id), &spec)?;
    if present.name != spec.name {
        job::check_unnamed(tx, owner, &present.name)?;
    }
    let sql = "UPDATE targets
        SET name = :name, protocol = :protocol, hostname = :hostname, port = :port, credential_ref = :credential,
            tags = :tags, metadata = :metadata, depends_on = :depends_on
        WHERE id = :id";
    tx.db.prepare_cached(sql)?.execute(named_params! {
        ":id": id.get(),
        ":name": spec.name,
        ":protocol": spec.protocol.as_str(),
        ":hostname": spec.hostname,
        ":port": spec.port,
        ":credential": spec.credential_ref.map(CredentialId::get),
        ":tags": json.tags,
        ":metadata": json.metadata,
        ":depends_on": json.depends_on,
    })?;
    Ok(Target { id, spec, created_at })
}

/// Whether a target may be written: `id` is its own when it is there already.
fn check(tx: &Tx<'_>, owner: TenantId, id: Option<TargetId>, spec: &TargetSpec) -> DbResult<()> {
    tenant::check(tx.db, owner)?;
    let sql = "SELECT 1 FROM targets WHERE tenant_id = ?1 AND name = ?2 AND id IS NOT ?3";
    if tx.db.prepare_cached(sql)?.exists(params![owner.get(), spec.name, id.map(TargetId::get)])? {
        return Err(taken("target", &spec.name).into());
    }
    let sql = "SELECT 1 FROM credentials WHERE id = ?1 AND tenant_id = ?2";
    if let Some(credential) = spec.credential_ref
        && !tx.db.prepare_cached(sql)?.exists([credential.get(), owner.get()])?
    {
        return Err(invalid("the target's credential does not exist").with("credential", credential).into());
    }
    let mut find = tx.db.prepare_cached("SELECT 1 FROM targets WHERE id = ?1 AND tenant_id = ?2")?;
    for before in &spec.depends_on {
        if !find.exists([before.get(), owner.get()])? {
            let error = invalid("a target that this one depends on does not exist").with("target", before);
            return Err(error.into());
        }
    }
    Ok(())
}

pub(super) fn by_id(db: &Connection, owner: TenantId, id: TargetId) -> DbResult<Target> {
    let sql = format!("SELECT {COLUMNS} FROM targets WHERE id = ?1 AND tenant_id = ?2");
    let found = db.prepare_cached(&sql)?.query_row([id.get(), owner.get()], read).optional()?;
    Ok(found.ok_or_else(|| missing("target", id))?)
}

/// The targets whose names are in a JSON array.
pub(super) fn by_names(db: &Connection, owner: TenantId, names: &str) -> DbResult<Vec<Target>> {
    let sql = format!(
        "SELECT {COLUMNS} FROM targets WHERE tenant_id = ?1 AND name IN (SELECT value FROM json_each(?2))"
    );
    let mut find = db.prepare_cached(&sql)?;
    let rows = find.query_map(params![owner.get(), names], read)?;
    Ok(rows.collect::<rusqlite::Result<_>>()?)
}

pub(super) fn list(db: &Connection, owner: TenantId, tags: &str, page: Page) -> DbResult<Listing<Target>> {
    let total: i64 = db
        .prepare_cached(&format!("SELECT count(*) FROM targets WHERE {TAGGED}"))?
        .query_row(params![owner.get(), tags], |row| row.get(0))?;
    let sql = format!("SELECT {COLUMNS} FROM targets WHERE {TAGGED} ORDER BY id DESC LIMIT ?3 OFFSET ?4");
    let mut find = db.prepare_cached(&sql)?;
    let rows = find.query_map(params![owner.get(), tags, page.limit, columns::count(page.skip)], read)?;
    Ok(Listing { items: rows.collect::<rusqlite::Result<_>>()?, total: total as u64 })
}

pub(super) fn delete(tx: &mut Tx<'_>, owner: TenantId, id: TargetId) -> DbResult<()> {
    let present = by_id(tx.db, owner, id)?;
    let sql = "SELECT name FROM targets
        WHERE tenant_id = ?1 AND id <> ?2 AND ?2 IN (SELECT value FROM json_each(depends_on)) LIMIT 1";
    let other: Option<String> =
        tx.db.prepare_cached(sql)?.query_row([owner.get(), id.get()], |row| row.get(0)).optional()?;
    if let Some(other) = other {
        let error = Error::new(ErrorKind::Conflict, "another target depends on it").with("target", other);
        return Err(error.into());
    }
    job::check_unnamed(tx, owner, &present.spec.name)?;
    let run: Option<i64> =
        tx.db.prepare_cached(IN_USE)?.query_row([owner.get(), id.get()], |row| row.get(0)).optional()?;
    if let Some(run) = run {
        let message = "a run that has not ended uses the target";
        return Err(Error::new(ErrorKind::Conflict, message).with("run", run).into());
    }
    tx.db.prepare_cached("DELETE FROM targets WHERE id = ?1")?.execute([id.get()])?;
    limits::forget(tx, owner, LimitScope::Target(id))
}

fn read(row: &Row<'_>) -> rusqlite::Result<Target> {
    let spec = TargetSpec {
        name: row.get(1)?,
        protocol: columns::parsed(row, 2)?,
        hostname: row.get(3)?,
        port: row.get(4)?,
        credential_ref: columns::id_or_none(row, 5, CredentialId::new)?,
        tags: columns::json(row, 6)?,
        metadata: columns::json(row, 7)?,
        depends_on: columns::json(row, 8)?,
    };
    Ok(Target { id: TargetId::new(row.get(0)?), spec, created_at: columns::time(row, 9)? })
}
