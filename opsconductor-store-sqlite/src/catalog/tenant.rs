//! Tenants.

use opsconductor_core::{id::TenantId, tenant::Tenant};
use rusqlite::{Connection, OptionalExtension, params};

use crate::{
    columns,
    error::{DbResult, missing, taken},
    writer::Tx,
};

pub(super) fn create(tx: &mut Tx<'_>, name: &str) -> DbResult<Tenant> {
    let sql = "INSERT INTO tenants (name, created_at) VALUES (?1, ?2) ON CONFLICT (name) DO NOTHING";
    if tx.db.prepare_cached(sql)?.execute(params![name, tx.now])? == 0 {
        return Err(taken("tenant", name).into());
    }
    let id = TenantId::new(tx.db.last_insert_rowid());
    Ok(Tenant { id, name: name.to_owned(), created_at: columns::moment(tx.now) })
}

pub(super) fn by_name(db: &Connection, name: &str) -> DbResult<Tenant> {
    let mut find = db.prepare_cached("SELECT id, name, created_at FROM tenants WHERE name = ?1")?;
    let tenant = find.query_row([name], |row| {
        Ok(Tenant { id: TenantId::new(row.get(0)?), name: row.get(1)?, created_at: columns::time(row, 2)? })
    });
    Ok(tenant.optional()?.ok_or_else(|| missing("tenant", name))?)
}

/// Refuses a tenant that is not there.
pub(crate) fn check(db: &Connection, tenant: TenantId) -> DbResult<()> {
    let mut find = db.prepare_cached("SELECT 1 FROM tenants WHERE id = ?1")?;
    let found = find.query_row([tenant.get()], |_| Ok(())).optional()?;
    Ok(found.ok_or_else(|| missing("tenant", tenant))?)
}
