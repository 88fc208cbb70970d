//! How a task ends: what is written for it when it succeeded, failed, was stopped or could not begin.

use std::time::Duration;

use serde_json::{Map, Value};

use super::lease::{Holding, Stop};
use crate::{
    Error, ErrorKind, Result,
    job::step::StepOutcome,
    run::{
        plan::{OnLost, PlannedStep},
        retry::RetryOn,
        state::TaskStatus,
    },
    store::{Claimed, Completion, Requeue},
};

/// How long a task that may be sent again waits before it is.
const RESEND_DELAY: Duration = Duration::from_secs(1);

/// How often a task whose outcome is unknown is sent again before it ends as lost.
pub(super) const RESENDS_MAX: u32 = 3;

/// What to write for a task.
pub(super) enum End {
    /// It is over.
    Complete(Box<Completion>),
    /// It goes back to the queue.
    Requeue(Requeue),
    /// The lease is given up, and another worker goes on with the command.
    Release,
    /// Nothing: someone else may hold it.
    Nothing,
}

/// How a task ended, before it is written.
pub(super) struct Ending {
    pub(super) status: TaskStatus,
    pub(super) exit_code: Option<i64>,
    pub(super) reason: Option<String>,
    pub(super) metrics: Map<String, Value>,
}

impl Ending {
    /// The end of a task that has nothing to do.
    pub(super) fn skipped(reason: String) -> Self {
        Self { status: TaskStatus::Skipped, exit_code: None, reason: Some(reason), metrics: Map::new() }
    }
}

pub(super) fn end_with(claimed: &Claimed, ending: Ending, stdout: String, stderr: String) -> End {
    End::Complete(Box::new(Completion {
        lease: claimed.lease,
        status: ending.status,
        exit_code: ending.exit_code,
        stdout,
        stderr,
        reason: ending.reason,
        metrics: ending.metrics,
    }))
}

pub(super) fn failed(error: &Error) -> Ending {
    Ending { status: TaskStatus::Failed, exit_code: None, reason: Some(error.report()), metrics: Map::new() }
}

/// Whether a command was left running, so that another worker can go on with it.
pub(super) fn may_release(error: &Error, holding: &Holding, dispatched: bool) -> bool {
    let shut_down = holding.why() == Some(Stop::Shutdown) && holding.is_resumable();
    shut_down && dispatched && error.is_outcome_unknown()
}

/// The end of a task whose handler says how it went, or its way to another attempt.
pub(super) fn after_outcome(
    outcome: StepOutcome,
    step: &PlannedStep,
    claimed: &Claimed,
    holding: &Holding,
) -> Result<Ending, Requeue> {
    if !outcome.succeeded && holding.why().is_none() {
        let reason = outcome.reason.as_deref().unwrap_or("the step failed");
        if let Some(again) = again(step, claimed, RetryOn::Failure, reason) {
            return Err(again);
        }
    }
    Ok(Ending {
        status: if outcome.succeeded { TaskStatus::Succeeded } else { TaskStatus::Failed },
        exit_code: outcome.exit_code,
        reason: outcome.reason,
        metrics: outcome.metrics,
    })
}

/// Another attempt after a failure, if the step has one.
fn again(step: &PlannedStep, claimed: &Claimed, failure: RetryOn, reason: &str) -> Option<Requeue> {
    let chance = claimed.lease.task.get().cast_unsigned();
    let delay = step.retry.as_ref()?.delay(failure, claimed.attempt, chance)?;
    let reason = format!("{reason}; it is tried again");
    Some(Requeue { lease: claimed.lease, delay, reason, attempt_status: TaskStatus::Failed })
}

/// The end of a task that failed with an error, or its way back to the queue.
pub(super) fn after_failure(
    error: &Error,
    step: &PlannedStep,
    claimed: &Claimed,
    holding: &Holding,
    dispatched: bool,
    resumed: bool,
) -> Result<Ending, Requeue> {
    let mut ending = failed(error);
    match holding.why() {
        Some(Stop::Canceled) => {
            ending.status = TaskStatus::Aborted;
            ending.reason = Some("the run was canceled".to_owned());
        }
        // The host says that the command never began.
        _ if resumed && error.is_retryable() => {
            return Err(requeue(claimed, Duration::ZERO, &error.report()));
        }
        Some(Stop::Shutdown) if !dispatched => {
            return Err(requeue(claimed, Duration::ZERO, "the worker was shut down"));
        }
        Some(Stop::Shutdown) if may_resend(step, claimed) => {
            return Err(requeue(
                claimed,
                Duration::ZERO,
                "the worker was shut down; the step is idempotent and is sent again",
            ));
        }
        Some(Stop::Shutdown) if !error.is_outcome_unknown() => {
            ending.status = TaskStatus::Aborted;
            ending.reason = Some("the worker was shut down and stopped the step".to_owned());
        }
        _ if dispatched && error.is_outcome_unknown() => {
            if may_resend(step, claimed) {
                return Err(requeue(claimed, RESEND_DELAY, &error.report()));
            }
            ending.status = TaskStatus::Lost;
            ending.reason = Some(format!("the outcome is unknown: {}", error.report()));
        }
        _ if !dispatched && error.kind() == ErrorKind::StoreUnavailable => {
            return Err(requeue(claimed, RESEND_DELAY, &error.report()));
        }
        None => {
            let again = definite(error).and_then(|failure| again(step, claimed, failure, &error.report()));
            return again.map_or(Ok(ending), Err);
        }
        _ => {}
    }
    Ok(ending)
}

/// Which failure an error is that says so for certain, as far as another attempt can help.
fn definite(error: &Error) -> Option<RetryOn> {
    match error.kind() {
        _ if error.is_outcome_unknown() => None,
        ErrorKind::Timeout => Some(RetryOn::Timeout),
        // Nothing was sent, or the host says that it did nothing.
        ErrorKind::Transport if error.is_retryable() => Some(RetryOn::Connection),
        _ => None,
    }
}

/// The end of a task that could not even begin. When it was the store that was away, the task is not at fault. One whose
/// command runs already is lost, or left to the next worker.
pub(super) fn not_begun(claimed: &Claimed, error: &Error, running: bool) -> End {
    if running && error.kind() == ErrorKind::StoreUnavailable {
        return End::Release;
    }
    if running {
        let mut ending = failed(error);
        ending.status = TaskStatus::Lost;
        ending.reason = Some(format!("the outcome is unknown: {}", error.report()));
        return end_with(claimed, ending, String::new(), String::new());
    }
    if error.kind() == ErrorKind::StoreUnavailable {
        return End::Requeue(requeue(claimed, RESEND_DELAY, &error.report()));
    }
    end_with(claimed, failed(error), String::new(), String::new())
}

/// The end of a task that was told to stop before anything of it was sent; none when nobody told it to.
pub(super) fn stopped_early(claimed: &Claimed, holding: &Holding) -> Option<End> {
    Some(match holding.why()? {
        Stop::LeaseLost => End::Nothing,
        Stop::Shutdown => End::Requeue(requeue(claimed, Duration::ZERO, "the worker was shut down")),
        Stop::Canceled => {
            let ending = Ending {
                status: TaskStatus::Aborted,
                exit_code: None,
                reason: Some("the run was canceled".to_owned()),
                metrics: Map::new(),
            };
            end_with(claimed, ending, String::new(), String::new())
        }
    })
}

/// The end of a task whose handler panicked. The panic's own words may hold anything, so they are not repeated.
pub(super) fn panicked(claimed: &Claimed, holding: &Holding) -> End {
    let sent = holding.was_dispatched();
    let ending = Ending {
        status: if sent { TaskStatus::Lost } else { TaskStatus::Failed },
        exit_code: None,
        reason: Some("the step handler panicked; this is a fault in the handler".to_owned()),
        metrics: Map::new(),
    };
    end_with(claimed, ending, String::new(), String::new())
}

/// Whether a task whose outcome is unknown may be sent again.
pub(super) fn may_resend(step: &PlannedStep, claimed: &Claimed) -> bool {
    step.on_lost == OnLost::Retry && step.idempotent && claimed.attempt <= RESENDS_MAX
}

pub(super) fn requeue(claimed: &Claimed, delay: Duration, reason: &str) -> Requeue {
    Requeue { lease: claimed.lease, delay, reason: reason.to_owned(), attempt_status: TaskStatus::Aborted }
}
