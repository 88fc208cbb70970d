//! Tasks end.

use std::collections::BTreeMap;

use opsconductor_core::{
    Result,
    id::RunId,
    run::{TaskStatus, plan::TaskKey},
    store::{Completion, Lease, NewLetter, Settled, tail},
};
use rusqlite::{OptionalExtension, named_params, params};

use super::{
    advance,
    lease::stop_of,
    parking::{self, Belongs},
};
use crate::{
    columns,
    error::{DbResult, invalid},
    events::{EventRow, Events, Place},
    history, plans,
    writer::Tx,
};

const HELD: &str = include_str!("../../sql/held.sql");
const END_TASK: &str = include_str!("../../sql/end_task.sql");

/// A completion with its JSON.
pub(super) struct Prepared {
    completion: Completion,
    metrics: Option<String>,
}

/// Refuses what is not an end, and makes the JSON before the writer is asked for a turn.
pub(super) fn prepare(completions: Vec<Completion>) -> Result<Vec<Prepared>> {
    let prepare = |completion: Completion| {
        if !completion.status.is_final() {
            return Err(invalid("a task can only end in a final status").with("status", completion.status));
        }
        let metrics = match completion.metrics.is_empty() {
            true => None,
            false => Some(columns::to_json(&completion.metrics)?),
        };
        Ok(Prepared { completion, metrics })
    };
    completions.into_iter().map(prepare).collect()
}

/// The tasks of one run that a batch of completions ended.
#[derive(Default)]
struct Ended {
    tasks: Vec<(TaskKey, TaskStatus)>,
    /// The place of the last of them in the batch.
    last: usize,
}

pub(super) fn complete(tx: &mut Tx<'_>, completions: &[Prepared]) -> DbResult<Vec<Settled>> {
    let mut events = Events::default();
    let mut answers = Vec::with_capacity(completions.len());
    let mut freed = Vec::with_capacity(completions.len());
    let mut ended: BTreeMap<RunId, Ended> = BTreeMap::new();
    for (index, prepared) in completions.iter().enumerate() {
        let Completion { lease, status, .. } = prepared.completion;
        let Some((key, belongs)) = end_held(tx, &mut events, prepared)? else {
            answers.push(repeated(tx, &lease)?);
            continue;
        };
        freed.push(belongs);
        answers.push(Settled::Recorded { run: None });
        let of_run = ended.entry(lease.run).or_default();
        of_run.tasks.push((key, status));
        of_run.last = index;
    }
    parking::freed(tx, &freed)?;
    for (run, Ended { tasks, last }) in ended {
        answers[last] = Settled::Recorded { run: advance::advance(tx, &mut events, run, &tasks)? };
    }
    Ok(answers)
}

/// Ends a task that a worker holds; none if the lease is not the present right to it.
fn end_held(
    tx: &mut Tx<'_>,
    events: &mut Events,
    prepared: &Prepared,
) -> DbResult<Option<(TaskKey, Belongs)>> {
    let completion = &prepared.completion;
    let lease = &completion.lease;
    let Some(Held { place, attempt, started_at, belongs }) = take_held(tx, lease)? else { return Ok(None) };
    let reason = completion.reason.as_deref();
    tx.db.prepare_cached(END_TASK)?.execute(named_params! {
        ":task": lease.task.get(),
        ":status": completion.status.as_str(),
        ":exit_code": completion.exit_code,
        ":stdout": tail(&completion.stdout),
        ":stderr": tail(&completion.stderr),
        ":metrics": prepared.metrics,
        ":reason": reason,
        ":attempt": attempt,
        ":started_at": started_at,
        ":now": tx.now,
        ":epoch": lease.epoch,
        ":worker": lease.worker.to_string(),
    })?;
    end_attempt(tx, lease, attempt, started_at, completion.status, reason)?;
    write_letter(tx, completion, place, attempt, belongs.tenant)?;
    events.push(tx, lease.run, EventRow::finished(place, completion.status, reason))?;
    Ok(Some((TaskKey { step: place.step, target: place.target }, belongs)))
}

/// Writes the letter for a task that ended, if it gets one.
fn write_letter(
    tx: &Tx<'_>,
    completion: &Completion,
    place: Place,
    attempt: u32,
    tenant: i64,
) -> DbResult<()> {
    if !matches!(completion.status, TaskStatus::Failed | TaskStatus::Lost) {
        return Ok(());
    }
    let run = completion.lease.run;
    let (plan, canceled) = (
        plans::of(tx.plans, tx.db, run)?,
        stop_of(tx, run)?.is_some_and(|(stopping, _)| stopping.is_cancel()),
    );
    let key = TaskKey { step: place.step, target: place.target };
    let Some(letter) = NewLetter::of(&plan, key, completion.status, attempt, canceled) else { return Ok(()) };
    let sql = "INSERT INTO dlq (tenant_id, topic, payload, error, created_at, run_id, task_id)
        VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)";
    tx.db.prepare_cached(sql)?.execute(params![
        tenant,
        letter.topic,
        columns::to_json(&letter.payload)?,
        completion.reason,
        tx.now,
        run.get(),
        place.task.get(),
    ])?;
    Ok(())
}

/// What the queue knew of a task.
struct Held {
    place: Place,
    attempt: u32,
    started_at: i64,
    belongs: Belongs,
}

/// Takes a task out of the queue.
fn take_held(tx: &Tx<'_>, lease: &Lease) -> DbResult<Option<Held>> {
    let held = tx.db.prepare_cached(HELD)?.query_row(
        named_params! {
            ":task": lease.task.get(),
            ":run": lease.run.get(),
            ":epoch": lease.epoch,
            ":worker": lease.worker.to_string(),
        },
        |row| {
            Ok(Held {
                place: Place { task: lease.task, step: row.get(0)?, target: columns::target(row, 5)? },
                attempt: row.get(1)?,
                started_at: row.get(2)?,
                belongs: Belongs::read(row, 3)?,
            })
        },
    );
    let held = held.optional()?;
    if held.is_some() {
        // Apart, because RETURNING would build a table of its own for one row.
        let sql = "DELETE FROM queue WHERE task_id = ?1";
        tx.db.prepare_cached(sql)?.execute([lease.task.get()])?;
    }
    Ok(held)
}

/// Records a try that has ended.
pub(super) fn end_attempt(
    tx: &Tx<'_>,
    lease: &Lease,
    attempt: u32,
    started_at: i64,
    status: TaskStatus,
    reason: Option<&str>,
) -> DbResult<()> {
    let sql = "INSERT INTO task_attempts (task_id, attempt, worker, status, reason, started_at, finished_at)
        VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)";
    let worker = lease.worker.to_string();
    tx.db.prepare_cached(sql)?.execute(params![
        lease.task.get(),
        attempt,
        worker,
        status.as_str(),
        reason,
        started_at,
        tx.now
    ])?;
    Ok(())
}

/// What to answer to a completion whose lease is not the present one.
fn repeated(tx: &Tx<'_>, lease: &Lease) -> DbResult<Settled> {
    let sql = "SELECT 1 FROM job_run_steps
        WHERE id = ?1 AND job_run_id = ?2 AND end_epoch = ?3 AND end_worker = ?4";
    let params = params![lease.task.get(), lease.run.get(), lease.epoch, lease.worker.to_string()];
    let same = tx.db.prepare_cached(sql)?.query_row(params, |_| Ok(())).optional()?;
    if same.is_none() {
        return Ok(Settled::Stale);
    }
    let status = history::run_status(tx.db, lease.run)?;
    Ok(Settled::Recorded { run: status.filter(|status| status.is_final()) })
}
