//! The rules.

mod order;

use std::{
    collections::{BTreeMap, HashMap, HashSet},
    fmt,
};

use opsconductor_core::run::TaskStatus;

use super::{Acknowledged, Effect, History, Kept, SeenRun, SeenTask};

/// What must hold.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Rule {
    /// A run whose enqueue was acknowledged is there, or it was over before it was removed.
    NothingAcknowledgedIsLost,
    /// A key names one run, as long as that is there.
    OneRunPerKey,
    /// Every run has ended, and so has each of its tasks.
    EverythingEnds,
    /// A run has one recorded end, and so has each of its tasks.
    OneEnd,
    /// Events are numbered from 1 without gaps, and begin with the enqueue.
    EventsWithoutGaps,
    /// Nothing happens to a run after its end.
    NothingAfterTheEnd,
    /// A step that is not idempotent acts once at most.
    NoSecondEffect,
    /// A task that succeeded has acted.
    SuccessHasActed,
    /// What acted belongs to a task that is there and was claimed.
    EffectsHaveATask,
    /// Each claim ended in one recorded attempt, numbered from 1.
    AttemptsWithoutGaps,
    /// No more tasks run at once than a limit allows.
    LimitKept,
    /// Nothing starts in a pause.
    PauseKept,
    /// A run begins when those with the same concurrency key that came before it are over.
    TurnsInOrder,
    /// A run that was removed had ended as long ago as runs are kept.
    OnlyOldRunsGo,
    /// What had ended longer ago was removed.
    OldRunsGo,
    /// The live queue is empty, and nothing is left of what was removed.
    NothingLeftOver,
}

/// A rule that was broken, and by what.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Breach {
    /// Which.
    pub rule: Rule,
    /// By what.
    pub what: String,
}

impl fmt::Display for Breach {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?}: {}", self.rule, self.what)
    }
}

/// Every breach of a rule in `history`; none when all is well.
pub fn check(history: &History) -> Vec<Breach> {
    let mut found = Found(Vec::new());
    let all = || history.runs.iter().chain(&history.removed);
    let runs: HashMap<i64, &SeenRun> = all().map(|run| (run.id, run)).collect();
    let gone: HashSet<i64> = history.removed.iter().map(|run| run.id).collect();
    acknowledged(&history.acknowledged, &runs, &gone, &mut found);
    keys(&history.runs, &mut found);
    order::limits(history, &mut found);
    order::pauses(history, &mut found);
    order::turns(history, &mut found);
    retention(history, &mut found);
    let mut effects: BTreeMap<&Effect, usize> = BTreeMap::new();
    for effect in &history.effects {
        *effects.entry(effect).or_default() += 1;
    }
    for run in all() {
        ends(run, &mut found);
        events(run, &mut found);
        for task in &run.tasks {
            let effect = Effect { run: run.id, step: task.step, target: task.target.clone() };
            acted(run, task, effects.remove(&effect).unwrap_or_default(), &mut found);
            attempts(run, task, &mut found);
        }
    }
    for effect in effects.keys() {
        found.add(Rule::EffectsHaveATask, format!("{effect:?} is of no task that the store knows"));
    }
    let left = history.left;
    if left.queued + left.running + left.rows + left.orphans > 0 {
        found.add(Rule::NothingLeftOver, format!("{left:?}"));
    }
    found.0
}

pub(super) struct Found(Vec<Breach>);

impl Found {
    pub(super) fn add(&mut self, rule: Rule, what: String) {
        self.0.push(Breach { rule, what });
    }
}

fn acknowledged(
    acknowledged: &[Acknowledged],
    runs: &HashMap<i64, &SeenRun>,
    gone: &HashSet<i64>,
    found: &mut Found,
) {
    let mut named: HashMap<&str, i64> = HashMap::new();
    for Acknowledged { key, run } in acknowledged {
        match runs.get(run) {
            None => {
                found.add(Rule::NothingAcknowledgedIsLost, format!("run {run} of key {key} is not there"))
            }
            Some(seen) if seen.key.as_ref() != Some(key) => {
                found.add(
                    Rule::OneRunPerKey,
                    format!("run {run} was named for key {key}, and has {:?}", seen.key),
                );
            }
            Some(_) => {}
        }
        let first = *named.entry(key).or_insert(*run);
        // A key lives as long as its run.
        if first != *run && !gone.contains(&first) {
            found.add(Rule::OneRunPerKey, format!("key {key} was answered with the runs {first} and {run}"));
        }
    }
}

fn keys(runs: &[SeenRun], found: &mut Found) {
    let mut of: HashMap<&str, i64> = HashMap::new();
    for run in runs {
        let Some(key) = &run.key else { continue };
        if let Some(other) = of.insert(key, run.id) {
            found.add(Rule::OneRunPerKey, format!("key {key} has the runs {other} and {}", run.id));
        }
    }
}

fn retention(history: &History, found: &mut Found) {
    let Some(Kept { age, at, until }) = history.kept else {
        if let Some(run) = history.removed.first() {
            found.add(Rule::OnlyOldRunsGo, format!("run {} was removed, and none should be", run.id));
        }
        return;
    };
    for run in &history.removed {
        if run.finished_at.is_none_or(|ended| ended > until - age) {
            found.add(
                Rule::OnlyOldRunsGo,
                format!("run {} ended at {:?} and is gone", run.id, run.finished_at),
            );
        }
    }
    for run in &history.runs {
        if run.finished_at.is_some_and(|ended| ended < at - age) {
            found.add(Rule::OldRunsGo, format!("run {} ended at {:?} and stays", run.id, run.finished_at));
        }
    }
}

fn ends(run: &SeenRun, found: &mut Found) {
    if !run.status.is_final() {
        found.add(Rule::EverythingEnds, format!("run {} is {} for ever", run.id, run.status.as_str()));
    }
    let count = |kind: &str, task: Option<i64>| {
        run.events.iter().filter(|event| event.kind == kind && event.task == task).count()
    };
    let finished = count("run.finished", None);
    if run.status.is_final() && finished != 1 {
        found.add(Rule::OneEnd, format!("run {} has {finished} recorded ends", run.id));
    }
    for task in &run.tasks {
        let (name, finished) = (name(run, task), count("step.finished", Some(task.id)));
        match task.status.is_final() {
            false => {
                found.add(Rule::EverythingEnds, format!("{name} is {} for ever", task.status.as_str()));
            }
            true if finished != 1 => found.add(Rule::OneEnd, format!("{name} has {finished} recorded ends")),
            true => {}
        }
    }
}

fn events(run: &SeenRun, found: &mut Found) {
    let gap = run.events.iter().zip(1_u64..).find(|(event, expected)| event.seq != *expected);
    if let Some((event, expected)) = gap {
        let what = format!("run {}: event {} stands where {expected} should", run.id, event.seq);
        found.add(Rule::EventsWithoutGaps, what);
    }
    if run.events.first().is_none_or(|event| event.kind != "run.queued") {
        found.add(Rule::EventsWithoutGaps, format!("run {} does not begin with run.queued", run.id));
    }
    let end = run.events.iter().position(|event| event.kind == "run.finished");
    if let Some(after) = end.and_then(|end| run.events.get(end + 1)) {
        found.add(Rule::NothingAfterTheEnd, format!("run {}: {after:?} comes after its end", run.id));
    }
    let mut over: Vec<i64> = Vec::new();
    for event in &run.events {
        let Some(task) = event.task else { continue };
        if over.contains(&task) {
            found.add(
                Rule::NothingAfterTheEnd,
                format!("run {}: {event:?} comes after its task's end", run.id),
            );
        }
        if event.kind == "step.finished" {
            over.push(task);
        }
    }
}

fn acted(run: &SeenRun, task: &SeenTask, times: usize, found: &mut Found) {
    let name = name(run, task);
    if times > 1 && !task.idempotent {
        found.add(Rule::NoSecondEffect, format!("{name} acted {times} times"));
    }
    if task.status == TaskStatus::Succeeded && times == 0 {
        found.add(Rule::SuccessHasActed, format!("{name} did nothing"));
    }
    if times > 0 && task.attempt == 0 {
        found.add(Rule::EffectsHaveATask, format!("{name} acted, and was never claimed"));
    }
}

fn attempts(run: &SeenRun, task: &SeenTask, found: &mut Found) {
    let expected: Vec<u32> = (1..=task.attempt).collect();
    let numbers: Vec<u32> = task.attempts.iter().map(|attempt| attempt.number).collect();
    if task.status.is_final() && numbers != expected {
        let what = format!(
            "{} was claimed {} times, and the attempts {:?} were recorded",
            name(run, task),
            task.attempt,
            numbers
        );
        found.add(Rule::AttemptsWithoutGaps, what);
    }
}

pub(super) fn name(run: &SeenRun, task: &SeenTask) -> String {
    format!("run {}, step {} on {} ({})", run.id, task.step, task.target, task.status.as_str())
}
