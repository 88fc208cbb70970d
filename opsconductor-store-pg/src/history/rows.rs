//! Rows of the history as records.

use opsconductor_core::{
    id::{JobId, RunId, TaskId, UserId},
    run::{Event, EventKind},
    store::{AttemptRecord, OutputChunk, RunRecord, TaskRecord},
    transport::Stream,
};
use sqlx::{postgres::PgRow, types::Json};

use crate::columns;

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

pub(super) fn event(row: &PgRow, run: RunId) -> sqlx::Result<Event> {
    let kind = match columns::get::<&str>(row, 1)? {
        "run.queued" => EventKind::RunQueued,
        "run.started" => EventKind::RunStarted,
        "run.finished" => EventKind::RunFinished { status: columns::parsed(row, 7)? },
        "step.started" => EventKind::StepStarted { attempt: columns::unsigned(row, 6)? },
        "step.output" => EventKind::StepOutput { stream: stream(row, 9)?, text: columns::utf8(row, 10)? },
        "step.waiting" => EventKind::StepRequeued { reason: columns::text_or_empty(row, 8)? },
        _ => EventKind::StepFinished { status: columns::parsed(row, 7)?, reason: columns::get(row, 8)? },
    };
    let step = match columns::get::<Option<i32>>(row, 4)? {
        Some(_) => Some(columns::unsigned(row, 4)?),
        None => None,
    };
    Ok(Event {
        run,
        seq: columns::get::<i64>(row, 0)? as u64,
        task: columns::id_or_none(row, 3, TaskId::new)?,
        step,
        target: columns::target(row, 5)?,
        kind,
        at: columns::get(row, 2)?,
    })
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
