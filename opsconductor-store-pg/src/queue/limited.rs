//! Workers take what is ready and what no limit holds back.

use std::{
    collections::{HashMap, HashSet},
    time::Duration,
};

use opsconductor_core::id::WorkerId;
use sqlx::PgConnection;

use super::{
    claim::Taken,
    parking::{self, Lots},
};
use crate::{PgStore, columns, error::DbResult};

const CANDIDATES: &str = include_str!("../../sql/candidates.sql");
const CLAIM_THESE: &str =
    concat!(include_str!("../../sql/claim_these.sql"), include_str!("../../sql/start_runs.sql"));

/// How many tasks are looked at in one transaction, beyond those that are wanted: twice as many each time, because so many
/// before them had to be parked, up to a bound.
const MORE: usize = 100;
const DOUBLED_MAX: usize = 4;

/// How many transactions one claim takes; whoever comes next goes on.
const ROUNDS_MAX: usize = 100;

/// A ready task and the limits that it is under.
struct Candidate {
    task: i64,
    on: Vec<i64>,
}

/// What one transaction, or several, did.
pub(super) struct Round {
    pub(super) taken: Vec<Taken>,
    /// Whether another may find more.
    pub(super) again: bool,
}

/// Takes at most `limit` tasks. When it fails after some were taken, these are what it answers.
pub(super) async fn claim(store: &PgStore, worker: WorkerId, limit: usize, ttl: Duration) -> DbResult<Round> {
    parking::wake_due(store).await?;
    let mut all = Vec::new();
    for turn in 0..ROUNDS_MAX {
        let more = MORE << turn.min(DOUBLED_MAX);
        match round(store, worker, limit - all.len(), more, ttl).await {
            Ok(Round { taken, again }) => {
                all.extend(taken);
                if !again || all.len() == limit {
                    return Ok(Round { taken: all, again: false });
                }
            }
            Err(failure) if all.is_empty() => return Err(failure),
            Err(_) => break,
        }
    }
    Ok(Round { taken: all, again: true })
}

/// Looks at the next tasks in order: takes those that may start and parks those that may not. It ends early where a limit
/// has room for what is parked at it, because that may stand before the tasks that follow.
async fn round(
    store: &PgStore,
    worker: WorkerId,
    limit: usize,
    more: usize,
    ttl: Duration,
) -> DbResult<Round> {
    let most = limit.saturating_add(more);
    let mut tx = store.pools.queue_transaction().await?;
    // From its first look on: whoever sets a limit meanwhile waits for what comes of it.
    let announced = store.statements.of("LOCK TABLE :schema.queue IN ROW SHARE MODE");
    sqlx::query(announced).execute(&mut *tx).await?;
    let candidates = candidates(store, &mut tx, most).await?;
    if candidates.is_empty() {
        return Ok(Round { taken: Vec::new(), again: false });
    }
    let mut limits: Vec<i64> = candidates.iter().flat_map(|candidate| candidate.on.iter().copied()).collect();
    limits.sort_unstable();
    limits.dedup();
    let mut lots = Lots::lock(store, &mut tx, &limits).await?;
    let free = lock(store, &mut tx, &candidates).await?;

    let (mut these, mut under, mut parked, mut at) = (Vec::new(), Vec::new(), Vec::new(), Vec::new());
    let mut owed = HashMap::new();
    let mut again = candidates.len() == most;
    for Candidate { task, on } in candidates.iter().filter(|candidate| free.contains(&candidate.task)) {
        if these.len() == limit {
            break;
        }
        match lots.barrier(on) {
            Some(barrier) => {
                parked.push(*task);
                at.push(barrier);
                owed.extend(lots.park(on, barrier).into_iter().map(|other| (other, 1)));
            }
            None => {
                these.push(*task);
                under.extend((!on.is_empty()).then_some(*task));
                lots.start(on);
            }
        }
        if !owed.is_empty() {
            again = true;
            break;
        }
    }
    park(store, &mut tx, &parked, &at).await?;
    let rows = sqlx::query(store.statements.of(CLAIM_THESE))
        .bind(store.moment())
        .bind(columns::uuid(worker))
        .bind(&these)
        .bind(columns::micros(ttl))
        .bind(&under)
        .fetch_all(&mut *tx)
        .await?;
    let taken = rows.iter().map(|row| Taken::read(row, worker, ttl)).collect::<sqlx::Result<_>>()?;
    lots.settle(store, &mut tx, &owed).await?;
    tx.commit().await?;
    Ok(Round { taken, again })
}

async fn candidates(store: &PgStore, tx: &mut PgConnection, most: usize) -> DbResult<Vec<Candidate>> {
    let rows = sqlx::query(store.statements.of(CANDIDATES))
        .bind(store.moment())
        .bind(columns::count(most))
        .fetch_all(tx)
        .await?;
    let read = |row| Ok(Candidate { task: columns::get(row, 0)?, on: columns::get(row, 1)? });
    Ok(rows.iter().map(read).collect::<sqlx::Result<_>>()?)
}

/// Locks those of the candidates that are still ready; what someone else holds is theirs.
async fn lock(store: &PgStore, tx: &mut PgConnection, candidates: &[Candidate]) -> DbResult<HashSet<i64>> {
    let tasks: Vec<i64> = candidates.iter().map(|candidate| candidate.task).collect();
    let sql = "SELECT task_id FROM :schema.queue
        WHERE task_id = ANY ($1) AND state = 'queued' AND parked_on IS NULL
        ORDER BY task_id FOR UPDATE SKIP LOCKED";
    let free: Vec<i64> = sqlx::query_scalar(store.statements.of(sql)).bind(tasks).fetch_all(tx).await?;
    Ok(free.into_iter().collect())
}

async fn park(store: &PgStore, tx: &mut PgConnection, tasks: &[i64], at: &[i64]) -> DbResult<()> {
    if tasks.is_empty() {
        return Ok(());
    }
    let sql = "UPDATE :schema.queue AS q SET parked_on = given.parked_on
        FROM unnest($1::bigint[], $2::bigint[]) AS given (task_id, parked_on)
        WHERE q.task_id = given.task_id";
    sqlx::query(store.statements.of(sql)).bind(tasks).bind(at).execute(tx).await?;
    Ok(())
}
