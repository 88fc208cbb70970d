//! Rows of the history as records.

use opsconductor_core::{
    clock::Timestamp,
    id::{JobId, RunId, TargetId, TaskId, UserId},
    run::{Event, EventKind, TaskStatus, plan::TaskKey},
    store::{AttemptRecord, OutputChunk, RunRecord, SealedParameter, TaskRecord},
    transport::Stream,
};
use sqlx::{postgres::PgRow, types::Json};

use crate::{
    columns,
    error::DbResult,
    events::{Place, Told},
};

pub(super) fn run_record(row: &PgRow) -> sqlx::Result<RunRecord> {
    let Json(labels) = columns::get(row, 11)?;
    Ok(RunRecord {
        id: RunId::new(columns::get(row, 0)?),
        job: JobId::new(columns::get(row, 1)?),
        job_version: columns::get(row, 2)?,
        status: columns::parsed(row, 3)?,
        cancel_requested: columns::get(row, 4)?,
        requested_by: columns::id_or_none(row, 5, UserId::new)?,
        parameters: columns::object(row, 6)?,
        correlation_id: columns::get(row, 7)?,
        idempotency_key: columns::get(row, 8)?,
        priority: columns::get(row, 9)?,
        parent: columns::id_or_none(row, 10, RunId::new)?,
        concurrency_key: columns::get(row, 15)?,
        labels,
        queued_at: columns::get(row, 12)?,
        started_at: columns::get(row, 13)?,
        finished_at: columns::get(row, 14)?,
    })
}

pub(super) fn sealed(row: &PgRow) -> sqlx::Result<SealedParameter> {
    Ok(SealedParameter {
        name: columns::get(row, 0)?,
        id: columns::get(row, 1)?,
        version: columns::get(row, 2)?,
        sealed: columns::get(row, 3)?,
    })
}

pub(super) fn task(row: &PgRow, run: RunId) -> sqlx::Result<TaskRecord> {
    Ok(TaskRecord {
        id: TaskId::new(columns::get(row, 0)?),
        run,
        step: columns::unsigned(row, 1)?,
        kind: columns::get(row, 2)?,
        target: columns::target(row, 3)?,
        status: columns::parsed(row, 4)?,
        attempt: columns::unsigned(row, 5)?,
        exit_code: columns::get(row, 6)?,
        stdout: columns::text_or_empty(row, 7)?,
        stderr: columns::text_or_empty(row, 8)?,
        reason: columns::get(row, 9)?,
        metrics: columns::object(row, 10)?,
        started_at: columns::get(row, 11)?,
        finished_at: columns::get(row, 12)?,
    })
}

pub(super) fn outcome(row: &PgRow) -> sqlx::Result<(TaskKey, TaskStatus)> {
    let key = TaskKey { step: columns::unsigned(row, 0)?, target: columns::target(row, 1)? };
    Ok((key, columns::parsed(row, 2)?))
}

pub(super) fn attempt(row: &PgRow, task: TaskId) -> sqlx::Result<AttemptRecord> {
    Ok(AttemptRecord {
        task,
        attempt: columns::unsigned(row, 0)?,
        worker: columns::worker(row, 1)?,
        status: columns::parsed(row, 2)?,
        reason: columns::get(row, 3)?,
        started_at: columns::get(row, 4)?,
        finished_at: columns::get(row, 5)?,
    })
}

/// The run was enqueued: the first event of every run.
pub(crate) fn queued(run: RunId, at: Timestamp) -> Event {
    event(run, 1, at, None, EventKind::RunQueued)
}

/// The events of a row, in order.
pub(crate) fn events(row: &PgRow, run: RunId) -> DbResult<Vec<Event>> {
    let (last, at): (i64, Timestamp) = (columns::get(row, 0)?, columns::get(row, 1)?);
    let events = match (columns::get::<Option<&str>>(row, 7)?, columns::get::<Option<bool>>(row, 2)?) {
        (Some(told), _) => serde_json::from_str::<Vec<Told>>(told)?.into_iter().map(Told::parts).collect(),
        (None, Some(begins)) => started(row, begins)?,
        (None, None) => output(row)?,
    };
    let before = (last as u64).saturating_sub(events.len() as u64);
    let numbered = (before + 1..).zip(events);
    Ok(numbered.map(|(seq, (place, kind))| event(run, seq, at, place, kind)).collect())
}

type Happened = (Option<Place>, EventKind);

/// Tasks that started, and before them their run where it began with them.
fn started(row: &PgRow, begins: bool) -> sqlx::Result<Vec<Happened>> {
    let attempts: Vec<i32> = columns::get(row, 6)?;
    let mut happened: Vec<Happened> = Vec::from_iter(begins.then_some((None, EventKind::RunStarted)));
    for (place, attempt) in places(row)?.into_iter().zip(attempts) {
        happened.push((Some(place), EventKind::StepStarted { attempt: attempt.unsigned_abs() }));
    }
    Ok(happened)
}

/// A piece of output.
fn output(row: &PgRow) -> sqlx::Result<Vec<Happened>> {
    let kind = EventKind::StepOutput { stream: stream(row, 8)?, text: columns::utf8(row, 9)? };
    Ok(vec![(places(row)?.into_iter().next(), kind)])
}

fn places(row: &PgRow) -> sqlx::Result<Vec<Place>> {
    let (tasks, steps, targets): (Vec<i64>, Vec<i32>, Vec<Option<i64>>) =
        (columns::get(row, 3)?, columns::get(row, 4)?, columns::get(row, 5)?);
    let places = tasks.into_iter().zip(steps).zip(targets);
    Ok(places
        .map(|((task, step), target)| Place {
            task: TaskId::new(task),
            step: step.unsigned_abs(),
            target: target.map(TargetId::new),
        })
        .collect())
}

fn event(run: RunId, seq: u64, at: Timestamp, place: Option<Place>, kind: EventKind) -> Event {
    Event {
        run,
        seq,
        task: place.map(|place| place.task),
        step: place.map(|place| place.step),
        target: place.and_then(|place| place.target),
        kind,
        at,
    }
}

pub(super) fn chunk(row: &PgRow) -> sqlx::Result<OutputChunk> {
    Ok(OutputChunk {
        task: TaskId::new(columns::get(row, 0)?),
        step: columns::unsigned(row, 1)?,
        target: columns::target(row, 2)?,
        attempt: columns::unsigned(row, 3)?,
        seq: u32::try_from(columns::get::<i64>(row, 4)?).unwrap_or(u32::MAX),
        stream: stream(row, 5)?,
        at: columns::get(row, 6)?,
        text: columns::utf8(row, 7)?,
    })
}

fn stream(row: &PgRow, index: usize) -> sqlx::Result<Stream> {
    // The column's CHECK knows these two alone; a chunk that is gone has none.
    let name: Option<&str> = columns::get(row, index)?;
    Ok(if name == Some(Stream::Stderr.as_str()) { Stream::Stderr } else { Stream::Stdout })
}
