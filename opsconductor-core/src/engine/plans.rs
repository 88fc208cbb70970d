//! Plans of runs that this worker is busy with, with their templates compiled once.

use std::{
    collections::{HashMap, VecDeque},
    sync::{Arc, Mutex, OnceLock, PoisonError},
};

use super::Inner;
use crate::{
    Error, ErrorKind, Result,
    id::{RunId, TenantId},
    job::StepTemplates,
    run::plan::{PlannedStep, RunPlan},
    template::TemplateOptions,
};

/// How many plans a worker keeps; the oldest goes first.
const PLANS_MAX: usize = 256;

/// A bounded cache of plans.
#[derive(Default)]
pub(super) struct Plans {
    cached: Mutex<Cache>,
}

#[derive(Default)]
struct Cache {
    by_run: HashMap<RunId, Arc<Prepared>>,
    order: VecDeque<RunId>,
}

/// A plan whose templates are compiled when a step first needs them.
pub(super) struct Prepared {
    pub(super) plan: Arc<RunPlan>,
    templates: Vec<OnceLock<StepTemplates>>,
}

impl Plans {
    /// The plan of a run, from the store when it is not here yet.
    pub(super) async fn get(&self, inner: &Inner, tenant: TenantId, run: RunId) -> Result<Arc<Prepared>> {
        if let Some(found) = self.lock().by_run.get(&run) {
            return Ok(Arc::clone(found));
        }
        let plan = inner.store.run_plan(tenant, run).await?;
        let templates = plan.steps.iter().map(|_| OnceLock::new()).collect();
        let prepared = Arc::new(Prepared { plan, templates });
        let mut cache = self.lock();
        if cache.by_run.insert(run, Arc::clone(&prepared)).is_none() {
            cache.order.push_back(run);
        }
        while cache.order.len() > PLANS_MAX {
            if let Some(oldest) = cache.order.pop_front() {
                cache.by_run.remove(&oldest);
            }
        }
        Ok(prepared)
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Cache> {
        // The cache is whole after every statement, so a panic elsewhere does not spoil it.
        self.cached.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Prepared {
    /// The compiled templates of the step at `index`.
    pub(super) fn templates(&self, inner: &Inner, index: u32) -> Result<&StepTemplates> {
        let step = self.step(index)?;
        let slot = &self.templates[index as usize];
        if let Some(compiled) = slot.get() {
            return Ok(compiled);
        }
        let handler = inner.kinds.get(&step.kind).ok_or_else(|| unknown_kind(&step.kind))?;
        let options = TemplateOptions { allow_raw: step.allow_raw };
        let compiled =
            StepTemplates::compile(handler.as_ref(), &step.fields, options).map_err(|problems| {
                Error::with_problems(ErrorKind::Template, "the step's templates do not hold", problems)
            })?;
        Ok(slot.get_or_init(|| compiled))
    }

    pub(super) fn step(&self, index: u32) -> Result<&PlannedStep> {
        self.plan
            .step(index)
            .ok_or_else(|| Error::new(ErrorKind::Internal, "a task names a step that its run does not have"))
    }
}

pub(super) fn unknown_kind(kind: &str) -> Error {
    Error::new(
        ErrorKind::Unsupported,
        format!(
            "this worker does not know the step kind {kind}; register it with `step_kind` when building the engine"
        ),
    )
}
