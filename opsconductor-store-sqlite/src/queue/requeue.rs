//! Tasks go back to the queue.

use opsconductor_core::{
    Result,
    run::{TaskStatus, plan::TaskKey},
    store::{Notice, Requeue, WaitsFor},
};
use rusqlite::{OptionalExtension, Row, named_params};

use super::{
    advance::{self, Idle},
    complete::end_attempt,
    lease::step_stops,
    parking::{self, Belongs},
};
use crate::{
    columns,
    error::{DbResult, invalid},
    events::{EventRow, Events, Place},
    writer::Tx,
};

const REQUEUE: &str = include_str!("../../sql/requeue.sql");

/// Refuses what is not the end of an attempt.
pub(super) fn check(tasks: &[Requeue]) -> Result<()> {
    match tasks.iter().find(|task| !task.attempt_status.is_final()) {
        Some(wrong) => {
            Err(invalid("an attempt can only end in a final status").with("status", wrong.attempt_status))
        }
        None => Ok(()),
    }
}

pub(super) fn requeue(tx: &mut Tx<'_>, tasks: &[Requeue]) -> DbResult<Vec<bool>> {
    let mut events = Events::default();
    tasks.iter().map(|task| requeue_one(tx, &mut events, task)).collect()
}

fn requeue_one(tx: &mut Tx<'_>, events: &mut Events, task: &Requeue) -> DbResult<bool> {
    let lease = &task.lease;
    let read = |row: &Row<'_>| {
        let place = Place { task: lease.task, step: row.get(0)?, target: columns::target(row, 5)? };
        Ok((place, row.get::<_, u32>(1)?, row.get::<_, i64>(2)?, Belongs::read(row, 3)?))
    };
    let kept = task.suspend.is_some_and(WaitsFor::keeps_attempt);
    let given_back = tx
        .db
        .prepare_cached(REQUEUE)?
        .query_row(
            named_params! {
                ":due_at": columns::after(tx.steady, task.delay),
                ":suspended": task.suspend.map(WaitsFor::as_str),
                ":kept": kept,
                ":question": task.suspend.filter(|waits| waits.is_question()).map(|_| &task.reason),
                ":now": tx.now,
                ":task": lease.task.get(),
                ":run": lease.run.get(),
                ":epoch": lease.epoch,
                ":worker": lease.worker.to_string(),
            },
            read,
        )
        .optional()?;
    let Some((place, attempt, started_at, belongs)) = given_back else { return Ok(false) };
    let stop = step_stops(tx, lease.run, place.step)?;
    if stop.is_some() || !kept {
        end_attempt(tx, lease, attempt, started_at, task.attempt_status, Some(&task.reason))?;
    }
    if let Some((_, reason)) = stop {
        let sql = "DELETE FROM queue WHERE task_id = ?1 RETURNING task_id, idx, target_id, attempt + kept, started_at";
        let idle = tx.db.prepare_cached(sql)?.query_row([lease.task.get()], Idle::read)?;
        parking::freed(tx, &[belongs])?;
        advance::end_idle(tx, events, lease.run, vec![idle], TaskStatus::Aborted, &reason)?;
        let key = TaskKey { step: place.step, target: place.target };
        advance::advance(tx, events, lease.run, &[(key, TaskStatus::Aborted)])?;
        return Ok(true);
    }
    parking::freed(tx, &[belongs])?;
    events.push(tx, lease.run, EventRow::requeued(place, &task.reason))?;
    tx.notice(Notice::Ready);
    Ok(true)
}
