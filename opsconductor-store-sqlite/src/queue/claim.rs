//! Workers take what is ready.

use std::{cmp::Reverse, time::Duration};

use opsconductor_core::{
    id::{RunId, TaskId, TenantId, WorkerId},
    store::{Claimed, Lease},
};
use rusqlite::{Connection, OptionalExtension, Row, named_params, params};

use super::{limited, parking};
use crate::{
    columns,
    error::DbResult,
    events::{EventRow, Events, Place},
    writer::Tx,
};

const CLAIM: &str = include_str!("../../sql/claim.sql");

/// A claimed task with the order it stands in.
struct Taken {
    priority: i16,
    due_at: i64,
    claimed: Claimed,
}

pub(super) fn claim(
    tx: &mut Tx<'_>,
    worker: WorkerId,
    limit: usize,
    ttl: Duration,
) -> DbResult<Vec<Claimed>> {
    if parking::is_used(tx.db)? {
        let claimed = limited::claim(tx, worker, limit, ttl)?;
        tell(tx, &claimed)?;
        return Ok(claimed);
    }
    let mut taken = Vec::new();
    let mut above = None;
    // Priorities are few. Going from one to the next lets the index skip what is not yet due.
    while taken.len() < limit
        && let Some(priority) = next_priority(tx.db, above)?
    {
        take(tx, worker, limit - taken.len(), ttl, priority, &mut taken)?;
        above = Some(priority);
    }
    taken.sort_unstable_by_key(|task| (Reverse(task.priority), task.due_at, task.claimed.lease.task));
    let claimed: Vec<_> = taken.into_iter().map(|task| task.claimed).collect();
    tell(tx, &claimed)?;
    Ok(claimed)
}

/// The highest priority below `above` that has a queued task.
pub(super) fn next_priority(db: &Connection, above: Option<i16>) -> DbResult<Option<i16>> {
    let sql = "SELECT priority FROM queue WHERE state = 'queued' AND parked_on IS NULL AND priority < ?1
        ORDER BY priority DESC LIMIT 1";
    let above = above.map_or(i64::MAX, i64::from);
    Ok(db.prepare_cached(sql)?.query_row([above], |row| row.get(0)).optional()?)
}

fn take(
    tx: &Tx<'_>,
    worker: WorkerId,
    limit: usize,
    ttl: Duration,
    priority: i16,
    taken: &mut Vec<Taken>,
) -> DbResult<()> {
    let read = |row: &Row<'_>| {
        let lease = Lease {
            task: TaskId::new(row.get(0)?),
            run: RunId::new(row.get(1)?),
            epoch: row.get(6)?,
            worker,
        };
        let claimed = Claimed {
            lease,
            tenant: TenantId::new(row.get(2)?),
            step: row.get(3)?,
            target: columns::target(row, 4)?,
            attempt: row.get(5)?,
            ttl,
        };
        Ok(Taken { priority, due_at: row.get(7)?, claimed })
    };
    let mut statement = tx.db.prepare_cached(CLAIM)?;
    let rows = statement.query_map(
        named_params! {
            ":worker": worker.to_string(),
            ":now": tx.now,
            ":steady": tx.steady,
            ":until": columns::after(tx.steady, ttl),
            ":priority": priority,
            ":limit": columns::count(limit),
        },
        read,
    )?;
    for row in rows {
        taken.push(row?);
    }
    Ok(())
}

/// Starts the runs whose first task this is, and writes the events.
fn tell(tx: &mut Tx<'_>, claimed: &[Claimed]) -> DbResult<()> {
    let mut events = Events::default();
    let mut seen = std::collections::HashSet::new();
    for task in claimed {
        let run = task.lease.run;
        if seen.insert(run) {
            let sql =
                "UPDATE job_runs SET status = 'running', started_at = ?2 WHERE id = ?1 AND status = 'queued'";
            if tx.db.prepare_cached(sql)?.execute(params![run.get(), tx.now])? > 0 {
                events.push(tx, run, EventRow::run_started())?;
            }
        }
        let place = Place { task: task.lease.task, step: task.step, target: task.target };
        events.push(tx, run, EventRow::started(place, task.attempt))?;
    }
    Ok(())
}

/// When the next task will be due, by the steady clock.
pub(super) fn next_due(db: &Connection, now: i64) -> DbResult<Option<i64>> {
    let sql = "SELECT due_at FROM queue WHERE state = 'queued' AND parked_on IS NULL AND priority = ?1 AND due_at > ?2
        ORDER BY due_at LIMIT 1";
    let mut earliest = parking::next_wake(db)?;
    let mut above = None;
    while let Some(priority) = next_priority(db, above)? {
        let due: Option<i64> =
            db.prepare_cached(sql)?.query_row(params![priority, now], |row| row.get(0)).optional()?;
        earliest = earliest.into_iter().chain(due).min();
        above = Some(priority);
    }
    Ok(earliest)
}
