//! What is told of runs, in the transaction that ends them.

use std::sync::Arc;

use opsconductor_core::{
    clock::Timestamp,
    id::{JobId, RunId, TenantId},
    notify::outbox::{self, EndedRun, TROUBLES_MAX, Trouble},
    run::{RunPlan, RunStatus, advance::StepCounters},
};
use sqlx::{PgConnection, postgres::PgRow};

use crate::{PgStore, columns, error::DbResult};

const TROUBLES: &str = "SELECT idx, target_id, status, reason FROM :schema.job_run_steps
    WHERE job_run_id = $1 AND status IN ('failed', 'lost') ORDER BY status <> 'lost', id LIMIT $2";

/// A run that ends in this transaction and of whose end someone may be told.
pub(crate) struct Ending {
    pub(crate) id: RunId,
    pub(crate) tenant: TenantId,
    pub(crate) plan: Arc<RunPlan>,
    pub(crate) status: RunStatus,
    pub(crate) finished_at: Timestamp,
    pub(crate) counters: Vec<StepCounters>,
}

/// Writes it. The rows of the runs and of their tasks stand already as they stay.
pub(crate) async fn tell_of_ends(store: &PgStore, tx: &mut PgConnection, endings: &[Ending]) -> DbResult<()> {
    for ending in endings {
        let sql = "SELECT job_id, started_at FROM :schema.job_runs WHERE id = $1";
        let (job, started_at): (i64, Option<Timestamp>) =
            sqlx::query_as(store.statements.of(sql)).bind(ending.id.get()).fetch_one(&mut *tx).await?;
        let rows = sqlx::query(store.statements.of(TROUBLES))
            .bind(ending.id.get())
            .bind(columns::count(TROUBLES_MAX))
            .fetch_all(&mut *tx)
            .await?;
        let ended = EndedRun {
            id: ending.id,
            job: JobId::new(job),
            status: ending.status,
            started_at,
            finished_at: ending.finished_at,
            counters: &ending.counters,
            troubles: rows.iter().map(trouble).collect::<sqlx::Result<_>>()?,
        };
        for new in outbox::of(&ending.plan, &ended) {
            super::insert(store, tx, ending.tenant, &new).await?;
        }
    }
    Ok(())
}

fn trouble(row: &PgRow) -> sqlx::Result<Trouble> {
    Ok(Trouble {
        step: columns::unsigned(row, 0)?,
        target: columns::target(row, 1)?,
        status: columns::parsed(row, 2)?,
        reason: columns::get(row, 3)?,
    })
}
