//! Plans of runs that this worker is busy with, with their templates compiled once.

use std::{
    collections::{HashMap, VecDeque},
    sync::{Arc, Mutex, OnceLock, PoisonError, Weak},
};

use super::{
    Inner,
    outputs::{self, Source},
    secrets::{self, RunSecrets},
};
use crate::{
    Error, ErrorKind, Result,
    id::{RunId, TenantId},
    job::StepTemplates,
    run::plan::{PlannedStep, RunPlan},
    template::{Condition, TemplateOptions},
};

/// How many plans a worker keeps; the oldest goes first.
const PLANS_MAX: usize = 256;

/// How many bytes of outputs of earlier runs are kept with them: a plan may hold
/// [`EARLIER_BYTES_MAX`](crate::run::EARLIER_BYTES_MAX).
const EARLIER_BYTES_KEPT: usize = 16 * 1024 * 1024;

/// A bounded cache of plans.
#[derive(Default)]
pub(super) struct Plans {
    cached: Mutex<Cache>,
}

#[derive(Default)]
struct Cache {
    by_run: HashMap<RunId, Arc<Prepared>>,
    order: VecDeque<RunId>,
    /// How many bytes of outputs of earlier runs are in them.
    earlier: usize,
}

impl Cache {
    fn keep(&mut self, run: RunId, prepared: Arc<Prepared>) {
        self.earlier += prepared.plan.earlier_bytes();
        match self.by_run.insert(run, prepared) {
            None => self.order.push_back(run),
            Some(before) => self.earlier -= before.plan.earlier_bytes(),
        }
        while self.order.len() > PLANS_MAX || (self.earlier > EARLIER_BYTES_KEPT && self.order.len() > 1) {
            let Some(gone) = self.order.pop_front().and_then(|oldest| self.by_run.remove(&oldest)) else {
                break;
            };
            self.earlier -= gone.plan.earlier_bytes();
        }
    }
}

/// A plan whose templates are compiled when a step first needs them.
pub(super) struct Prepared {
    pub(super) plan: Arc<RunPlan>,
    compiled: Vec<OnceLock<Compiled>>,
    /// The secret parameters, as long as a task has them.
    secrets: tokio::sync::Mutex<Weak<RunSecrets>>,
}

/// What of a step is compiled.
pub(super) struct Compiled {
    pub(super) templates: StepTemplates,
    pub(super) condition: Option<Condition>,
    /// The earlier steps that either reads.
    pub(super) sources: Vec<Source>,
}

impl Plans {
    /// The plan of a run, from the store when it is not here yet.
    pub(super) async fn get(&self, inner: &Inner, tenant: TenantId, run: RunId) -> Result<Arc<Prepared>> {
        if let Some(found) = self.lock().by_run.get(&run) {
            return Ok(Arc::clone(found));
        }
        let plan = inner.store.run_plan(tenant, run).await?;
        let prepared = Arc::new(Prepared::of(plan));
        self.lock().keep(run, Arc::clone(&prepared));
        Ok(prepared)
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Cache> {
        // The cache is whole after every statement, so a panic elsewhere does not spoil it.
        self.cached.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Prepared {
    fn of(plan: Arc<RunPlan>) -> Self {
        let compiled = plan.steps.iter().map(|_| OnceLock::new()).collect();
        Self { plan, compiled, secrets: Default::default() }
    }

    /// The templates and the condition of the step at `index`.
    pub(super) fn compiled(&self, inner: &Inner, index: u32) -> Result<&Compiled> {
        let step = self.step(index)?;
        let slot = &self.compiled[index as usize];
        if let Some(compiled) = slot.get() {
            return Ok(compiled);
        }
        let compiled = Compiled::new(inner, &self.plan, step)?;
        Ok(slot.get_or_init(|| compiled))
    }

    /// The secret parameters of the run with this plan, opened once for all tasks that have them at a time.
    pub(super) async fn secrets(
        &self,
        inner: &Inner,
        tenant: TenantId,
        run: RunId,
    ) -> Result<Arc<RunSecrets>> {
        let mut shared = self.secrets.lock().await;
        if let Some(opened) = shared.upgrade() {
            return Ok(opened);
        }
        let opened = Arc::new(secrets::of_run(inner, tenant, run, &self.plan.secrets).await?);
        *shared = Arc::downgrade(&opened);
        Ok(opened)
    }

    pub(super) fn step(&self, index: u32) -> Result<&PlannedStep> {
        self.plan
            .step(index)
            .ok_or_else(|| Error::new(ErrorKind::Internal, "a task names a step that its run does not have"))
    }
}

impl Compiled {
    /// Compiles what is to be compiled of a step.
    pub(super) fn new(inner: &Inner, plan: &RunPlan, step: &PlannedStep) -> Result<Self> {
        let handler = inner.kinds.get(&step.kind).ok_or_else(|| unknown_kind(&step.kind))?;
        let options = TemplateOptions { allow_raw: step.allow_raw };
        let templates =
            StepTemplates::compile(handler.as_ref(), &step.fields, options).map_err(|problems| {
                Error::with_problems(ErrorKind::Template, "the step's templates do not hold", problems)
            })?;
        let condition = step.when.as_deref().map(Condition::compile).transpose()?;
        let sources = outputs::sources(plan, &templates, condition.as_ref());
        Ok(Self { templates, condition, sources })
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

#[cfg(test)]
mod tests {
    use serde_json::Map;

    use super::*;
    use crate::run::{EarlierOutput, EarlierStep, TaskStatus};

    fn plan(earlier: usize) -> Arc<Prepared> {
        let stdout = "x".repeat(earlier);
        let output = EarlierOutput {
            target: None,
            status: TaskStatus::Succeeded,
            exit_code: None,
            stdout,
            stderr: String::new(),
        };
        let step =
            EarlierStep { id: "a".to_owned(), register: None, per_target: false, outputs: vec![output] };
        Arc::new(Prepared::of(Arc::new(RunPlan {
            job_name: String::new(),
            job_version: 1,
            parameters: Map::new(),
            secrets: Vec::new(),
            targets: Vec::new(),
            steps: Vec::new(),
            earlier: vec![step],
            timeout_sec: None,
            max_parallel: None,
            notify: Default::default(),
        })))
    }

    #[test]
    fn plans_are_bounded_in_number_and_by_what_they_hold_of_other_runs() {
        let mut cache = Cache::default();
        for run in 0..PLANS_MAX as i64 + 10 {
            cache.keep(RunId::new(run), plan(0));
        }
        assert_eq!(cache.by_run.len(), PLANS_MAX);
        for run in 1_000..1_009 {
            cache.keep(RunId::new(run), plan(EARLIER_BYTES_KEPT / 4));
        }
        assert_eq!((cache.by_run.len(), cache.earlier), (4, EARLIER_BYTES_KEPT));
        cache.keep(RunId::new(1_008), plan(1));
        assert_eq!(cache.earlier, EARLIER_BYTES_KEPT / 4 * 3 + 1, "one that is kept again counts once");
        cache.keep(RunId::new(2_000), plan(2 * EARLIER_BYTES_KEPT));
        assert_eq!(cache.by_run.len(), 1, "one that is larger is kept alone");
    }
}
