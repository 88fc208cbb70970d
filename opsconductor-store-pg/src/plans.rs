//! The plans of runs, from the cache or from their rows.

use std::{collections::HashMap, sync::Arc};

use opsconductor_core::{
    id::{RunId, TenantId},
    run::RunPlan,
};
use sqlx::PgConnection;

use crate::{
    PgStore,
    error::{DbResult, missing},
};

/// The plans of these runs; those that are not at hand are read together.
pub(crate) async fn of(
    store: &PgStore,
    db: &mut PgConnection,
    runs: impl IntoIterator<Item = RunId>,
) -> DbResult<HashMap<RunId, Arc<RunPlan>>> {
    let mut plans = HashMap::new();
    let mut unknown = Vec::new();
    for run in runs {
        match store.plans.find(run) {
            Some(plan) => {
                plans.insert(run, plan);
            }
            None => unknown.push(run.get()),
        }
    }
    if unknown.is_empty() {
        return Ok(plans);
    }
    let sql =
        store.statements.of("SELECT run_id, tenant_id, plan FROM :schema.run_plans WHERE run_id = ANY ($1)");
    let rows: Vec<(i64, i64, String)> = sqlx::query_as(sql).bind(&unknown).fetch_all(db).await?;
    for (run, tenant, text) in rows {
        let (run, plan) = (RunId::new(run), Arc::new(serde_json::from_str::<RunPlan>(&text)?));
        store.plans.keep_of(TenantId::new(tenant), run, plan.clone(), text.len());
        plans.insert(run, plan);
    }
    match unknown.into_iter().map(RunId::new).find(|run| !plans.contains_key(run)) {
        Some(run) => Err(missing("run", run).into()),
        None => Ok(plans),
    }
}
