//! [`Summary`]: what was done and what came of it.

use std::collections::BTreeMap;

use opsconductor_core::run::TaskStatus;
use serde_json::{Value, json};

use super::{Backend, Settings};
use crate::history::{Breach, History};

/// How many breaches of each rule are told in full.
const TOLD_MAX: u64 = 3;

/// What was done and what came of it.
#[derive(Debug, Clone)]
pub struct Summary {
    /// The seed.
    pub seed: u64,
    /// The store.
    pub backend: Backend,
    /// How often each thing was broken.
    pub broken: BTreeMap<&'static str, u64>,
    /// What could not be broken here.
    pub left_out: Vec<&'static str>,
    /// How many enqueues were acknowledged.
    pub acknowledged: usize,
    /// How many runs the store shows.
    pub runs: usize,
    /// How many were removed after they were over.
    pub removed: usize,
    /// How many tasks ended how.
    pub tasks: BTreeMap<&'static str, u64>,
    /// Why tasks failed, and how many of each.
    pub failures: BTreeMap<String, u64>,
    /// How many tasks were claimed more than once.
    pub claimed_again: u64,
    /// How many effects were written down.
    pub effects: usize,
    /// The longest time, in seconds, that a run may have been over without being seen.
    pub unseen: f64,
    /// How many processes had to be killed in the end.
    pub stuck: usize,
    /// How long it took, in seconds: to break, to come to rest.
    pub seconds: (f64, f64),
    /// Whether all was done before the history was looked at. If not, what has not ended breaks rules too.
    pub at_rest: bool,
    /// What broke a rule.
    pub breaches: Vec<Breach>,
}

impl Summary {
    /// A summary before anything has happened.
    pub(super) fn new(settings: &Settings) -> Self {
        Self {
            seed: settings.seed,
            backend: settings.backend,
            broken: BTreeMap::new(),
            left_out: Vec::new(),
            acknowledged: 0,
            runs: 0,
            removed: 0,
            tasks: BTreeMap::new(),
            failures: BTreeMap::new(),
            claimed_again: 0,
            effects: 0,
            unseen: 0.0,
            stuck: 0,
            seconds: (0.0, 0.0),
            at_rest: false,
            breaches: Vec::new(),
        }
    }

    /// Counts one thing that was broken.
    pub(super) fn count(&mut self, what: &'static str) {
        *self.broken.entry(what).or_default() += 1;
    }

    /// How often `what` was broken.
    pub fn broken(&self, what: &str) -> u64 {
        self.broken.get(what).copied().unwrap_or_default()
    }

    /// Takes what the history says.
    pub(super) fn take(&mut self, history: &History) {
        self.acknowledged = history.acknowledged.len();
        self.runs = history.runs.len();
        self.removed = history.removed.len();
        self.effects = history.effects.len();
        for task in history.runs.iter().chain(&history.removed).flat_map(|run| &run.tasks) {
            *self.tasks.entry(task.status.as_str()).or_default() += 1;
            self.claimed_again += u64::from(task.attempt > 1);
            if let (TaskStatus::Failed, Some(reason)) = (task.status, &task.reason) {
                *self.failures.entry(without_numbers(reason)).or_default() += 1;
            }
        }
        self.breaches = crate::history::check(history);
    }

    /// As one JSON object.
    pub fn json(&self) -> Value {
        let store = match self.backend {
            Backend::Postgres => "postgres",
            Backend::Sqlite => "sqlite",
        };
        let mut rules: BTreeMap<String, u64> = BTreeMap::new();
        let mut told = Vec::new();
        for breach in &self.breaches {
            let count = rules.entry(format!("{:?}", breach.rule)).or_default();
            *count += 1;
            if *count <= TOLD_MAX {
                told.push(breach.to_string());
            }
        }
        json!({
            "chaos": store,
            "seed": self.seed,
            "broken": self.broken,
            "left_out": self.left_out,
            "acknowledged": self.acknowledged,
            "runs": self.runs,
            "removed": self.removed,
            "tasks": self.tasks,
            "failures": self.failures,
            "claimed_again": self.claimed_again,
            "effects": self.effects,
            "seconds_unseen": self.unseen.round(),
            "stuck_processes": self.stuck,
            "seconds_breaking": self.seconds.0.round(),
            "seconds_to_rest": self.seconds.1.round(),
            "at_rest": self.at_rest,
            "breaches": self.breaches.len(),
            "broken_rules": rules,
            "first_breaches": told,
        })
    }
}

/// Reasons that differ in ids alone are one.
fn without_numbers(reason: &str) -> String {
    let words =
        reason.split(' ').map(|word| if word.contains(|c: char| c.is_ascii_digit()) { "…" } else { word });
    words.collect::<Vec<_>>().join(" ")
}
