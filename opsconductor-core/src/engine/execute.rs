//! Running one task: open the credential, render, connect, act, say how it ended.

use std::{sync::Arc, time::Duration};

use serde_json::{Map, Value, json};
use tokio_util::sync::CancellationToken;

use super::{
    Inner, credentials,
    lease::{Holding, Stop},
    plans::{Plans, Prepared, unknown_kind},
    recorder::Recorder,
    targets::no_credential,
};
use crate::{
    Error, ErrorKind, Result,
    job::{
        reserved::template_values,
        step::{StepContext, StepOutcome},
    },
    run::{
        plan::{OnLost, PlannedStep, PlannedTarget},
        redact::Redactor,
        state::TaskStatus,
    },
    store::{Claimed, Completion, Requeue},
    transport::{Endpoint, STOP_GRACE, Session},
    vault::credential::Credential,
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
    /// Nothing: someone else may hold it.
    Nothing,
}

/// Runs a claimed task and says what to write. It never fails: every failure is an end.
pub(super) async fn execute(
    inner: &Arc<Inner>,
    plans: &Plans,
    claimed: &Claimed,
    holding: &Arc<Holding>,
) -> End {
    let prepared = match plans.get(inner, claimed.tenant, claimed.lease.run).await {
        Ok(prepared) => prepared,
        Err(error) => return not_begun(claimed, &error),
    };
    let step = match prepared.step(claimed.step) {
        Ok(step) => step,
        Err(error) => return not_begun(claimed, &error),
    };
    let target = claimed.target.and_then(|id| prepared.plan.target(id));
    let opened = tokio::select! {
        opened = open(inner, claimed, target) => opened,
        () = holding.stopped.cancelled() => Err(stopped()),
        () = inner.clock.sleep(Duration::from_secs(step.timeout_sec.into())) => Err(timed_out(step)),
    };
    let credential = match opened {
        Ok(credential) => credential,
        Err(error) => return not_begun(claimed, &error),
    };
    let redactor = match Redactor::new(credential.iter().flat_map(Credential::secrets)) {
        Ok(redactor) => redactor,
        Err(error) => return not_begun(claimed, &error),
    };
    let mut recorder =
        Recorder::new(Arc::clone(inner), Arc::clone(holding), &redactor, step.max_output_bytes);
    let began = inner.clock.monotonic();
    let acted = act(inner, &prepared, claimed, target, credential.as_ref(), &mut recorder, holding).await;
    let took = inner.clock.monotonic().saturating_sub(began);

    let dispatched = recorder.dispatched();
    let (stdout, stderr) = match recorder.finish().await {
        Ok(tails) => tails,
        Err(error) if error.kind() == ErrorKind::LeaseLost => return End::Nothing,
        Err(error) => {
            tracing::warn!(error = %error.report(), task = %claimed.lease.task, "the end of the output was not stored");
            (String::new(), String::new())
        }
    };
    if holding.why() == Some(Stop::LeaseLost) {
        return End::Nothing;
    }
    let mut ending = match acted {
        Ok(outcome) => Ending {
            status: if outcome.succeeded { TaskStatus::Succeeded } else { TaskStatus::Failed },
            exit_code: outcome.exit_code,
            reason: outcome.reason,
            metrics: outcome.metrics,
        },
        Err(error) if error.kind() == ErrorKind::LeaseLost => return End::Nothing,
        Err(error) => match after_failure(&error, step, claimed, holding, dispatched) {
            Ok(ending) => ending,
            Err(mut requeue) => {
                requeue.reason = redactor.redact_str(&requeue.reason);
                return End::Requeue(requeue);
            }
        },
    };
    ending.reason = ending.reason.map(|reason| redactor.redact_str(&reason));
    ending.metrics.values_mut().for_each(|value| redact(&redactor, value));
    ending.metrics.insert("duration_ms".into(), json!(took.as_secs_f64() * 1e3));
    end_with(claimed, ending, stdout, stderr)
}

/// How a task ended, before it is written.
struct Ending {
    status: TaskStatus,
    exit_code: Option<i64>,
    reason: Option<String>,
    metrics: Map<String, Value>,
}

fn end_with(claimed: &Claimed, ending: Ending, stdout: String, stderr: String) -> End {
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

fn failed(error: &Error) -> Ending {
    Ending { status: TaskStatus::Failed, exit_code: None, reason: Some(error.report()), metrics: Map::new() }
}

/// The end of a task that failed with an error, or its way back to the queue.
fn after_failure(
    error: &Error,
    step: &PlannedStep,
    claimed: &Claimed,
    holding: &Holding,
    dispatched: bool,
) -> Result<Ending, Requeue> {
    let mut ending = failed(error);
    match holding.why() {
        Some(Stop::Canceled) => {
            ending.status = TaskStatus::Aborted;
            ending.reason = Some("the run was canceled".to_owned());
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
        _ => {}
    }
    Ok(ending)
}

/// The end of a task that could not even begin. When it was the store that was away, the task is not at fault.
fn not_begun(claimed: &Claimed, error: &Error) -> End {
    if error.kind() == ErrorKind::StoreUnavailable {
        return End::Requeue(requeue(claimed, RESEND_DELAY, &error.report()));
    }
    end_with(claimed, failed(error), String::new(), String::new())
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

/// Takes the secrets out of every text in a measurement.
fn redact(redactor: &Redactor, value: &mut Value) {
    match value {
        Value::String(text) => *text = redactor.redact_str(text),
        Value::Array(items) => items.iter_mut().for_each(|item| redact(redactor, item)),
        Value::Object(members) => members.values_mut().for_each(|member| redact(redactor, member)),
        _ => {}
    }
}

/// Whether a task whose outcome is unknown may be sent again.
pub(super) fn may_resend(step: &PlannedStep, claimed: &Claimed) -> bool {
    step.on_lost == OnLost::Retry && step.idempotent && claimed.attempt <= RESENDS_MAX
}

pub(super) fn requeue(claimed: &Claimed, delay: Duration, reason: &str) -> Requeue {
    Requeue { lease: claimed.lease, delay, reason: reason.to_owned(), attempt_status: TaskStatus::Aborted }
}

async fn open(
    inner: &Arc<Inner>,
    claimed: &Claimed,
    target: Option<&PlannedTarget>,
) -> Result<Option<Credential>> {
    match target.and_then(|target| target.credential_ref) {
        Some(id) => credentials::open(inner, claimed.tenant, id).await.map(Some),
        None => Ok(None),
    }
}

/// Renders, connects and runs the handler, all within the step's time-out.
async fn act(
    inner: &Arc<Inner>,
    prepared: &Prepared,
    claimed: &Claimed,
    target: Option<&PlannedTarget>,
    credential: Option<&Credential>,
    recorder: &mut Recorder,
    holding: &Holding,
) -> Result<StepOutcome> {
    let step = prepared.step(claimed.step)?;
    let handler = inner.kinds.get(&step.kind).ok_or_else(|| unknown_kind(&step.kind))?;
    let templates = prepared.templates(inner, claimed.step)?;
    let fields =
        templates.render(&step.fields, &template_values(claimed.lease.run, &prepared.plan, target))?;
    let timeout = Duration::from_secs(step.timeout_sec.into());
    let began = inner.clock.monotonic();

    let mut session = match (handler.protocol(), target) {
        (Some(protocol), Some(target)) => {
            let credential = credential.ok_or_else(|| no_credential(&target.name))?;
            let endpoint = endpoint(&target.name, &target.hostname, target.port, &target.metadata);
            let connector = inner.connector(protocol)?;
            Some(tokio::select! {
                session = connector.connect(&endpoint, credential) => session?,
                () = holding.stopped.cancelled() => return Err(stopped()),
                () = inner.clock.sleep(timeout) => return Err(timed_out(step)),
            })
        }
        _ => None,
    };
    let left = timeout.saturating_sub(inner.clock.monotonic().saturating_sub(began));
    // Coerced here: a boxed session lives for 'static, the context wants one that lives as long as it is borrowed.
    let borrowed = session.as_mut().map(|session| session.as_mut() as &mut dyn Session);
    let cancel = holding.stopped.clone();
    let mut context = StepContext::new(fields, target, borrowed, recorder, left, cancel.clone())
        .with_files(inner.files.as_ref());
    let outcome = tokio::select! {
        outcome = handler.run(&mut context) => outcome,
        // Transports keep both limits themselves; this is the wall behind them for a handler that does not.
        error = overdue(inner, &cancel, left, step) => Err(error),
    };
    outcome.map_err(|error| {
        if error.kind() != ErrorKind::Timeout || error.layer().is_some() {
            return error;
        }
        let unknown = error.is_outcome_unknown();
        let named = timed_out(step).with_source(error);
        if unknown { named.with_outcome_unknown() } else { named }
    })
}

async fn overdue(inner: &Inner, cancel: &CancellationToken, left: Duration, step: &PlannedStep) -> Error {
    tokio::select! {
        () = inner.clock.sleep(left + STOP_GRACE * 2) => timed_out(step).with_outcome_unknown(),
        () = async {
            cancel.cancelled().await;
            inner.clock.sleep(STOP_GRACE * 2).await;
        } => stopped().with_outcome_unknown(),
    }
}

fn timed_out(step: &PlannedStep) -> Error {
    Error::new(
        ErrorKind::Timeout,
        format!("the step ran longer than its timeoutSec of {} s", step.timeout_sec),
    )
}

fn stopped() -> Error {
    Error::new(ErrorKind::Canceled, "the step was stopped")
}

/// Where a target is, as a connector needs it.
pub(super) fn endpoint(name: &str, hostname: &str, port: u16, metadata: &Map<String, Value>) -> Endpoint {
    let mut endpoint = Endpoint::new(name, hostname, port);
    endpoint.metadata = metadata.clone();
    endpoint
}
