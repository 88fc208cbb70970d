//! What is left of a plan: the tasks that have still to be done.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use super::plan::{Edge, Join, PlannedTarget, RunPlan, Runs, TaskKey};

impl RunPlan {
    /// The plan of the tasks that are not `done`, in the same order; none when all are. A step of which nothing is left goes,
    /// and what waited for it waits for what that waited for.
    ///
    /// Steps that went target by target do so still. Steps that follow a failure, or are done in any case, come along whole while anything is left of
    /// what the run is about; else the first part of which something is left is what the new run is about.
    ///
    /// What steps that stay read of steps that go is not in it: that is for whoever knows how these ended to add, as
    /// [`earlier`](RunPlan::earlier).
    pub fn rest(&self, done: impl Fn(TaskKey) -> bool) -> Option<RunPlan> {
        let is_main_left = self
            .tasks(false)
            .any(|(key, _)| self.step(key.step).is_some_and(|step| step.runs.is_on_success()) && !done(key));
        // For each step of this plan the targets that are left, or none where the step goes.
        let left: Vec<Option<Vec<u32>>> = (self.steps.iter().zip(0_u32..))
            .map(|(step, index)| {
                let comes_along = is_main_left && !step.runs.is_on_success();
                let is_left = |target| comes_along || !done(TaskKey { step: index, target });
                let kept = step.targets.iter().copied();
                let kept: Vec<u32> = kept.filter(|at| is_left(Some(self.targets[*at as usize].id))).collect();
                (!kept.is_empty() || (step.targets.is_empty() && is_left(None))).then_some(kept)
            })
            .collect();
        let first =
            self.steps.iter().zip(&left).filter(|(_, kept)| kept.is_some()).map(|(step, _)| step.runs).min();
        let mut stands = Stands::new(self, &left);
        let mut places = Places::default();
        let mut steps = Vec::new();
        for (index, kept) in left.iter().enumerate() {
            let Some(kept) = kept else { continue };
            let mut step = self.steps[index].clone();
            step.edges = stands.edges(index, Some(step.runs) == first);
            step.targets = kept.iter().map(|at| places.of(self, *at)).collect();
            if Some(step.runs) == first {
                step.runs = Runs::OnSuccess;
            }
            steps.push(step);
        }
        if steps.is_empty() {
            return None;
        }
        Some(RunPlan { targets: places.targets, steps, earlier: Vec::new(), ..self.clone() })
    }

    /// Of each step whether the one at `step` comes after it: waits for it, be it through others.
    pub fn before(&self, step: u32) -> Vec<bool> {
        let mut before = vec![false; self.steps.len()];
        let mut open = vec![step];
        while let Some(planned) = open.pop().and_then(|at| self.step(at)) {
            for edge in &planned.edges {
                if !std::mem::replace(&mut before[edge.step as usize], true) {
                    open.push(edge.step);
                }
            }
        }
        before
    }

    /// Of each step whether it is the one at `first` or comes after it: it waits for it, be it through others, or belongs to a
    /// later part of the run.
    pub fn from_step(&self, first: u32) -> Vec<bool> {
        let mut after = vec![false; self.steps.len()];
        let Some(begin) = self.step(first) else { return after };
        after[first as usize] = true;
        // A step may wait for one that stands after it, so one look at all of them may not do.
        let mut found = true;
        while found {
            found = false;
            for (index, step) in self.steps.iter().enumerate() {
                let follows =
                    || step.runs > begin.runs || step.edges.iter().any(|edge| after[edge.step as usize]);
                if !after[index] && follows() {
                    after[index] = true;
                    found = true;
                }
            }
        }
        after
    }
}

/// Where the steps of a plan stand in the new one.
struct Stands<'p> {
    plan: &'p RunPlan,
    left: &'p [Option<Vec<u32>>],
    /// For each step its index in the new plan, if it is there.
    new: Vec<Option<u32>>,
    /// For steps that go: what those wait for now that waited for them.
    through: HashMap<u32, BTreeSet<u32>>,
    /// For tasks that go, by step and target's place: whether something stays that they waited for.
    behind: HashMap<(u32, u32), bool>,
}

impl<'p> Stands<'p> {
    fn new(plan: &'p RunPlan, left: &'p [Option<Vec<u32>>]) -> Self {
        let mut next = 0..;
        let new = left.iter().map(|kept| kept.as_ref().and_then(|_| next.next())).collect();
        Self { plan, left, new, through: HashMap::new(), behind: HashMap::new() }
    }

    /// What a step that stays waits for in the new plan, in which it is what the run is about or not.
    fn edges(&mut self, step: usize, is_main: bool) -> Vec<Edge> {
        let mut edges = BTreeMap::new();
        for edge in &self.plan.steps[step].edges {
            match self.new[edge.step as usize] {
                Some(at) if edge.join != Join::Barrier => {
                    let join = self.target_by_target(step, edge.step, is_main).unwrap_or(Join::Barrier);
                    edges.entry(at).or_insert(join);
                }
                Some(at) => drop(edges.insert(at, Join::Barrier)),
                None => edges.extend(self.through(edge.step).into_iter().map(|at| (at, Join::Barrier))),
            }
        }
        edges.into_iter().map(|(step, join)| Edge { step, join }).collect()
    }

    /// How tasks of a step meet those of one that it went target by target with, if they still can: a task whose own one goes
    /// must not begin before what that one waited for.
    fn target_by_target(&mut self, step: usize, other: u32, is_main: bool) -> Option<Join> {
        let left = self.left;
        let set = |step: usize| left[step].iter().flatten().copied().collect::<BTreeSet<u32>>();
        let (own, others) = (set(step), set(other as usize));
        if own == others {
            return Some(Join::PerTarget);
        }
        let alone: Vec<u32> = own.difference(&others).copied().collect();
        let is_free = is_main && !alone.into_iter().any(|target| self.is_behind(other, target));
        is_free.then_some(Join::SharedTargets)
    }

    /// Whether something stays that the task of a step for a target, which goes, waited for.
    fn is_behind(&mut self, gone: u32, target: u32) -> bool {
        if let Some(known) = self.behind.get(&(gone, target)) {
            return *known;
        }
        let stays = |left: &[Option<Vec<u32>>], step: u32| {
            left[step as usize].as_ref().is_some_and(|targets| targets.contains(&target))
        };
        let mut is_behind = false;
        for edge in &self.plan.steps[gone as usize].edges {
            is_behind |= match (edge.join, self.new[edge.step as usize]) {
                (Join::Barrier, Some(_)) => true,
                (Join::Barrier, None) => !self.through(edge.step).is_empty(),
                _ => stays(self.left, edge.step) || self.is_behind(edge.step, target),
            };
        }
        self.behind.insert((gone, target), is_behind);
        is_behind
    }

    /// What stays of that which a step that goes waited for. A step may wait for any other, before or after it in the plan,
    /// but never for itself.
    fn through(&mut self, gone: u32) -> BTreeSet<u32> {
        if let Some(known) = self.through.get(&gone) {
            return known.clone();
        }
        let mut all = BTreeSet::new();
        for edge in &self.plan.steps[gone as usize].edges {
            match self.new[edge.step as usize] {
                Some(at) => drop(all.insert(at)),
                None => all.extend(self.through(edge.step)),
            }
        }
        self.through.insert(gone, all.clone());
        all
    }
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
