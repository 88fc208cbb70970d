//! From a job and its targets to the plan of a run.

use std::collections::{BTreeSet, HashMap};

use serde_json::{Map, Value};

use super::{
    explain, place,
    valid::{TargetChoice, ValidJob, ValidStep},
};
use crate::{
    Error, ErrorKind, Problem, Result,
    run::plan::{Edge, Join, PlannedStep, PlannedTarget, RunPlan},
    target::Target,
};

/// Targets that one message names.
const NAMED_MAX: usize = 3;

impl ValidJob {
    /// What is wrong with the job's targets, given those there are: a name that none has, a protocol that the step does not
    /// speak, a selector that matches nothing. `targets` holds at least those that the job names or selects.
    pub fn check_targets(&self, targets: &[Target]) -> Vec<Problem> {
        let known = Known::new(targets);
        self.steps().iter().enumerate().flat_map(|(index, step)| known.problems(step, index)).collect()
    }

    /// The plan of a run with `given` as parameters, over `targets`: at least those that the job names or selects. A target
    /// that a step means twice is one task.
    ///
    /// # Errors
    ///
    /// `InvalidParameters` as [`ValidJob::bind`]; `InvalidJob` with the problems of [`ValidJob::check_targets`].
    pub fn plan(&self, targets: &[Target], given: Map<String, Value>) -> Result<RunPlan> {
        let parameters = self.bind(given)?;
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
        let mut steps: Vec<PlannedStep> = Vec::with_capacity(self.steps().len());
        let mut before: Option<(&TargetChoice, BTreeSet<u32>)> = None;
        for (step, index) in self.steps().iter().zip(0_u32..) {
            // Most jobs act on the same targets in every step: look them up once.
            let (places, set) = match (&before, steps.last()) {
                (Some((choice, set)), Some(last)) if *choice == step.targets() => {
                    (last.targets.clone(), set.clone())
                }
                _ => {
                    let places: Vec<u32> =
                        known.chosen(step.targets()).map(|target| used.place(target)).collect();
                    let set = places.iter().copied().collect();
                    (distinct(places), set)
                }
            };
            let edges =
                before.as_ref().map(|(_, last)| Edge { step: index - 1, join: join(step, last, &set) });
            steps.push(planned(self, step, places, edges.into_iter().collect()));
            before = Some((step.targets(), set));
        }
        Ok(RunPlan {
            job_name: self.name().to_owned(),
            job_version: self.version(),
            parameters,
            targets: used.targets,
            steps,
        })
    }
}

/// How a step is joined to the one before it.
fn join(step: &ValidStep, before: &BTreeSet<u32>, own: &BTreeSet<u32>) -> Join {
    if before == own && !own.is_empty() && !step.waits_for_all() { Join::PerTarget } else { Join::Barrier }
}

fn distinct(mut places: Vec<u32>) -> Vec<u32> {
    let mut seen = BTreeSet::new();
    places.retain(|place| seen.insert(*place));
    places
}

fn planned(job: &ValidJob, step: &ValidStep, targets: Vec<u32>, edges: Vec<Edge>) -> PlannedStep {
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
    }
}

/// The targets there are.
struct Known<'t> {
    by_name: HashMap<&'t str, &'t Target>,
    /// By name, so that a plan does not depend on the order in which a store lists them.
    sorted: Vec<&'t Target>,
}

impl<'t> Known<'t> {
    fn new(targets: &'t [Target]) -> Self {
        let mut sorted: Vec<&Target> = targets.iter().collect();
        sorted.sort_by(|a, b| a.spec.name.cmp(&b.spec.name));
        let by_name = sorted.iter().map(|target| (target.spec.name.as_str(), *target)).collect();
        Self { by_name, sorted }
    }

    fn chosen<'c>(&'c self, choice: &'c TargetChoice) -> impl Iterator<Item = &'t Target> + 'c {
        let (names, tags): (&[String], &[String]) = match choice {
            TargetChoice::None => (&[], &[]),
            TargetChoice::Names(names) => (names, &[]),
            TargetChoice::Tags(tags) => (&[], tags),
        };
        let named = names.iter().filter_map(|name| self.by_name.get(name.as_str()).copied());
        // Without tags there is no selector; a selector has at least one.
        let candidates = if tags.is_empty() { &[][..] } else { &self.sorted[..] };
        let tagged =
            candidates.iter().copied().filter(|target| tags.iter().all(|tag| target.spec.tags.contains(tag)));
        named.chain(tagged)
    }

    fn problems(&self, step: &ValidStep, index: usize) -> Vec<Problem> {
        match step.targets() {
            TargetChoice::None => Vec::new(),
            TargetChoice::Names(names) => {
                let named = names.iter().enumerate();
                named.filter_map(|(at, name)| self.name_problem(step, name, index, at)).collect()
            }
            TargetChoice::Tags(tags) => self.selector_problem(step, tags, index).into_iter().collect(),
        }
    }

    fn name_problem(&self, step: &ValidStep, name: &str, index: usize, at: usize) -> Option<Problem> {
        let message = match (self.by_name.get(name), step.protocol()) {
            (None, _) => format!("there is no target named `{name}`"),
            (Some(target), Some(protocol)) if target.spec.protocol != protocol => format!(
                "`{name}` speaks {}, but a {} step needs a target that speaks {protocol}",
                target.spec.protocol,
                step.kind()
            ),
            _ => return None,
        };
        Some(Problem::new(step.name_pointer(index, at), message))
    }

    fn selector_problem(&self, step: &ValidStep, tags: &[String], index: usize) -> Option<Problem> {
        let pointer = place::join(&place::step(index), "targets");
        let mut chosen = self.chosen(step.targets()).peekable();
        if chosen.peek().is_none() {
            let tags: Vec<&str> = tags.iter().map(String::as_str).collect();
            let message = format!("no target carries {}", explain::list(&tags, "and"));
            return Some(Problem::new(pointer, message));
        }
        let protocol = step.protocol()?;
        let others: Vec<&str> = chosen
            .filter(|target| target.spec.protocol != protocol)
            .map(|target| target.spec.name.as_str())
            .collect();
        if others.is_empty() {
            return None;
        }
        let more = if others.len() > NAMED_MAX { " and others" } else { "" };
        let some = others[..others.len().min(NAMED_MAX)].join("`, `");
        let message = format!(
            "the tags also select `{some}`{more}, but a {} step needs targets that speak {protocol}",
            step.kind()
        );
        Some(Problem::new(pointer, message))
    }
}

/// The targets of a plan, in the order in which steps first use them.
#[derive(Default)]
struct Used {
    targets: Vec<PlannedTarget>,
    places: HashMap<crate::id::TargetId, u32>,
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
