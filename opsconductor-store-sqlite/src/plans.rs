//! The plans of runs, from the cache or from their rows.

use std::sync::Arc;

use opsconductor_core::{id::RunId, run::RunPlan, store::PlanCache};
use rusqlite::{Connection, OptionalExtension};

use crate::error::{DbResult, missing};

/// The plan of a run.
pub(crate) fn of(cache: &PlanCache, db: &Connection, run: RunId) -> DbResult<Arc<RunPlan>> {
    if let Some(plan) = cache.find(run) {
        return Ok(plan);
    }
    let text: Option<String> = db
        .prepare_cached("SELECT plan FROM run_plans WHERE run_id = ?1")?
        .query_row([run.get()], |row| row.get(0))
        .optional()?;
    let text = text.ok_or_else(|| missing("run", run))?;
    let plan = Arc::new(serde_json::from_str::<RunPlan>(&text)?);
    cache.keep(run, plan.clone(), text.len());
    Ok(plan)
}
