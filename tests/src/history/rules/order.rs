//! Rules about what comes before what, by the times that the store has recorded.

use std::collections::BTreeMap;

use super::{Found, Rule, name};
use crate::history::{History, Part, SeenAttempt, SeenRun, SeenTask};

/// No more tasks run at once than a limit allows, from their claims to their ends.
pub(super) fn limits(history: &History, found: &mut Found) {
    for limited in &history.limits {
        let mut moments = Vec::new();
        for (_, _, attempt) in attempts(history, &limited.part) {
            // One that ended at the moment in which it began took no place.
            if attempt.finished_at > attempt.started_at {
                moments.extend([(attempt.started_at, 1_i64), (attempt.finished_at, -1)]);
            }
        }
        // At the same moment, ends come first: what ends makes room.
        moments.sort_unstable();
        let (mut running, mut most) = (0, (0, 0));
        for (at, change) in moments {
            running += change;
            most = most.max((running, at));
        }
        if most.0 > i64::from(limited.running) {
            found.add(Rule::LimitKept, format!("{} tasks ran at {}, {limited:?}", most.0, most.1));
        }
    }
}

/// Nothing starts in a pause.
pub(super) fn pauses(history: &History, found: &mut Found) {
    for paused in &history.pauses {
        for (run, task, attempt) in attempts(history, &paused.part) {
            if (paused.from + 1..paused.to).contains(&attempt.started_at) {
                let what = format!("{} started at {}, {paused:?}", name(run, task), attempt.started_at);
                found.add(Rule::PauseKept, what);
            }
        }
    }
}

/// Runs with the same concurrency key go one after the other, in the order of their ids.
pub(super) fn turns(history: &History, found: &mut Found) {
    let mut keys: BTreeMap<&str, BTreeMap<i64, &SeenRun>> = BTreeMap::new();
    for run in history.runs.iter().chain(&history.removed) {
        if let Some(key) = &run.turn {
            keys.entry(key).or_default().insert(run.id, run);
        }
    }
    for (key, runs) in keys {
        let mut before: Option<(i64, i64)> = None;
        for run in runs.values() {
            let began =
                run.tasks.iter().flat_map(|task| &task.attempts).map(|attempt| attempt.started_at).min();
            if let (Some(began), Some((ended, other))) = (began, before)
                && began < ended
            {
                let what = format!("run {} with the key {key} began before run {other} had ended", run.id);
                found.add(Rule::TurnsInOrder, what);
            }
            before = before.max(Some((run.finished_at.unwrap_or(i64::MAX), run.id)));
        }
    }
}

/// The recorded attempts in a part of the queue.
fn attempts<'a>(
    history: &'a History,
    part: &'a Part,
) -> impl Iterator<Item = (&'a SeenRun, &'a SeenTask, &'a SeenAttempt)> {
    let is_in = move |run: &SeenRun, task: &SeenTask| match part {
        Part::Job(name) => run.job == *name,
        Part::Target(name) => task.target == *name,
    };
    let runs = history.runs.iter().chain(&history.removed);
    let tasks = runs.flat_map(|run| run.tasks.iter().map(move |task| (run, task)));
    tasks
        .filter(move |(run, task)| is_in(run, task))
        .flat_map(|(run, task)| task.attempts.iter().map(move |attempt| (run, task, attempt)))
}
