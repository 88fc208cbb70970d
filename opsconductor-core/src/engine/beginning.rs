//! What a task needs before it acts: its credential, what its templates see, and whether there is anything to do.

use std::sync::Arc;

use serde_json::{Map, Value};

use super::{Inner, credentials, outputs, plans::Prepared};
use crate::{
    Result, job::reserved::template_values, run::plan::PlannedTarget, store::Claimed,
    vault::credential::Credential,
};

/// The credential of the target, if it has one.
pub(super) async fn open(
    inner: &Arc<Inner>,
    claimed: &Claimed,
    target: Option<&PlannedTarget>,
) -> Result<Option<Arc<Credential>>> {
    match target.and_then(|target| target.credential_ref) {
        Some(id) => credentials::open(inner, claimed.tenant, id).await.map(Some),
        None => Ok(None),
    }
}

/// What the templates of a task see.
pub(super) async fn values(
    inner: &Inner,
    prepared: &Prepared,
    claimed: &Claimed,
    target: Option<&PlannedTarget>,
) -> Result<Map<String, Value>> {
    let sources = &prepared.compiled(inner, claimed.step)?.sources;
    let mut values = template_values(claimed.lease.run, &prepared.plan, target);
    if !sources.is_empty() {
        outputs::add(inner, prepared, claimed, sources, &mut values).await?;
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
