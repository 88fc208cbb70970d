//! Credentials, sealed.

use opsconductor_core::{
    Error, ErrorKind,
    id::{CredentialId, TenantId},
    store::{CredentialRecord, LimitScope, Listing, NewCredential, Page},
};
use rusqlite::{Connection, OptionalExtension, Row, named_params, params};

use super::{tenant, versions};
use crate::{
    columns,
    error::{DbResult, invalid, missing, taken},
    limits,
    writer::Tx,
};

pub(super) const COLUMNS: &str =
    "id, name, description, credential_type, version, credential_data, created_at, updated_at, expires_at";

pub(super) fn reserve_id(tx: &mut Tx<'_>) -> DbResult<CredentialId> {
    let sql = "UPDATE sequences SET last = last + 1 WHERE name = 'credentials' RETURNING last";
    Ok(CredentialId::new(tx.db.prepare_cached(sql)?.query_row([], |row| row.get(0))?))
}

pub(super) fn insert(tx: &mut Tx<'_>, owner: TenantId, new: &NewCredential) -> DbResult<CredentialRecord> {
    tenant::check(tx.db, owner)?;
    let in_use = "SELECT 1 FROM credentials WHERE id = ?1";
    if tx.db.prepare_cached(in_use)?.exists([new.id.get()])? {
        let error = Error::new(ErrorKind::Conflict, "the credential id is in use").with("credential", new.id);
        return Err(error.into());
    }
    check_name(tx, owner, new.id, &new.name)?;
    let sql = "INSERT INTO credentials
            (id, tenant_id, name, credential_type, description, credential_data, version, created_at)
        VALUES (:id, :tenant, :name, :type, :description, :sealed, :version, :now)";
    tx.db.prepare_cached(sql)?.execute(named_params! {
        ":id": new.id.get(),
        ":tenant": owner.get(),
        ":name": new.name,
        ":type": new.credential_type,
        ":description": new.description,
        ":sealed": new.sealed,
        ":version": new.version,
        ":now": tx.now,
    })?;
    by_id(tx.db, owner, new.id)
}

pub(super) fn update(
    tx: &mut Tx<'_>,
    owner: TenantId,
    expected_version: i32,
    new: &NewCredential,
) -> DbResult<CredentialRecord> {
    let present = by_id(tx.db, owner, new.id)?;
    if present.version != expected_version {
        return Err(Error::new(ErrorKind::Conflict, "the credential was changed meanwhile")
            .with("credential", new.id)
            .with("version", present.version)
            .into());
    }
    if present.credential_type != new.credential_type {
        return Err(invalid("the type of a credential cannot change").with("credential", new.id).into());
    }
    check_name(tx, owner, new.id, &new.name)?;
    if new.version != present.version {
        versions::keep(tx, owner, &present)?;
    }
    let sql = "UPDATE credentials
        SET name = :name, description = :description, credential_data = :sealed, version = :version, updated_at = :now,
            expires_at = CASE WHEN version = :version THEN expires_at END
        WHERE id = :id";
    tx.db.prepare_cached(sql)?.execute(named_params! {
        ":id": new.id.get(),
        ":name": new.name,
        ":description": new.description,
        ":sealed": new.sealed,
        ":version": new.version,
        ":now": tx.now,
    })?;
    by_id(tx.db, owner, new.id)
}

fn check_name(tx: &Tx<'_>, owner: TenantId, id: CredentialId, name: &str) -> DbResult<()> {
    let sql = "SELECT 1 FROM credentials WHERE tenant_id = ?1 AND name = ?2 AND id <> ?3";
    if tx.db.prepare_cached(sql)?.exists(params![owner.get(), name, id.get()])? {
        return Err(taken("credential", name).into());
    }
    Ok(())
}

pub(super) fn by_id(db: &Connection, owner: TenantId, id: CredentialId) -> DbResult<CredentialRecord> {
    let sql = format!("SELECT {COLUMNS} FROM credentials WHERE id = ?1 AND tenant_id = ?2");
    let found = db.prepare_cached(&sql)?.query_row([id.get(), owner.get()], read).optional()?;
    Ok(found.ok_or_else(|| missing("credential", id))?)
}

pub(super) fn types(
    db: &Connection,
    owner: TenantId,
    ids: &[CredentialId],
) -> DbResult<Vec<(CredentialId, String)>> {
    let sql = "SELECT credential_type FROM credentials WHERE id = ?1 AND tenant_id = ?2";
    let mut find = db.prepare_cached(sql)?;
    let mut types = Vec::with_capacity(ids.len());
    for id in ids {
        let found = find.query_row([id.get(), owner.get()], |row| row.get(0)).optional()?;
        types.extend(found.map(|kind| (*id, kind)));
    }
    Ok(types)
}

pub(super) fn by_name(db: &Connection, owner: TenantId, name: &str) -> DbResult<CredentialRecord> {
    let sql = format!("SELECT {COLUMNS} FROM credentials WHERE tenant_id = ?1 AND name = ?2");
    let found = db.prepare_cached(&sql)?.query_row(params![owner.get(), name], read).optional()?;
    Ok(found.ok_or_else(|| missing("credential", name))?)
}

pub(super) fn list(db: &Connection, owner: TenantId, page: Page) -> DbResult<Listing<CredentialRecord>> {
    let total: i64 = db
        .prepare_cached("SELECT count(*) FROM credentials WHERE tenant_id = ?1")?
        .query_row([owner.get()], |row| row.get(0))?;
    let sql =
        format!("SELECT {COLUMNS} FROM credentials WHERE tenant_id = ?1 ORDER BY id DESC LIMIT ?2 OFFSET ?3");
    let mut find = db.prepare_cached(&sql)?;
    let rows = find.query_map(params![owner.get(), page.limit, columns::count(page.skip)], read)?;
    Ok(Listing { items: rows.collect::<rusqlite::Result<_>>()?, total: total as u64 })
}

pub(super) fn delete(tx: &mut Tx<'_>, owner: TenantId, id: CredentialId) -> DbResult<()> {
    by_id(tx.db, owner, id)?;
    let sql = "SELECT name FROM targets WHERE credential_ref = ?1 LIMIT 1";
    let user: Option<String> =
        tx.db.prepare_cached(sql)?.query_row([id.get()], |row| row.get(0)).optional()?;
    if let Some(user) = user {
        let error = Error::new(ErrorKind::Conflict, "a target uses the credential").with("target", user);
        return Err(error.into());
    }
    tx.db.prepare_cached("DELETE FROM credentials WHERE id = ?1")?.execute([id.get()])?;
    limits::forget(tx, owner, LimitScope::Credential(id))
}

pub(super) fn read(row: &Row<'_>) -> rusqlite::Result<CredentialRecord> {
    Ok(CredentialRecord {
        id: CredentialId::new(row.get(0)?),
        name: row.get(1)?,
        description: row.get(2)?,
        credential_type: row.get(3)?,
        version: row.get(4)?,
        sealed: row.get(5)?,
        created_at: columns::time(row, 6)?,
        updated_at: columns::time_or_none(row, 7)?,
        expires_at: columns::time_or_none(row, 8)?,
    })
}
