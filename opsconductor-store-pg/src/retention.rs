//! [`Retention`] in PostgreSQL.

use std::collections::BTreeSet;

use async_trait::async_trait;
use opsconductor_core::{
    Result,
    clock::Timestamp,
    id::RunId,
    store::{Keep, Retention, retention::TASKS_AT_ONCE},
};
use sqlx::PgConnection;

use crate::{PgStore, columns, error::DbResult, feed};

#[async_trait]
impl Retention for PgStore {
    async fn remove_runs(&self, keep: &Keep, limit: usize) -> Result<u64> {
        Ok(remove(self, keep, limit).await?)
    }
}

const TOO_OLD: &str = "SELECT r.finished_at, r.id FROM :schema.job_runs AS r
    WHERE r.finished_at < coalesce($1::timestamptz, clock_timestamp()) - $2 * interval '1 microsecond'
    ORDER BY r.finished_at, r.id LIMIT $3";

/// Of each job, the newest run that does not stay: a look at the index and the rows of those that stay.
const TOO_MANY: &str = "SELECT r.finished_at, r.id
    FROM :schema.jobs AS j
    CROSS JOIN LATERAL (
        SELECT x.id FROM :schema.job_runs AS x
        WHERE x.job_id = j.id AND x.finished_at IS NOT NULL
        ORDER BY x.id DESC LIMIT 1 OFFSET $1
    ) AS last
    CROSS JOIN LATERAL (
        SELECT y.finished_at, y.id FROM :schema.job_runs AS y
        WHERE y.job_id = j.id AND y.id <= last.id AND y.finished_at IS NOT NULL
    ) AS r
    ORDER BY r.finished_at, r.id LIMIT $2";

async fn remove(store: &PgStore, keep: &Keep, limit: usize) -> DbResult<u64> {
    let mut tx = store.pools.queue_transaction().await?;
    let mut beyond: BTreeSet<(Timestamp, i64)> = BTreeSet::new();
    if let Some(age) = keep.age {
        let found: Vec<(Timestamp, i64)> = sqlx::query_as(store.statements.of(TOO_OLD))
            .bind(store.moment())
            .bind(columns::micros(age))
            .bind(columns::count(limit))
            .fetch_all(&mut *tx)
            .await?;
        beyond.extend(found);
    }
    if let Some(most) = keep.runs_per_job {
        let found: Vec<(Timestamp, i64)> = sqlx::query_as(store.statements.of(TOO_MANY))
            .bind(i64::from(most))
            .bind(columns::count(limit))
            .fetch_all(&mut *tx)
            .await?;
        beyond.extend(found);
    }
    let first: Vec<i64> = beyond.into_iter().take(limit).map(|(_, run)| run).collect();
    if first.is_empty() {
        return Ok(0);
    }
    let runs = lock(store, &mut tx, &first).await?;
    if !runs.is_empty() {
        delete(store, &mut tx, &runs).await?;
        feed::forget_gone(store, &mut tx).await?;
    }
    tx.commit().await?;
    runs.iter().for_each(|run| store.plans.forget(RunId::new(*run)));
    Ok(runs.len() as u64)
}

/// Locks the first of these runs, as many as go at once. What someone else removes at this moment is theirs.
async fn lock(store: &PgStore, tx: &mut PgConnection, first: &[i64]) -> DbResult<Vec<i64>> {
    let sql = "WITH locked AS MATERIALIZED (
            SELECT r.id FROM :schema.job_runs AS r
            WHERE r.id = ANY ($1) AND r.finished_at IS NOT NULL
            ORDER BY r.id
            FOR UPDATE SKIP LOCKED
        )
        SELECT l.id, (SELECT count(*) FROM :schema.job_run_steps AS s WHERE s.job_run_id = l.id)
        FROM locked AS l
        ORDER BY array_position($1, l.id)";
    let found: Vec<(i64, i64)> = sqlx::query_as(store.statements.of(sql)).bind(first).fetch_all(tx).await?;
    let (mut runs, mut tasks) = (Vec::new(), 0);
    for (run, count) in found {
        tasks += count as u64;
        if !runs.is_empty() && tasks > TASKS_AT_ONCE {
            break;
        }
        runs.push(run);
    }
    Ok(runs)
}

/// What belongs to a run has no keys into it, so it is removed by hand.
async fn delete(store: &PgStore, tx: &mut PgConnection, runs: &[i64]) -> DbResult<()> {
    for sql in [
        "DELETE FROM :schema.output_chunks WHERE task_id IN
            (SELECT s.id FROM :schema.job_run_steps AS s WHERE s.job_run_id = ANY ($1))",
        "DELETE FROM :schema.task_attempts WHERE task_id IN
            (SELECT s.id FROM :schema.job_run_steps AS s WHERE s.job_run_id = ANY ($1))",
        "DELETE FROM :schema.run_events WHERE run_id = ANY ($1)",
        "DELETE FROM :schema.job_run_steps WHERE job_run_id = ANY ($1)",
        "DELETE FROM :schema.run_steps WHERE run_id = ANY ($1)",
        "DELETE FROM :schema.run_plans WHERE run_id = ANY ($1)",
        "DELETE FROM :schema.run_secrets WHERE run_id = ANY ($1)",
        "DELETE FROM :schema.job_runs WHERE id = ANY ($1)",
    ] {
        sqlx::query(store.statements.of(sql)).bind(runs).execute(&mut *tx).await?;
    }
    Ok(())
}
