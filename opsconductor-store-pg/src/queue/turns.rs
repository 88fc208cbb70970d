//! Runs with the same concurrency key, one after the other, by id.
//!
//! Whoever enqueues such a run or ends one holds the lock of its key, taken after the locks of runs and before those of the
//! next run's tasks. So ids are given out in the order of the lock, and nobody looks while another changes whose turn it is.

use opsconductor_core::{
    Error, ErrorKind,
    id::{RunId, TargetId, TenantId},
    run::advance::Waiting,
};
use sqlx::PgConnection;

use super::advance::RELEASE;
use crate::{PgStore, columns, error::DbResult, plans};

/// A run that ended, with its key.
pub(super) struct Ended {
    pub(super) run: RunId,
    pub(super) tenant: TenantId,
    pub(super) key: String,
}

/// Holds keys until the transaction ends.
pub(super) async fn lock<'a>(
    store: &PgStore,
    tx: &mut PgConnection,
    keys: impl IntoIterator<Item = (TenantId, &'a str)>,
) -> DbResult<()> {
    let mut keys: Vec<_> =
        keys.into_iter().map(|(tenant, key)| format!("{} {tenant} {key}", store.channel)).collect();
    keys.sort_unstable();
    keys.dedup();
    let sql = "SELECT current_setting('transaction_isolation') FROM (
            SELECT pg_advisory_xact_lock(hashtextextended(key, 7322)) FROM unnest($1::text[]) AS key ORDER BY hashtextextended(key, 7322)
        ) AS locked";
    let isolation: Vec<String> = sqlx::query_scalar(sql).bind(keys).fetch_all(tx).await?;
    if isolation.iter().all(|level| level == "read committed") {
        return Ok(());
    }
    let message = "a run with a concurrency key is enqueued in a transaction that is READ COMMITTED: any other would not see \
                   which runs have the key now";
    Err(Error::new(ErrorKind::InvalidInput, message).into())
}

/// Lets the next run with each key begin. The ends are written in this transaction already. Whether one did.
pub(super) async fn pass_on(store: &PgStore, tx: &mut PgConnection, ended: &[Ended]) -> DbResult<bool> {
    if ended.is_empty() {
        return Ok(false);
    }
    lock(store, tx, ended.iter().map(|ended| (ended.tenant, ended.key.as_str()))).await?;
    // A run that was canceled while it waited had nothing to pass on: an older one has it.
    let sql = "SELECT DISTINCT next.id
        FROM unnest($1::bigint[], $2::bigint[], $3::text[]) AS ended (run_id, tenant_id, key)
        CROSS JOIN LATERAL (
            SELECT r.id FROM :schema.job_runs AS r
            WHERE r.tenant_id = ended.tenant_id AND r.concurrency_key = ended.key AND r.finished_at IS NULL
            ORDER BY r.id LIMIT 1
        ) AS next
        WHERE next.id > ended.run_id";
    let (mut runs, mut tenants, mut keys) = (Vec::new(), Vec::new(), Vec::new());
    for Ended { run, tenant, key } in ended {
        runs.push(run.get());
        tenants.push(tenant.get());
        keys.push(key.as_str());
    }
    let next: Vec<i64> = sqlx::query_scalar(store.statements.of(sql))
        .bind(runs)
        .bind(tenants)
        .bind(keys)
        .fetch_all(&mut *tx)
        .await?;
    begin(store, tx, next.into_iter().map(RunId::new).collect()).await
}

/// Takes the wait for its turn off the first tasks of each run.
async fn begin(store: &PgStore, tx: &mut PgConnection, next: Vec<RunId>) -> DbResult<bool> {
    let plans = plans::of(store, tx, next.iter().copied()).await?;
    let (mut runs, mut steps, mut targets) = (Vec::new(), Vec::new(), Vec::new());
    for (run, plan) in &plans {
        for (step, which) in plan.begins() {
            runs.push(run.get());
            steps.push(columns::int(step));
            targets.push(match which {
                Waiting::One(target) => target.map(TargetId::get),
                Waiting::All => None,
            });
        }
    }
    if runs.is_empty() {
        return Ok(false);
    }
    let edges = vec![1_i32; runs.len()];
    let ready: i64 = sqlx::query_scalar(store.statements.of(RELEASE))
        .bind(runs)
        .bind(steps)
        .bind(targets)
        .bind(edges)
        .fetch_one(tx)
        .await?;
    Ok(ready > 0)
}
