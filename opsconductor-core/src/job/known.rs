//! The targets there are, and what is wrong with those that a job means.

use std::collections::{HashMap, HashSet};

use super::{
    place,
    selector::Selector,
    valid::{TargetChoice, ValidJob, ValidStep},
};
use crate::{Problem, id::TargetId, target::Target};

/// Targets that one message names.
const NAMED_MAX: usize = 3;

impl ValidJob {
    /// What is wrong with the job's targets, given those there are: a name that none has, a protocol that the step does not
    /// speak, a selector that matches nothing. `targets` holds at least those that the job names or selects.
    pub fn check_targets(&self, targets: &[Target]) -> Vec<Problem> {
        let known = Known::new(targets);
        self.steps().iter().enumerate().flat_map(|(index, step)| known.problems(step, index)).collect()
    }
}

/// The targets there are.
pub(super) struct Known<'t> {
    by_name: HashMap<&'t str, &'t Target>,
    /// By name, so that a plan does not depend on the order in which a store lists them.
    sorted: Vec<&'t Target>,
}

impl<'t> Known<'t> {
    pub(super) fn new(targets: &'t [Target]) -> Self {
        let mut sorted: Vec<&Target> = targets.iter().collect();
        sorted.sort_by(|a, b| a.spec.name.cmp(&b.spec.name));
        let by_name = sorted.iter().map(|target| (target.spec.name.as_str(), *target)).collect();
        Self { by_name, sorted }
    }

    pub(super) fn chosen<'c>(&'c self, choice: &'c TargetChoice) -> impl Iterator<Item = &'t Target> + 'c {
        let (names, selector) = match choice {
            TargetChoice::None => (&[][..], None),
            TargetChoice::Names(names) => (&names[..], None),
            TargetChoice::Selected(selector) => (&[][..], Some(selector)),
        };
        let named = names.iter().filter_map(|name| self.by_name.get(name.as_str()).copied());
        let selected = selector
            .into_iter()
            .flat_map(|selector| self.sorted.iter().copied().filter(|target| selector.matches(&target.spec)));
        named.chain(selected)
    }

    fn problems(&self, step: &ValidStep, index: usize) -> Vec<Problem> {
        match step.targets() {
            TargetChoice::None => Vec::new(),
            TargetChoice::Names(names) => {
                let named = names.iter().enumerate();
                named.filter_map(|(at, name)| self.name_problem(step, name, index, at)).collect()
            }
            TargetChoice::Selected(selector) => {
                self.selector_problem(step, selector, index).into_iter().collect()
            }
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

    fn selector_problem(&self, step: &ValidStep, selector: &Selector, index: usize) -> Option<Problem> {
        let pointer = place::join(&place::step(index), "targets");
        let mut chosen = self.chosen(step.targets()).peekable();
        if chosen.peek().is_none() {
            if step.allows_empty() {
                return None;
            }
            let message = format!("no target {}", selector.sentence());
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
            "this also selects `{some}`{more}, but a {} step needs targets that speak {protocol}",
            step.kind()
        );
        Some(Problem::new(pointer, message))
    }
}

/// `chosen` so that each target comes after those of them that it depends on, and else in the order given.
pub(super) fn in_order(chosen: Vec<&Target>) -> Vec<&Target> {
    if chosen.iter().all(|target| target.spec.depends_on.is_empty()) {
        return chosen;
    }
    let by_id: HashMap<TargetId, &Target> = chosen.iter().map(|target| (target.id, *target)).collect();
    let (mut ordered, mut placed) = (Vec::with_capacity(chosen.len()), HashSet::new());
    for first in chosen {
        // A target stays on the way until all that it depends on has been placed; one that is met again on the way is in a
        // circle, which ends there.
        let mut way = vec![first];
        while let Some(target) = way.last().copied() {
            let next =
                target.spec.depends_on.iter().filter_map(|id| by_id.get(id).copied()).find(|other| {
                    !placed.contains(&other.id) && way.iter().all(|on_way| on_way.id != other.id)
                });
            match next {
                Some(next) => way.push(next),
                None => {
                    way.pop();
                    if placed.insert(target.id) {
                        ordered.push(target);
                    }
                }
            }
        }
    }
    ordered
}
