//! The numbered events of runs: written here, read in [`crate::history`].

use std::collections::HashMap;

use opsconductor_core::{
    id::{RunId, TargetId, TaskId},
    run::{RunStatus, TaskStatus},
    store::Notice,
};
use rusqlite::{OptionalExtension, named_params};

use crate::{error::DbResult, writer::Tx};

/// Numbers the events that one request writes. The writer is alone, so the highest number in the table is the last.
#[derive(Default)]
pub(crate) struct Events {
    last: HashMap<RunId, i64>,
}

/// One event as it stands in its row.
#[derive(Clone, Copy, Default)]
pub(crate) struct EventRow<'a> {
    kind: &'static str,
    place: Option<Place>,
    attempt: Option<u32>,
    chunk_seq: Option<u32>,
    status: Option<&'static str>,
    reason: Option<&'a str>,
}

/// Which task an event is about.
#[derive(Clone, Copy)]
pub(crate) struct Place {
    pub(crate) task: TaskId,
    pub(crate) step: u32,
    pub(crate) target: Option<TargetId>,
}

impl<'a> EventRow<'a> {
    pub(crate) fn run_queued() -> Self {
        Self { kind: "run.queued", ..Self::default() }
    }

    pub(crate) fn run_started() -> Self {
        Self { kind: "run.started", ..Self::default() }
    }

    pub(crate) fn run_finished(status: RunStatus) -> Self {
        Self { kind: "run.finished", status: Some(status.as_str()), ..Self::default() }
    }

    pub(crate) fn started(place: Place, attempt: u32) -> Self {
        Self { kind: "step.started", place: Some(place), attempt: Some(attempt), ..Self::default() }
    }

    pub(crate) fn output(place: Place, attempt: u32, seq: u32) -> Self {
        let (attempt, chunk_seq) = (Some(attempt), Some(seq));
        Self { kind: "step.output", place: Some(place), attempt, chunk_seq, ..Self::default() }
    }

    pub(crate) fn requeued(place: Place, reason: &'a str) -> Self {
        Self { kind: "step.waiting", place: Some(place), reason: Some(reason), ..Self::default() }
    }

    pub(crate) fn finished(place: Place, status: TaskStatus, reason: Option<&'a str>) -> Self {
        let status = Some(status.as_str());
        Self { kind: "step.finished", place: Some(place), status, reason, ..Self::default() }
    }
}

impl Events {
    /// For a run that was just written and has none.
    pub(crate) fn of_new(run: RunId) -> Self {
        Self { last: HashMap::from([(run, 0)]) }
    }

    /// Appends an event to a run.
    pub(crate) fn push(&mut self, tx: &mut Tx<'_>, run: RunId, event: EventRow<'_>) -> DbResult<()> {
        let last = match self.last.get_mut(&run) {
            Some(last) => last,
            None => {
                let sql = "SELECT seq FROM run_events WHERE run_id = ?1 ORDER BY seq DESC LIMIT 1";
                let last = tx.prepare(sql)?.query_row([run.get()], |row| row.get(0)).optional()?;
                tx.notice(Notice::Run(run));
                self.last.entry(run).or_insert(last.unwrap_or(0))
            }
        };
        *last += 1;
        let sql = "INSERT INTO run_events
                (run_id, seq, kind, at, task_id, idx, target_id, attempt, chunk_seq, status, reason)
            VALUES (:run, :seq, :kind, :at, :task, :idx, :target, :attempt, :chunk, :status, :reason)";
        tx.prepare(sql)?.execute(named_params! {
            ":run": run.get(),
            ":seq": *last,
            ":kind": event.kind,
            ":at": tx.now,
            ":task": event.place.map(|place| place.task.get()),
            ":idx": event.place.map(|place| place.step),
            ":target": event.place.and_then(|place| place.target).map(TargetId::get),
            ":attempt": event.attempt,
            ":chunk": event.chunk_seq,
            ":status": event.status,
            ":reason": event.reason,
        })?;
        Ok(())
    }
}
