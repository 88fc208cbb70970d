//! Tasks that wait, for their time or for a person, without a slot: given back with what they wait for, and ended or gone on
//! with when that has come.

use std::time::Duration;

use serde_json::{Map, Value, json};

use super::{
    Inner,
    ending::{End, Ending, end_with, not_begun},
    plans::Prepared,
};
use crate::{
    ErrorKind, Result,
    run::{
        plan::{OnLost, PlannedStep},
        state::TaskStatus,
    },
    store::{Claimed, Decision, Requeue, Suspended, WaitsFor},
};

/// What is to be written for a task that begins to wait or whose wait is over; none for one that is to be run.
pub(super) async fn attend(
    inner: &Inner,
    prepared: &Prepared,
    claimed: &Claimed,
    values: &Map<String, Value>,
) -> Option<End> {
    let step = prepared.step(claimed.step).ok()?;
    let handler = inner.kinds.get(&step.kind)?;
    let timeout = Duration::from_secs(step.timeout_sec.into());
    let waits = handler.waits(&step.fields, timeout).is_some();
    // Whatever was never asked about is not looked up.
    if !waits && (step.on_lost != OnLost::Ask || claimed.attempt < 2) {
        return None;
    }
    match inner.store.suspended(&claimed.lease).await {
        Ok(Some(waited)) => over(&waited, step, claimed),
        Ok(None) if waits => Some(
            begin(inner, prepared, claimed, values).unwrap_or_else(|error| not_begun(claimed, &error, false)),
        ),
        Ok(None) => None,
        Err(error) if error.kind() == ErrorKind::LeaseLost => Some(End::Nothing),
        Err(error) => Some(not_begun(claimed, &error, false)),
    }
}

/// Gives a task back, to wait.
fn begin(inner: &Inner, prepared: &Prepared, claimed: &Claimed, values: &Map<String, Value>) -> Result<End> {
    let step = prepared.step(claimed.step)?;
    let fields = prepared.compiled(inner, claimed.step)?.templates.render(&step.fields, values)?;
    let timeout = Duration::from_secs(step.timeout_sec.into());
    let waits = inner.kinds.get(&step.kind).and_then(|handler| handler.waits(&fields, timeout));
    let Some(waits) = waits else { return Ok(End::Nothing) };
    Ok(End::Requeue(Requeue {
        lease: claimed.lease,
        delay: waits.limit,
        reason: waits.message,
        attempt_status: TaskStatus::Aborted,
        suspend: Some(waits.what),
    }))
}

/// What becomes of a task whose wait is over; none when it is to be run.
fn over(waited: &Suspended, step: &PlannedStep, claimed: &Claimed) -> Option<End> {
    let decision = waited.decision.as_ref();
    let (status, reason) = match (waited.waits_for, decision) {
        (WaitsFor::Time, _) => (TaskStatus::Succeeded, None),
        (WaitsFor::Lost, Some(Decision { approved: true, .. })) => return None,
        (WaitsFor::Lost, Some(decision)) => {
            (TaskStatus::Lost, Some(format!("the outcome is unknown: {}", decision.sentence())))
        }
        (WaitsFor::Lost, None) => {
            (TaskStatus::Lost, Some("the outcome is unknown, and nobody said what to do".to_owned()))
        }
        (_, Some(Decision { approved: true, .. })) => (TaskStatus::Succeeded, None),
        (_, Some(decision)) => (TaskStatus::Failed, Some(decision.sentence())),
        (_, None) => (TaskStatus::Failed, Some(format!("nobody answered within {} s", step.timeout_sec))),
    };
    let metrics = decision.map(|decision| ("decision".to_owned(), json!(decision)));
    let ending = Ending { status, exit_code: None, reason, metrics: metrics.into_iter().collect() };
    Some(end_with(claimed, ending, String::new(), String::new()))
}
