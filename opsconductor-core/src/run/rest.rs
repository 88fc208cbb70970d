//! What is left of a plan: the tasks that have still to be done.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use super::plan::{Edge, Join, PlannedTarget, RunPlan, Runs, TaskKey};

impl RunPlan {
    /// The plan of the tasks that are not `done`, in the same order; none when all are. A step of which nothing is left goes,
    /// and what waited for it waits for what that waited for.
    ///
    /// Steps that went target by target do so still where the same targets are left to both; else the later one waits for
    /// all of the earlier one. Steps that follow a failure, or are done in any case, come along whole while anything is left of
    /// what the run is about; else what is left of them is what the new run is about.
    pub fn rest(&self, done: impl Fn(TaskKey) -> bool) -> Option<RunPlan> {
        let mut steps = Vec::new();
        let mut places = Places::default();
        // For each step of this plan: where it stands in the new one, or what those wait for that waited for it.
        let mut stands: Vec<Result<u32, BTreeSet<u32>>> = Vec::with_capacity(self.steps.len());
        let mut left: Vec<BTreeSet<u32>> = Vec::new();
        let is_main_left = self
            .tasks(false)
            .any(|(key, _)| self.step(key.step).is_some_and(|step| step.runs.is_on_success()) && !done(key));
        for (step, index) in self.steps.iter().zip(0_u32..) {
            let comes_along = is_main_left && !step.runs.is_on_success();
            let is_left = |target| comes_along || !done(TaskKey { step: index, target });
            let kept: Vec<u32> = step
                .targets
                .iter()
                .copied()
                .filter(|at| is_left(Some(self.targets[*at as usize].id)))
                .collect();
            let edges = edges(&step.edges, &stands, |earlier| {
                left[earlier as usize] == kept.iter().copied().collect::<BTreeSet<_>>()
            });
            if kept.is_empty() && !(step.targets.is_empty() && is_left(None)) {
                stands.push(Err(edges.into_keys().collect()));
                continue;
            }
            stands.push(Ok(steps.len() as u32));
            left.push(kept.iter().copied().collect());
            let mut step = step.clone();
            step.targets = kept.into_iter().map(|at| places.of(self, at)).collect();
            step.edges = edges.into_iter().map(|(step, join)| Edge { step, join }).collect();
            if !is_main_left {
                step.runs = Runs::OnSuccess;
            }
            steps.push(step);
        }
        if steps.is_empty() {
            return None;
        }
        Some(RunPlan { targets: places.targets, steps, ..self.clone() })
    }
}

/// What a step waits for in the new plan.
fn edges(
    before: &[Edge],
    stands: &[Result<u32, BTreeSet<u32>>],
    same_targets: impl Fn(u32) -> bool,
) -> BTreeMap<u32, Join> {
    let mut edges = BTreeMap::new();
    for edge in before {
        match &stands[edge.step as usize] {
            Ok(at) if edge.join == Join::PerTarget && same_targets(*at) => {
                edges.entry(*at).or_insert(Join::PerTarget);
            }
            Ok(at) => {
                edges.insert(*at, Join::Barrier);
            }
            Err(through) => edges.extend(through.iter().map(|at| (*at, Join::Barrier))),
        }
    }
    edges
}

/// The targets of the new plan, in the order in which steps first use them.
#[derive(Default)]
struct Places {
    targets: Vec<PlannedTarget>,
    by_old: HashMap<u32, u32>,
}

impl Places {
    fn of(&mut self, plan: &RunPlan, old: u32) -> u32 {
        *self.by_old.entry(old).or_insert_with(|| {
            self.targets.push(plan.targets[old as usize].clone());
            self.targets.len() as u32 - 1
        })
    }
}

#[cfg(test)]
mod tests;
