//! Runs with the same concurrency key, one after the other.

use opsconductor_core::id::{RunId, TenantId};
use rusqlite::{OptionalExtension, params};

use super::advance::release;
use crate::{error::DbResult, plans, writer::Tx};

/// Whether a run with this key is alive.
pub(super) fn is_taken(tx: &Tx<'_>, tenant: TenantId, key: Option<&str>) -> DbResult<bool> {
    match key {
        Some(key) => Ok(first(tx, tenant.get(), key)?.is_some()),
        None => Ok(false),
    }
}

/// The oldest run with this key that is alive: the one whose turn it is.
fn first(tx: &Tx<'_>, tenant: i64, key: &str) -> DbResult<Option<RunId>> {
    let sql = "SELECT id FROM job_runs
        WHERE tenant_id = ?1 AND concurrency_key = ?2 AND status IN ('queued', 'running') ORDER BY id LIMIT 1";
    let found = tx.prepare(sql)?.query_row(params![tenant, key], |row| row.get(0)).optional()?;
    Ok(found.map(RunId::new))
}

/// Lets the next run with the key of `ended` begin.
pub(super) fn pass_on(tx: &mut Tx<'_>, ended: RunId, tenant: i64, key: &str) -> DbResult<()> {
    // A run that was canceled while it waited had nothing to pass on: an older one has it.
    let Some(next) = first(tx, tenant, key)?.filter(|next| *next > ended) else { return Ok(()) };
    let plan = plans::of(tx.plans, tx.db, next)?;
    for (step, which) in plan.begins() {
        release(tx, next, step, which)?;
    }
    Ok(())
}
