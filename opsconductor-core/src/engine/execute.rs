//! Running one task: open what is secret, render, connect, act, say how it ended.

use std::{sync::Arc, time::Duration};

use serde_json::{Map, Value, json};

use super::{
    Inner,
    beginning::{open, skipped, values, wait_for},
    ending::{End, Ending, after_failure, after_outcome, end_with, may_release, not_begun},
    lease::{Holding, Stop},
    plans::{Plans, Prepared, unknown_kind},
    recorder::Recorder,
    resume::{self, Running, is_resumable},
    secrets::RunSecrets,
    targets::no_credential,
    waiting,
};
use crate::{
    Error, ErrorKind, Result,
    job::step::{StepContext, StepOutcome},
    run::{
        plan::{PlannedStep, PlannedTarget},
        redact::Redactor,
    },
    store::Claimed,
    transport::{Connector, Endpoint, STOP_GRACE, Session},
    vault::credential::Credential,
};

/// Runs a claimed task and says what to write. It never fails: every failure is an end.
pub(super) async fn execute(
    inner: &Arc<Inner>,
    plans: &Plans,
    claimed: &Claimed,
    holding: &Arc<Holding>,
    running: Option<&Running>,
) -> End {
    let not_begun = |error: &Error| not_begun(claimed, error, running.is_some());
    let prepared = match plans.get(inner, claimed.tenant, claimed.lease.run).await {
        Ok(prepared) => prepared,
        Err(error) => return not_begun(&error),
    };
    if prepared.step(claimed.step).is_ok_and(|step| is_resumable(inner, step)) {
        holding.set_resumable();
    }
    if prepared.plan.secrets.is_empty() {
        return attempt(inner, &prepared, None, claimed, holding, running).await;
    }
    let opening = prepared.secrets(inner, claimed.tenant, claimed.lease.run);
    let secrets = match wait_for(opening, inner, &prepared, claimed, holding, running.is_some()).await {
        Ok(secrets) => secrets,
        Err(end) => return end,
    };
    let end = attempt(inner, &prepared, Some(&secrets), claimed, holding, running).await;
    secrets.hide(end)
}

/// The same, once the secret parameters of its run are known, if it has any.
async fn attempt(
    inner: &Arc<Inner>,
    prepared: &Prepared,
    secrets: Option<&RunSecrets>,
    claimed: &Claimed,
    holding: &Arc<Holding>,
    running: Option<&Running>,
) -> End {
    let not_begun = |error: &Error| not_begun(claimed, error, running.is_some());
    let step = match prepared.step(claimed.step) {
        Ok(step) => step,
        Err(error) => return not_begun(&error),
    };
    let target = claimed.target.and_then(|id| prepared.plan.target(id));
    let values = match values(inner, prepared, claimed, target, secrets).await {
        Ok(values) => values,
        Err(error) => return not_begun(&error),
    };
    if running.is_none() {
        match skipped(inner, prepared, claimed, &values) {
            Ok(None) => {}
            Ok(Some(reason)) => {
                return end_with(claimed, Ending::skipped(reason), String::new(), String::new());
            }
            Err(error) => return not_begun(&error),
        }
        if let Some(end) = waiting::attend(inner, prepared, claimed, &values).await {
            return end;
        }
    }
    let opening = open(inner, claimed, target);
    let credential = match wait_for(opening, inner, prepared, claimed, holding, running.is_some()).await {
        Ok(credential) => credential,
        Err(end) => return end,
    };
    let of_target = credential.iter().flat_map(|credential| credential.secrets());
    let hidden: Vec<_> = of_target.chain(secrets.iter().flat_map(|secrets| secrets.values())).collect();
    let redactor = match inner.redactors.get(&hidden) {
        Ok(redactor) => redactor,
        Err(error) => return not_begun(&error),
    };
    holding.keep(&redactor);
    let mut recorder =
        Recorder::new(Arc::clone(inner), Arc::clone(holding), &redactor, step.max_output_bytes);
    if let Some(running) = running {
        holding.set_dispatched();
        if let Err(error) = resume::recall(inner, claimed, running, &mut recorder).await {
            return not_begun(&error);
        }
    }
    let began = inner.clock.monotonic();
    let place =
        Place { prepared, claimed, target, values: &values, credential: credential.as_deref(), running };
    let acted = act(inner, &place, &mut recorder, holding).await;
    let earlier = running.map_or(Duration::ZERO, |running| running.since_dispatch);
    let took = inner.clock.monotonic().saturating_sub(began) + earlier;

    let dispatched = recorder.dispatched();
    if acted.as_ref().is_err_and(|error| may_release(error, holding, dispatched)) {
        // What the recorder holds back could be the beginning of a secret whose end another worker will hear.
        return End::Release;
    }
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
    let ended = match acted {
        Ok(outcome) => after_outcome(outcome, step, claimed, holding),
        Err(error) if error.kind() == ErrorKind::LeaseLost => return End::Nothing,
        Err(error) => {
            after_failure(&error, step, claimed, holding, &prepared.plan, (dispatched, running.is_some()))
        }
    };
    let mut ending = match ended {
        Ok(ending) => ending,
        Err(mut requeue) => {
            requeue.reason = redactor.redact_str(&requeue.reason);
            return End::Requeue(requeue);
        }
    };
    ending.reason = ending.reason.map(|reason| redactor.redact_str(&reason));
    ending.metrics.values_mut().for_each(|value| redact(&redactor, value));
    ending.metrics.insert("duration_ms".into(), json!(took.as_secs_f64() * 1e3));
    end_with(claimed, ending, stdout, stderr)
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

/// A task with all that is known of it.
struct Place<'a> {
    prepared: &'a Prepared,
    claimed: &'a Claimed,
    target: Option<&'a PlannedTarget>,
    /// What its templates see.
    values: &'a Map<String, Value>,
    credential: Option<&'a Credential>,
    running: Option<&'a Running>,
}

/// Renders, connects and runs the handler, all within the step's time-out.
async fn act(
    inner: &Arc<Inner>,
    place: &Place<'_>,
    recorder: &mut Recorder,
    holding: &Holding,
) -> Result<StepOutcome> {
    let acted = act_within_limits(inner, place, recorder, holding).await;
    // Whatever keeps us from a command that runs says nothing of the command; only its transport can.
    let says = |error: &Error| {
        error.is_retryable()
            || matches!(error.kind(), ErrorKind::Timeout | ErrorKind::Canceled | ErrorKind::LeaseLost)
    };
    match acted {
        Err(error) if place.running.is_some() && !says(&error) => Err(error.with_outcome_unknown()),
        acted => acted,
    }
}

async fn act_within_limits(
    inner: &Arc<Inner>,
    place: &Place<'_>,
    recorder: &mut Recorder,
    holding: &Holding,
) -> Result<StepOutcome> {
    let Place { prepared, claimed, target, running, .. } = *place;
    let step = prepared.step(claimed.step)?;
    let handler = inner.kinds.get(&step.kind).ok_or_else(|| unknown_kind(&step.kind))?;
    let fields = prepared.compiled(inner, claimed.step)?.templates.render(&step.fields, place.values)?;
    let whole = Duration::from_secs(step.timeout_sec.into());
    let timeout = whole.saturating_sub(running.map_or(Duration::ZERO, |running| running.since_dispatch));
    let began = inner.clock.monotonic();

    let mut session = match (handler.protocol(), target) {
        (Some(protocol), Some(target)) => {
            let endpoint = endpoint(&target.name, &target.hostname, target.port, &target.metadata);
            let connector = inner.connector(protocol)?;
            Some(match running {
                Some(_) => {
                    let credential = place.credential.ok_or_else(|| no_credential(&target.name))?;
                    resume::reach(inner, connector, &endpoint, credential, holding, timeout).await?
                }
                None => tokio::select! {
                    session = connect(connector, &endpoint, place.credential) => session?,
                    () = holding.ending() => return Err(stopped()),
                    () = inner.clock.sleep(timeout) => return Err(timed_out(step)),
                },
            })
        }
        _ => None,
    };
    let left = timeout.saturating_sub(inner.clock.monotonic().saturating_sub(began));
    // Coerced here: a boxed session lives for 'static, the context wants one that lives as long as it is borrowed.
    let borrowed = session.as_mut().map(|session| session.as_mut() as &mut dyn Session);
    let cancel = holding.stopped.clone();
    let mut context = StepContext::new(fields, target, borrowed, recorder, left, cancel)
        .with_files(inner.files.as_ref())
        .with_step(step);
    if let Some(running) = running {
        context = context.with_running(running.handle.clone());
    }
    let outcome = tokio::select! {
        outcome = handler.run(&mut context) => outcome,
        // Transports keep both limits themselves; this is the wall behind them for a handler that does not.
        error = overdue(inner, holding, left, step) => Err(error),
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

async fn connect(
    connector: &Arc<dyn Connector>,
    endpoint: &Endpoint,
    credential: Option<&Credential>,
) -> Result<Box<dyn Session>> {
    match credential {
        Some(credential) => connector.connect(endpoint, credential).await,
        None => connector.connect_without_credential(endpoint).await,
    }
}

async fn overdue(inner: &Inner, holding: &Holding, left: Duration, step: &PlannedStep) -> Error {
    tokio::select! {
        () = inner.clock.sleep(left + STOP_GRACE * 2) => timed_out(step).with_outcome_unknown(),
        () = async {
            holding.ending().await;
            inner.clock.sleep(STOP_GRACE * 2).await;
        } => stopped().with_outcome_unknown(),
    }
}

pub(super) fn timed_out(step: &PlannedStep) -> Error {
    Error::new(
        ErrorKind::Timeout,
        format!("the step ran longer than its timeoutSec of {} s", step.timeout_sec),
    )
}

pub(super) fn stopped() -> Error {
    Error::new(ErrorKind::Canceled, "the step was stopped")
}

/// Where a target is, as a connector needs it.
pub(super) fn endpoint(name: &str, hostname: &str, port: u16, metadata: &Map<String, Value>) -> Endpoint {
    let mut endpoint = Endpoint::new(name, hostname, port);
    endpoint.metadata = metadata.clone();
    endpoint
}
