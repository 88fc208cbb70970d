//! The plans of runs, from the cache or from their rows.

use std::{collections::BTreeSet, sync::Arc};

use opsconductor_core::{
    id::{RunId, TenantId},
    run::RunPlan,
    store::{Claimed, PlanCache},
};
use rusqlite::{Connection, OptionalExtension};

use crate::{
    SqliteStore,
    error::{DbResult, missing},
};

const PLAN: &str = "SELECT plan FROM run_plans WHERE run_id = ?1";

/// The plan of a run.
pub(crate) fn of(cache: &PlanCache, db: &Connection, run: RunId) -> DbResult<Arc<RunPlan>> {
    if let Some(plan) = cache.find(run) {
        return Ok(plan);
    }
    let text: Option<String> =
        db.prepare_cached(PLAN)?.query_row([run.get()], |row| row.get(0)).optional()?;
    let text = text.ok_or_else(|| missing("run", run))?;
    let plan = Arc::new(serde_json::from_str::<RunPlan>(&text)?);
    cache.keep(run, plan.clone(), text.len());
    Ok(plan)
}

impl SqliteStore {
    /// Reads the plans of claimed tasks that are not at hand, together: their worker will ask for each.
    pub(crate) async fn read_plans(&self, claimed: &[Claimed]) {
        let unknown: BTreeSet<_> = claimed
            .iter()
            .map(|task| (task.tenant, task.lease.run))
            .filter(|(tenant, run)| self.plans.find_of(*tenant, *run).is_none())
            .collect();
        if unknown.is_empty() {
            return;
        }
        let cache = self.plans.clone();
        let read = self.readers.read(move |db| unknown.iter().try_for_each(|run| read(&cache, db, *run)));
        // What was claimed is claimed. The worker asks again, and whatever is wrong is then an error of that task.
        if let Err(error) = read.await {
            tracing::debug!(error = %error.report(), "the plans of claimed tasks were not read yet");
        }
    }
}

fn read(cache: &PlanCache, db: &Connection, (tenant, run): (TenantId, RunId)) -> DbResult<()> {
    let mut find = db.prepare_cached(PLAN)?;
    if let Some(text) = find.query_row([run.get()], |row| row.get::<_, String>(0)).optional()? {
        cache.keep_of(tenant, run, Arc::new(serde_json::from_str(&text)?), text.len());
    }
    Ok(())
}
