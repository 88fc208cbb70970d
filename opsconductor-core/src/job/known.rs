//! The targets there are, and what is wrong with those that a job means.

use std::collections::{HashMap, HashSet};

use super::{
    place,
    selector::Selector,
    valid::{TargetChoice, ValidJob, ValidStep},
};
use crate::{
    Problem,
    id::{CredentialId, TargetId},
    target::Target,
    transport::Protocol,
    vault::credential::CredentialKind,
};

/// Targets that one message names.
const NAMED_MAX: usize = 3;

impl ValidJob {
    /// What is wrong with the job's targets, given those there are: a name that none has, a protocol that the step does not
    /// speak, a selector that matches nothing. `targets` holds at least those that the job names or selects.
    pub fn check_targets(&self, targets: &[Target]) -> Vec<Problem> {
        self.check_targets_with(targets, &HashMap::new())
    }

    /// The same, and a credential that the step cannot use. `credentials` says of which type those of the targets are; what
    /// it does not say is not looked at.
    pub fn check_targets_with(
        &self,
        targets: &[Target],
        credentials: &HashMap<CredentialId, CredentialKind>,
    ) -> Vec<Problem> {
        let known = Known { credentials: Some(credentials), ..Known::new(targets) };
        let mut problems: Vec<Problem> =
            self.steps().iter().enumerate().flat_map(|(index, step)| known.problems(step, index)).collect();
        for problem in &mut problems {
            problem.pointer = self.0.layout.place(std::mem::take(&mut problem.pointer));
        }
        problems
    }
}

/// The targets there are.
pub(super) struct Known<'t> {
    by_name: HashMap<&'t str, &'t Target>,
    /// By name, so that a plan does not depend on the order in which a store lists them.
    sorted: Vec<&'t Target>,
    /// Of which type their credentials are.
    credentials: Option<&'t HashMap<CredentialId, CredentialKind>>,
}

impl<'t> Known<'t> {
    pub(super) fn new(targets: &'t [Target]) -> Self {
        let mut sorted: Vec<&Target> = targets.iter().collect();
        sorted.sort_by(|a, b| a.spec.name.cmp(&b.spec.name));
        let by_name = sorted.iter().map(|target| (target.spec.name.as_str(), *target)).collect();
        Self { by_name, sorted, credentials: None }
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
            TargetChoice::Selected(selector) => self.selector_problems(step, selector, index),
        }
    }

    fn name_problem(&self, step: &ValidStep, name: &str, index: usize, at: usize) -> Option<Problem> {
        let kind = step.kind();
        let message = match (self.by_name.get(name), step.protocol()) {
            (None, _) => format!("there is no target named `{name}`"),
            (Some(target), Some(protocol)) if target.spec.protocol != protocol => format!(
                "`{name}` speaks {}, but a {kind} step needs a target that speaks {protocol}",
                target.spec.protocol,
            ),
            (Some(target), Some(protocol)) => {
                let wrong = self.wrong_credential(target, protocol)?;
                let needed = protocol.credential_kind();
                format!(
                    "`{name}` has a credential of the type {wrong}, but a {kind} step needs one of the type {needed}"
                )
            }
            _ => return None,
        };
        Some(Problem::new(step.name_pointer(index, at), message))
    }

    fn selector_problems(&self, step: &ValidStep, selector: &Selector, index: usize) -> Vec<Problem> {
        let pointer = place::join(&place::step(index), "targets");
        let chosen: Vec<&Target> = self.chosen(step.targets()).collect();
        if chosen.is_empty() {
            let message = format!("no target {}", selector.sentence());
            return if step.allows_empty() { Vec::new() } else { vec![Problem::new(pointer, message)] };
        }
        let Some(protocol) = step.protocol() else { return Vec::new() };
        let (kind, needed) = (step.kind(), protocol.credential_kind());
        let others = some_of(&chosen, |target| target.spec.protocol != protocol);
        let others = others.map(|some| {
            format!("this also selects {some}, but a {kind} step needs targets that speak {protocol}")
        });
        let wrong = some_of(&chosen, |target| {
            target.spec.protocol == protocol && self.wrong_credential(target, protocol).is_some()
        });
        let wrong = wrong.map(|some| {
            format!(
                "this also selects {some} with a credential of another type, but a {kind} step needs one of the type {needed}"
            )
        });
        others.into_iter().chain(wrong).map(|message| Problem::new(pointer.clone(), message)).collect()
    }

    /// The type of the target's credential, if that is known and not one that `protocol` takes.
    fn wrong_credential(&self, target: &Target, protocol: Protocol) -> Option<CredentialKind> {
        let kind = *self.credentials?.get(&target.spec.credential_ref?)?;
        (kind != protocol.credential_kind()).then_some(kind)
    }
}

/// The names of the first few of those that `meant` means.
fn some_of(targets: &[&Target], meant: impl Fn(&Target) -> bool) -> Option<String> {
    let names: Vec<&str> =
        targets.iter().filter(|target| meant(target)).map(|target| target.spec.name.as_str()).collect();
    if names.is_empty() {
        return None;
    }
    let more = if names.len() > NAMED_MAX { " and others" } else { "" };
    Some(format!("`{}`{more}", names[..names.len().min(NAMED_MAX)].join("`, `")))
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
