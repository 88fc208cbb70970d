//! What a task needs before it acts: its credential, the run's secrets, what its templates see, and whether there is anything
//! to do.

use std::{sync::Arc, time::Duration};

use serde_json::{Map, Value};

use super::{
    Inner, credentials,
    ending::{End, not_begun, stopped_early},
    execute::{stopped, timed_out},
    lease::Holding,
    outputs,
    plans::Prepared,
    secrets::RunSecrets,
};
use crate::{
    Result, job::reserved::template_values, run::plan::PlannedTarget, store::Claimed,
    vault::credential::Credential,
};

/// Waits for `work`, without which a task cannot begin, for as long as the task may take; else says how it ends.
pub(super) async fn wait_for<T>(
    work: impl Future<Output = Result<T>>,
    inner: &Inner,
    prepared: &Prepared,
    claimed: &Claimed,
    holding: &Holding,
    is_running: bool,
) -> Result<T, End> {
    let not_begun = |error| not_begun(claimed, &error, is_running);
    let step = prepared.step(claimed.step).map_err(not_begun)?;
    let done = tokio::select! {
        done = work => done,
        () = holding.stopped.cancelled(), if !is_running => Err(stopped()),
        () = holding.released.cancelled() => Err(stopped()),
        () = inner.clock.sleep(Duration::from_secs(step.timeout_sec.into())) => Err(timed_out(step)),
    };
    done.map_err(|error| match is_running {
        true if holding.released.is_cancelled() => End::Release,
        true => not_begun(error),
        false => stopped_early(claimed, holding, &prepared.plan).unwrap_or_else(|| not_begun(error)),
    })
}

/// The credential of the target, if it has one.
pub(super) async fn open(
    inner: &Arc<Inner>,
    claimed: &Claimed,
    target: Option<&PlannedTarget>,
) -> Result<Option<Arc<Credential>>> {
    match target.and_then(|target| target.credential_ref) {
        Some(id) => {
            inner.uses.record(inner, claimed, id).await?;
            credentials::open(inner, claimed.tenant, id).await.map(Some)
        }
        None => Ok(None),
    }
}

/// What the templates of a task see.
pub(super) async fn values(
    inner: &Inner,
    prepared: &Prepared,
    claimed: &Claimed,
    target: Option<&PlannedTarget>,
    secrets: Option<&RunSecrets>,
) -> Result<Map<String, Value>> {
    let sources = &prepared.compiled(inner, claimed.step)?.sources;
    let mut values = template_values(claimed.lease.run, &prepared.plan, target);
    if !sources.is_empty() {
        outputs::add(inner, prepared, claimed, sources, &mut values).await?;
    }
    if let Some(secrets) = secrets {
        secrets.add_to(&mut values);
    }
    Ok(values)
}

/// Why a task has nothing to do, if so.
pub(super) fn skipped(
    inner: &Inner,
    prepared: &Prepared,
    claimed: &Claimed,
    values: &Map<String, Value>,
) -> Result<Option<String>> {
    let step = prepared.step(claimed.step)?;
    let on_targets = inner.kinds.get(&step.kind).is_some_and(|handler| handler.protocol().is_some());
    if on_targets && claimed.target.is_none() {
        return Ok(Some("the step's selector chose no target".to_owned()));
    }
    let compiled = prepared.compiled(inner, claimed.step)?;
    let Some((condition, source)) = compiled.condition.as_ref().zip(step.when.as_ref()) else {
        return Ok(None);
    };
    let holds = condition.holds(values).map_err(|error| error.with("member", "/when"))?;
    Ok((!holds).then(|| format!("its condition does not hold: {source}")))
}
