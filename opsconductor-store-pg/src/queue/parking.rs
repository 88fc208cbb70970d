//! Tasks that a limit holds back are parked at it, out of the way of those that may go, and come back when it has room.
//!
//! A limit has as many ready tasks as it has room for, or nothing is parked there. So an end lets one task go on, and so does
//! a ready task that another limit keeps; a start lets none.
//!
//! A limit keeps no count: what runs under it says so in its row, and whoever claims counts those rows under the limit's
//! lock. So an end needs no lock on a limit. It looks at the limits of what ended once it is committed, in a transaction
//! of its own; what a crash leaves undone there is found by [`look_again`].

use std::{collections::HashMap, time::Duration};

use opsconductor_core::{
    id::RunId,
    store::{Gate, Limit, Notice, Passage, Rate},
};
use sqlx::{PgConnection, postgres::PgRow};

use crate::{PgStore, columns, error::DbResult, limits::under_way};

const LIMITS_OF: &str = include_str!("../../sql/limits_of.sql");
const LOCK_LIMITS: &str = include_str!("../../sql/lock_limits.sql");
const LIMITS_IN_USE: &str = include_str!("../../sql/limits_in_use.sql");
const UNPARK: &str = include_str!("../../sql/unpark.sql");

/// What tasks belong to, as columns.
#[derive(Debug, Default)]
pub(super) struct Belongs {
    tenant: Vec<i64>,
    job: Vec<i64>,
    target: Vec<Option<i64>>,
    credential: Vec<Option<i64>>,
    run: Vec<i64>,
}

impl Belongs {
    pub(super) fn push(
        &mut self,
        run: RunId,
        tenant: i64,
        job: i64,
        target: Option<i64>,
        credential: Option<i64>,
    ) {
        self.run.push(run.get());
        self.tenant.push(tenant);
        self.job.push(job);
        self.target.push(target);
        self.credential.push(credential);
    }

    pub(super) fn extend(&mut self, others: Self) {
        self.tenant.extend(others.tenant);
        self.job.extend(others.job);
        self.target.extend(others.target);
        self.credential.extend(others.credential);
        self.run.extend(others.run);
    }
}

/// Lets one parked task go on at each limit of each of these tasks, which ended, went back or left the queue while they were
/// ready. That is committed, and stands whatever becomes of this.
pub(super) async fn freed(store: &PgStore, tasks: &Belongs) {
    if tasks.tenant.is_empty() {
        return;
    }
    let looked = async {
        let mut db = store.pools.queue().await?;
        let owed: Vec<(i64, i64)> = sqlx::query_as(store.statements.of(LIMITS_OF))
            .bind(&tasks.tenant)
            .bind(&tasks.job)
            .bind(&tasks.target)
            .bind(&tasks.credential)
            .bind(&tasks.run)
            .fetch_all(&mut *db)
            .await?;
        drop(db);
        let owed = owed.into_iter().map(|(id, tasks)| (id, u32::try_from(tasks).unwrap_or(u32::MAX)));
        settle(store, owed.collect()).await
    };
    if let Err(failure) = looked.await {
        let error = opsconductor_core::Error::from(failure);
        tracing::warn!(error = %error.report(), "limits were not looked at; the next look finds what may go on");
    }
}

/// Looks at every limit that holds something back, for what a crash left undone: one task goes on at each that has room.
pub(crate) async fn look_again(store: &PgStore) -> DbResult<()> {
    // From one limit with parked tasks to the next, without a look at the tasks.
    let sql = "WITH RECURSIVE parked (id) AS (
            (SELECT parked_on FROM :schema.queue WHERE parked_on IS NOT NULL ORDER BY parked_on LIMIT 1)
            UNION ALL
            SELECT (SELECT q.parked_on FROM :schema.queue AS q WHERE q.parked_on > p.id ORDER BY q.parked_on LIMIT 1)
            FROM parked AS p
            WHERE p.id IS NOT NULL
        )
        SELECT id FROM parked WHERE id IS NOT NULL";
    let mut db = store.pools.queue().await?;
    // The limit of a run that is over has nothing to hold back. Whoever ends a run holds its row, and must not wait for a limit.
    let over = "DELETE FROM :schema.limits WHERE id IN (
            SELECT l.id FROM :schema.limits AS l JOIN :schema.job_runs AS r ON r.id = l.ref
            WHERE l.kind = 'run' AND r.finished_at IS NOT NULL
            FOR UPDATE OF l SKIP LOCKED)";
    sqlx::query(store.statements.of(over)).execute(&mut *db).await?;
    under_way::count_now(store, &mut db).await?;
    let limits: Vec<i64> = sqlx::query_scalar(store.statements.of(sql)).fetch_all(&mut *db).await?;
    drop(db);
    settle(store, limits.into_iter().map(|id| (id, 1)).collect()).await
}

/// Looks at the limits whose rates have something to let go now.
pub(super) async fn wake_due(store: &PgStore) -> DbResult<()> {
    let sql = "SELECT id FROM :schema.limits
        WHERE wake_at <= (extract(epoch FROM coalesce($1::timestamptz, clock_timestamp())) * 1000000)::bigint";
    let mut db = store.pools.queue().await?;
    let limits: Vec<i64> =
        sqlx::query_scalar(store.statements.of(sql)).bind(store.moment()).fetch_all(&mut *db).await?;
    drop(db);
    settle(store, limits.into_iter().map(|id| (id, u32::MAX)).collect()).await
}

/// Lets so many parked tasks go on at each limit, as far as there is room.
async fn settle(store: &PgStore, owed: HashMap<i64, u32>) -> DbResult<()> {
    if owed.is_empty() {
        return Ok(());
    }
    let limits: Vec<i64> = owed.keys().copied().collect();
    let mut tx = store.pools.queue_transaction().await?;
    let mut lots = Lots::lock(store, &mut tx, &limits).await?;
    let back = lots.settle(store, &mut tx, &owed).await?;
    tx.commit().await?;
    if back > 0 {
        store.notices.tell([Notice::Ready]);
    }
    Ok(())
}

/// Limits that a transaction has locked.
pub(crate) struct Lots {
    lots: HashMap<i64, Lot>,
    /// Microseconds since 1970, read under the locks.
    now: i64,
}

/// A limit with the place for tasks that it holds back.
struct Lot {
    gate: Gate,
    wake_at: Option<i64>,
    /// Whether tasks were parked here when it was locked.
    has_parked: bool,
    /// The start times and the wake-up as they stand in the row.
    written: (Option<i64>, Option<i64>),
}

impl Lots {
    /// Locks limits before anything else is locked.
    pub(crate) async fn lock(store: &PgStore, tx: &mut PgConnection, limits: &[i64]) -> DbResult<Self> {
        let mut this = Self { lots: HashMap::new(), now: 0 };
        if limits.is_empty() {
            return Ok(this);
        }
        let rows = sqlx::query(store.statements.of(LOCK_LIMITS))
            .bind(limits)
            .bind(store.moment())
            .fetch_all(&mut *tx)
            .await?;
        for row in rows {
            let (next_start, wake_at) = (columns::get(&row, 5)?, columns::get(&row, 6)?);
            let gate =
                Gate { limit: limit(&row, 1)?, paused: columns::get(&row, 7)?, running: 0, next_start };
            let lot = Lot { gate, wake_at, has_parked: false, written: (next_start, wake_at) };
            this.lots.insert(columns::get(&row, 0)?, lot);
            this.now = this.now.max(columns::get(&row, 8)?);
        }
        let rows = sqlx::query(store.statements.of(LIMITS_IN_USE)).bind(limits).fetch_all(tx).await?;
        for row in rows {
            if let Some(lot) = this.lots.get_mut(&columns::get::<i64>(&row, 0)?) {
                lot.gate.running = u32::try_from(columns::get::<i64>(&row, 1)?).unwrap_or(u32::MAX);
                lot.has_parked = columns::get(&row, 2)?;
            }
        }
        Ok(this)
    }

    /// Whether a task under these limits may start, and which of them keeps it longest if not.
    pub(super) fn barrier(&self, on: &[i64]) -> Option<i64> {
        let (mut barrier, mut longest) = (None, Passage::Open);
        for (id, lot) in on.iter().filter_map(|id| Some((*id, self.lots.get(id)?))) {
            let passage = lot.gate.passage(self.now);
            if passage != longest && passage.longer(longest) == passage {
                (barrier, longest) = (Some(id), passage);
            }
        }
        barrier
    }

    /// Takes note of a start under these limits.
    pub(super) fn start(&mut self, on: &[i64]) {
        for id in on {
            if let Some(lot) = self.lots.get_mut(id) {
                lot.gate.start(self.now);
            }
        }
    }

    /// Takes note of a task that is parked at one of its limits. The room that it does not use at the others is for the next
    /// there: which of them have both.
    pub(super) fn park(&mut self, on: &[i64], at: i64) -> Vec<i64> {
        let now = self.now;
        let mut others = Vec::new();
        for id in on {
            let Some(lot) = self.lots.get_mut(id) else { continue };
            if *id == at {
                lot.has_parked = true;
            } else if lot.has_parked && lot.gate.room(now) > 0 {
                others.push(*id);
            }
        }
        others
    }

    /// Lets as many parked tasks go on as are `owed` to each limit, no more than it has room for, the first in order; then
    /// says when each wants to be looked at again. Answers how many went.
    pub(crate) async fn settle(
        &mut self,
        store: &PgStore,
        tx: &mut PgConnection,
        owed: &HashMap<i64, u32>,
    ) -> DbResult<u64> {
        let mut back = 0;
        let (mut with_room, mut rooms) = (Vec::new(), Vec::new());
        let (mut ids, mut starts, mut wakes) = (Vec::new(), Vec::new(), Vec::new());
        for (id, lot) in &mut self.lots {
            let most = owed.get(id).copied().unwrap_or_default();
            let room = lot.gate.room(self.now).min(most);
            if room > 0 && lot.has_parked {
                with_room.push(*id);
                rooms.push(i64::from(room));
            }
            lot.wake_at = match lot.gate.passage(self.now) {
                Passage::From(moment) if lot.has_parked => Some(moment),
                // Time made more room than tasks were let go for.
                Passage::Open if most == 0 && lot.gate.limit.rate.is_some() && lot.has_parked => {
                    Some(self.now)
                }
                _ => None,
            };
            let now = (lot.gate.next_start, lot.wake_at);
            if now != lot.written {
                ids.push(*id);
                starts.push(now.0);
                wakes.push(now.1);
                lot.written = now;
            }
        }
        if !with_room.is_empty() {
            let unparked = sqlx::query(store.statements.of(UNPARK)).bind(&with_room).bind(&rooms);
            back = unparked.execute(&mut *tx).await?.rows_affected();
        }
        if !ids.is_empty() {
            let sql = "UPDATE :schema.limits AS l SET next_start = given.next_start, wake_at = given.wake_at
                FROM unnest($1::bigint[], $2::bigint[], $3::bigint[]) AS given (id, next_start, wake_at)
                WHERE l.id = given.id";
            let written = sqlx::query(store.statements.of(sql)).bind(&ids).bind(&starts).bind(&wakes);
            written.execute(tx).await?;
        }
        Ok(back)
    }
}

/// A limit, from the columns `running_max, rate_starts, rate_per, rate_burst`, of which the first stands at `at`.
pub(crate) fn limit(row: &PgRow, at: usize) -> sqlx::Result<Limit> {
    let number = |index: usize| {
        let number: Option<i64> = columns::get(row, index)?;
        Ok::<_, sqlx::Error>(number.map(|number| u32::try_from(number).unwrap_or(u32::MAX)))
    };
    let rate = match (number(at + 1)?, columns::get::<Option<i64>>(row, at + 2)?, number(at + 3)?) {
        (Some(starts), Some(per), Some(burst)) => {
            Some(Rate { starts, per: Duration::from_micros(per.unsigned_abs()), burst })
        }
        _ => None,
    };
    Ok(Limit { running: number(at)?, rate })
}
