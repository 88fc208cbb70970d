//! The parts of a run, one after the other: what it is about, what follows a failure, what is done in any case; and how far a
//! run is to stop.
//!
//! ```text
//! steps ──▶ onFailure, when the run has failed ──▶ finally ──▶ the end
//! ```

use super::{
    advance::{Idle, Ledger, StepCounters, Waiting},
    plan::{PlannedStep, RunPlan, Runs},
    state::{RunStatus, TaskStatus},
};
use crate::Result;

/// The part that a run is in.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Phase {
    /// What it is about.
    Main,
    /// What follows a failure.
    OnFailure,
    /// What is done in any case.
    Finally,
    /// Nothing is left.
    Over,
}

impl Phase {
    /// Where a run with these counters is.
    pub fn of(plan: &RunPlan, counters: &[StepCounters]) -> Self {
        let phase = |(step, count): (&PlannedStep, &StepCounters)| match (count.remaining, step.runs) {
            (0, _) => Self::Over,
            (_, Runs::OnSuccess) => Self::Main,
            (_, Runs::OnFailure) => Self::OnFailure,
            (_, Runs::Always) => Self::Finally,
        };
        plan.steps.iter().zip(counters).map(phase).min().unwrap_or(Self::Over)
    }
}

/// How far a run is to stop. It is kept with the run, as a number.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default)]
pub enum Stopping {
    /// It goes on.
    #[default]
    No,
    /// It took too long: what it is about stops.
    Overdue,
    /// It was canceled: all stops but what is done in any case.
    Canceled,
    /// It was canceled again: all stops.
    Whole,
}

impl Stopping {
    /// Every one, in order.
    const ALL: [Self; 4] = [Self::No, Self::Overdue, Self::Canceled, Self::Whole];

    /// The number that a database keeps.
    pub fn number(self) -> i16 {
        self as i16
    }

    /// The one with this [number](Self::number).
    pub fn from_number(number: i16) -> Self {
        usize::try_from(number).ok().and_then(|at| Self::ALL.get(at).copied()).unwrap_or(Self::Whole)
    }

    /// Whether someone canceled it.
    pub fn is_cancel(self) -> bool {
        self >= Self::Canceled
    }

    /// Whether it lets the tasks of `step` go on.
    pub fn spares(self, step: &PlannedStep) -> bool {
        match self {
            Self::No => true,
            Self::Overdue => step.runs != Runs::OnSuccess,
            Self::Canceled => step.runs == Runs::Always,
            Self::Whole => false,
        }
    }

    /// What a cancel makes of it; none where it changes nothing. One that comes again stops what is done in any case only once
    /// nothing else is left: whoever repeats a call whose answer was lost does no harm.
    pub fn canceled(self, plan: &RunPlan, counters: &[StepCounters]) -> Option<Self> {
        match self {
            Self::No | Self::Overdue => Some(Self::Canceled),
            Self::Canceled => (Phase::of(plan, counters) == Phase::Finally).then_some(Self::Whole),
            Self::Whole => None,
        }
    }
}

/// Opens the parts that a run has come to since it was in `before`, and answers how it ended if it did.
///
/// # Errors
///
/// Whatever the ledger fails with.
pub fn go_on(
    plan: &RunPlan,
    before: Phase,
    counters: &mut [StepCounters],
    stopping: Stopping,
    ledger: &mut dyn Ledger,
) -> Result<Option<RunStatus>> {
    let mut at = before;
    loop {
        let now = Phase::of(plan, counters);
        if now <= at || now == Phase::Over {
            return Ok(run_status(plan, counters, stopping));
        }
        at = now;
        let (runs, skip) = match now {
            Phase::OnFailure if stopping.is_cancel() => (Runs::OnFailure, Some("the run was canceled")),
            Phase::OnFailure if !has_failed(plan, counters) => {
                (Runs::OnFailure, Some("the run has not failed"))
            }
            Phase::OnFailure => (Runs::OnFailure, None),
            _ => (Runs::Always, None),
        };
        for (step, index) in plan.steps.iter().zip(0_u32..).filter(|(step, _)| step.runs == runs) {
            match skip {
                Some(reason) => {
                    let status = TaskStatus::Skipped;
                    let ended = ledger.end(index, Waiting::All, Idle::Waiting, status, reason)?;
                    counters[index as usize].count(status, ended.len() as u32);
                }
                None if step.edges.is_empty() => ledger.release(index, Waiting::All)?,
                None => {}
            }
        }
    }
}

/// How a run with these counters ended, or `None` while a task is left.
pub fn run_status(plan: &RunPlan, counters: &[StepCounters], stopping: Stopping) -> Option<RunStatus> {
    if counters.iter().any(|step| step.remaining > 0) {
        return None;
    }
    Some(match (stopping.is_cancel(), has_failed(plan, counters)) {
        (true, true) => RunStatus::Canceled,
        (_, true) => RunStatus::Failed,
        (_, false) => RunStatus::Succeeded,
    })
}

/// Whether something has ended that nothing says to go on from.
fn has_failed(plan: &RunPlan, counters: &[StepCounters]) -> bool {
    let failed = |(step, count): (&PlannedStep, &StepCounters)| {
        count.aborted > 0 || (count.failed > 0 && !step.continue_on_error)
    };
    plan.steps.iter().zip(counters).any(failed)
}
