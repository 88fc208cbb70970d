//! The numbered events of runs: put together here, written with their runs, read in [`crate::history`].

use opsconductor_core::{
    id::{RunId, TargetId, TaskId, TenantId},
    run::{RunStatus, TaskStatus},
};

/// Which task an event is about.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Place {
    pub(crate) task: TaskId,
    pub(crate) step: u32,
    pub(crate) target: Option<TargetId>,
}

/// One event as it goes into its row. Those of a claim and of output are made where they happen, in SQL.
#[derive(Debug, Clone)]
pub(crate) struct EventRow {
    kind: &'static str,
    place: Option<Place>,
    status: Option<&'static str>,
    reason: Option<String>,
}

impl EventRow {
    pub(crate) fn run_finished(status: RunStatus) -> Self {
        Self { kind: "run.finished", place: None, status: Some(status.as_str()), reason: None }
    }

    pub(crate) fn requeued(place: Place, reason: String) -> Self {
        Self { kind: "step.waiting", place: Some(place), status: None, reason: Some(reason) }
    }

    pub(crate) fn finished(place: Place, status: TaskStatus, reason: Option<String>) -> Self {
        Self { kind: "step.finished", place: Some(place), status: Some(status.as_str()), reason }
    }
}

/// Events as columns.
#[derive(Debug, Default)]
pub(crate) struct EventColumns {
    pub(crate) run: Vec<i64>,
    pub(crate) seq: Vec<i64>,
    pub(crate) tenant: Vec<i64>,
    pub(crate) kind: Vec<&'static str>,
    pub(crate) task: Vec<Option<i64>>,
    pub(crate) step: Vec<Option<i32>>,
    pub(crate) target: Vec<Option<i64>>,
    pub(crate) status: Vec<Option<&'static str>>,
    pub(crate) reason: Vec<Option<String>>,
}

impl EventColumns {
    pub(crate) fn push(&mut self, run: RunId, tenant: TenantId, seq: i64, event: EventRow) {
        self.run.push(run.get());
        self.seq.push(seq);
        self.tenant.push(tenant.get());
        self.kind.push(event.kind);
        self.task.push(event.place.map(|place| place.task.get()));
        self.step.push(event.place.map(|place| crate::columns::int(place.step)));
        self.target.push(event.place.and_then(|place| place.target).map(TargetId::get));
        self.status.push(event.status);
        self.reason.push(event.reason);
    }
}
