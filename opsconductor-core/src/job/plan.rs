//! From a job and its targets to the plan of a run.

use std::{
    collections::{BTreeSet, HashMap},
    sync::Arc,
};

use serde_json::{Map, Value};

use super::{
    bind::BoundParameters,
    known::{Known, in_order},
    valid::{TargetChoice, ValidJob, ValidStep},
};
use crate::{
    Error, ErrorKind, Result,
    id::TargetId,
    run::plan::{Edge, Join, PlannedStep, PlannedTarget, RunPlan, Runs},
    target::Target,
};

/// How many steps back are looked at for the same choice of targets.
const SAME_CHOICES_MAX: usize = 8;

impl ValidJob {
    /// The plan of a run with `given` as parameters, over `targets`: at least those that the job names or selects. A target
    /// that a step means twice is one task.
    ///
    /// # Errors
    ///
    /// `InvalidParameters` as [`ValidJob::bind`]; `InvalidJob` with the problems of [`ValidJob::check_targets`].
    pub fn plan(&self, targets: &[Target], given: Map<String, Value>) -> Result<RunPlan> {
        self.plan_bound(targets, &self.bind(given)?)
    }

    /// The same with parameters that were bound. The values of secret ones are not in the plan, only their names.
    ///
    /// # Errors
    ///
    /// `InvalidJob` with the problems of [`ValidJob::check_targets`].
    pub fn plan_bound(&self, targets: &[Target], bound: &BoundParameters) -> Result<RunPlan> {
        let problems = self.check_targets(targets);
        if !problems.is_empty() {
            return Err(Error::with_problems(
                ErrorKind::InvalidJob,
                "the job's targets do not hold",
                problems,
            ));
        }
        let known = Known::new(targets);
        let mut used = Used::default();
        let mut places: Vec<Chosen<'_>> = Vec::with_capacity(self.steps().len());
        for step in self.steps() {
            // Most jobs act on the same targets in every step: look them up once.
            let same =
                places.iter().rev().take(SAME_CHOICES_MAX).find(|before| before.choice == step.targets());
            let same = same.cloned();
            places.push(same.unwrap_or_else(|| Chosen::new(step.targets(), &known, &mut used)));
        }
        let steps = self.steps().iter().zip(&places).enumerate().map(|(index, (step, own))| {
            let edges = step.waits_for().iter().map(|before| {
                let join = join(step, &places[*before as usize], own);
                Edge { step: *before, join }
            });
            PlannedStep { runs: self.runs(index), ..planned(self, step, own.order.to_vec(), edges.collect()) }
        });
        let steps = steps.collect();
        Ok(RunPlan {
            job_name: self.name().to_owned(),
            job_version: self.version(),
            parameters: bound.shown.clone(),
            secrets: bound.secrets.keys().cloned().collect(),
            targets: used.targets,
            steps,
            earlier: Vec::new(),
            timeout_sec: self.timeout_sec(),
            max_parallel: self.max_parallel(),
            notify: Default::default(),
        })
    }
}

/// The targets of a step, as places in the plan.
#[derive(Clone)]
struct Chosen<'j> {
    choice: &'j TargetChoice,
    /// Each once, in the order in which they are acted on.
    order: Arc<[u32]>,
    /// The same, sorted.
    set: Arc<[u32]>,
}

impl<'j> Chosen<'j> {
    fn new(choice: &'j TargetChoice, known: &Known<'_>, used: &mut Used) -> Self {
        let mut seen = BTreeSet::new();
        let chosen: Vec<&Target> = known.chosen(choice).filter(|target| seen.insert(target.id)).collect();
        let order: Arc<[u32]> = in_order(chosen).into_iter().map(|target| used.place(target)).collect();
        let mut set = order.to_vec();
        set.sort_unstable();
        Self { choice, order, set: set.into() }
    }
}

/// How a step is joined to one that it waits for.
fn join(step: &ValidStep, before: &Chosen<'_>, own: &Chosen<'_>) -> Join {
    let same = Arc::ptr_eq(&before.set, &own.set) || before.set == own.set;
    if same && !own.set.is_empty() && !step.waits_for_all() { Join::PerTarget } else { Join::Barrier }
}

fn planned(job: &ValidJob, step: &ValidStep, targets: Vec<u32>, edges: Vec<Edge>) -> PlannedStep {
    let batches = step.batches(targets.len() as u32);
    PlannedStep {
        id: step.id().to_owned(),
        name: step.name().map(str::to_owned),
        kind: step.kind().to_owned(),
        fields: step.fields().clone(),
        targets,
        edges,
        timeout_sec: step.timeout_sec(),
        continue_on_error: step.continue_on_error(),
        on_lost: step.on_lost(),
        idempotent: step.idempotent(),
        max_output_bytes: step.max_output_bytes(),
        allow_raw: job.allow_raw(),
        when: step.when().map(str::to_owned),
        retry: step.retry().cloned(),
        register: step.register().map(str::to_owned),
        runs: Runs::OnSuccess,
        batches,
        max_fail_percentage: step.max_fail_percentage(),
    }
}

/// The targets of a plan, in the order in which steps first use them.
#[derive(Default)]
struct Used {
    targets: Vec<PlannedTarget>,
    places: HashMap<TargetId, u32>,
}

impl Used {
    fn place(&mut self, target: &Target) -> u32 {
        *self.places.entry(target.id).or_insert_with(|| {
            self.targets.push(target.into());
            self.targets.len() as u32 - 1
        })
    }
}

#[cfg(test)]
mod tests;
