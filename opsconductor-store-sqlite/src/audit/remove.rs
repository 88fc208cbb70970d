//! Letting a prefix of the chain go.

use opsconductor_core::{
    audit::Head,
    id::TenantId,
    store::audit::{REMOVE_BATCH, not_of_the_chain},
};
use rusqlite::params;

use super::read;
use crate::{columns, error::DbResult, writer::Tx};

pub(super) fn begin_after(tx: &mut Tx<'_>, tenant: TenantId, new: Head, note: &str) -> DbResult<()> {
    if new.size <= read::state(tx.db, tenant)?.begins.size {
        tx.changed_nothing();
        return Ok(());
    }
    if read::head_at(tx.db, tenant, new.size)? != Some(new) {
        return Err(not_of_the_chain(new.size).into());
    }
    let (size, hash) = (columns::count(new.size), &new.hash.as_bytes()[..]);
    let sql = "UPDATE audit_heads SET begins = ?2, begins_hash = ?3 WHERE tenant_id = ?1";
    tx.db.prepare_cached(sql)?.execute(params![tenant.get(), size, hash])?;
    let sql = "INSERT INTO audit_checkpoints (tenant_id, size, hash, note, at) VALUES (?1, ?2, ?3, ?4, ?5)
        ON CONFLICT (tenant_id, size) DO UPDATE SET hash = excluded.hash, note = excluded.note, at = excluded.at";
    tx.db.prepare_cached(sql)?.execute(params![tenant.get(), size, hash, note, tx.now])?;
    Ok(())
}

pub(super) fn remove(tx: &mut Tx<'_>, tenant: TenantId) -> DbResult<u64> {
    let begins = read::state(tx.db, tenant)?.begins;
    let sql = "DELETE FROM audit_log WHERE id IN
        (SELECT id FROM audit_log WHERE tenant_id = ?1 AND seq <= ?2 ORDER BY seq LIMIT ?3)";
    let gone = tx.db.prepare_cached(sql)?.execute([
        tenant.get(),
        columns::count(begins.size),
        columns::count(REMOVE_BATCH),
    ])?;
    Ok(gone as u64)
}
