//! Claims that were under way when a limit came into being.
//!
//! A claim takes what nothing limits in one statement, with no lock on limits, of which there is none yet. One that looked
//! before the limit was committed does not know it: what it takes runs under the limit and does not say so. So whoever sets
//! the limit waits until every such claim is over and counts what they took. From then on the limit holds.

use std::time::{Duration, Instant};

use sqlx::PgConnection;

use crate::{PgStore, error::DbResult};

/// Between two looks at the claims that are waited for.
const AGAIN: Duration = Duration::from_millis(2);

/// How long they are waited for. No statement may take so long, unless an administrator says otherwise.
const LIMIT: Duration = Duration::from_secs(60);

/// Who has rows of the queue locked or is about to: claims, and others that are as short. The lock is taken before a statement
/// looks at anything. Hosts that enqueue in transactions of their own lock no rows of it, and may take long.
const CLAIMS: &str = "SELECT l.virtualtransaction FROM pg_locks AS l
    WHERE l.locktype = 'relation' AND l.mode = 'RowShareLock' AND l.granted AND l.pid <> pg_backend_pid()
      AND l.database = (SELECT d.oid FROM pg_database AS d WHERE d.datname = current_database())
      AND l.relation = ':schema.queue'::regclass";

/// What runs under a limit and does not say so, now does. They are locked in the order in which everyone locks tasks.
const COUNT: &str = "UPDATE :schema.queue SET limited = true WHERE task_id = ANY (ARRAY(
    SELECT q.task_id FROM :schema.queue AS q
    WHERE (SELECT EXISTS (SELECT 1 FROM :schema.limits)) AND q.state = 'running' AND NOT q.limited AND EXISTS (
        SELECT 1 FROM :schema.limits AS l
        WHERE l.tenant_id = q.tenant_id
          AND ((l.kind = 'tenant' AND l.ref = 0) OR (l.kind = 'job' AND l.ref = q.job_id)
            OR (l.kind = 'target' AND l.ref = q.target_id) OR (l.kind = 'credential' AND l.ref = q.credential_id)
            OR (l.kind = 'run' AND l.ref = q.run_id)))
    ORDER BY q.task_id
    FOR UPDATE))";

/// Returns when everything that runs under a limit is counted, also what claims have taken that were under way when this was
/// called. The limit is committed.
pub(super) async fn count(store: &PgStore) -> DbResult<()> {
    let mut db = store.pools.queue().await?;
    let began = Instant::now();
    let mut waited_for: Option<Vec<String>> = None;
    loop {
        let now: Vec<String> = sqlx::query_scalar(store.statements.of(CLAIMS)).fetch_all(&mut *db).await?;
        let left = match waited_for {
            // Those that came later know the limit.
            Some(before) => before.into_iter().filter(|claim| now.contains(claim)).collect(),
            None => now,
        };
        if left.is_empty() {
            break;
        }
        if began.elapsed() > LIMIT {
            tracing::warn!(
                claims = left.len(),
                "a limit was set, and claims that were under way do not end: what they take is counted by the next look"
            );
            break;
        }
        waited_for = Some(left);
        tokio::time::sleep(AGAIN).await;
    }
    count_now(store, &mut db).await
}

/// Counts what runs under a limit now.
pub(crate) async fn count_now(store: &PgStore, db: &mut PgConnection) -> DbResult<()> {
    sqlx::query(store.statements.of(COUNT)).execute(db).await?;
    Ok(())
}
