//! The numbered events of runs: put together here, written with their runs, read in [`crate::history`].

use opsconductor_core::{
    id::{RunId, TargetId, TaskId, TenantId},
    run::{EventKind, RunStatus, TaskStatus},
};
use serde::{Deserialize, Serialize};

use crate::{columns, error::DbResult};

/// How many events go into one row at most. More would be read for a page that wants few of them.
const TOLD_MAX: usize = 256;

/// Which task an event is about.
#[derive(Debug, Clone, Copy, Serialize, Deserialize)]
pub(crate) struct Place {
    pub(crate) task: TaskId,
    pub(crate) step: u32,
    pub(crate) target: Option<TargetId>,
}

/// What is told of a run. Starts of tasks and output are told where they happen, in SQL.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(tag = "kind")]
pub(crate) enum Told {
    #[serde(rename = "run.finished")]
    RunFinished { status: RunStatus },
    #[serde(rename = "step.waiting")]
    Requeued {
        #[serde(flatten)]
        place: Place,
        reason: String,
    },
    #[serde(rename = "step.finished")]
    Finished {
        #[serde(flatten)]
        place: Place,
        status: TaskStatus,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        reason: Option<String>,
    },
}

impl Told {
    /// Whom it is about, and what happened.
    pub(crate) fn parts(self) -> (Option<Place>, EventKind) {
        match self {
            Self::RunFinished { status } => (None, EventKind::RunFinished { status }),
            Self::Requeued { place, reason } => (Some(place), EventKind::StepRequeued { reason }),
            Self::Finished { place, status, reason } => {
                (Some(place), EventKind::StepFinished { status, reason })
            }
        }
    }
}

/// What is told of runs, as columns.
#[derive(Debug, Default)]
pub(crate) struct ToldColumns {
    pub(crate) run: Vec<i64>,
    pub(crate) seq: Vec<i64>,
    pub(crate) tenant: Vec<i64>,
    pub(crate) told: Vec<String>,
}

impl ToldColumns {
    /// Adds what is told of a run after its event number `last`, and answers with the number of its last event then.
    pub(crate) fn push(&mut self, run: RunId, tenant: TenantId, last: i64, told: &[Told]) -> DbResult<i64> {
        let mut seq = last;
        for row in told.chunks(TOLD_MAX) {
            seq += row.len() as i64;
            self.run.push(run.get());
            self.seq.push(seq);
            self.tenant.push(tenant.get());
            self.told.push(columns::to_json(row)?);
        }
        Ok(seq)
    }
}
