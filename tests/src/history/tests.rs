#![allow(clippy::unwrap_used, reason = "a test may panic")]

use opsconductor_core::run::{RunStatus, TaskStatus};

use super::{Acknowledged, Breach, Effect, History, Left, Rule, SeenEvent, SeenRun, SeenTask, check};

/// Two runs that went well: of the first the task was tried twice.
fn good() -> History {
    History {
        acknowledged: vec![
            Acknowledged { key: "a".into(), run: 1 },
            Acknowledged { key: "a".into(), run: 1 },
            Acknowledged { key: "b".into(), run: 2 },
        ],
        effects: vec![effect(1), effect(2)],
        runs: vec![run(1, "a", 2), run(2, "b", 1)],
        left: Left::default(),
    }
}

fn effect(run: i64) -> Effect {
    Effect { run, step: 0, target: "host-1".into() }
}

fn run(id: i64, key: &str, attempt: u32) -> SeenRun {
    let task = id * 10;
    let mut kinds = vec![("run.queued", None), ("run.started", None), ("step.started", Some(task))];
    for _ in 1..attempt {
        kinds.extend([("step.waiting", Some(task)), ("step.started", Some(task))]);
    }
    kinds.extend([("step.finished", Some(task)), ("run.finished", None)]);
    let events = kinds.into_iter().zip(1..).map(|((kind, task), seq)| SeenEvent { seq, kind, task });
    let task = SeenTask {
        id: task,
        step: 0,
        target: "host-1".into(),
        status: TaskStatus::Succeeded,
        reason: None,
        idempotent: false,
        attempt,
        attempts: (1..=attempt).collect(),
    };
    SeenRun {
        id,
        key: Some(key.into()),
        status: RunStatus::Succeeded,
        tasks: vec![task],
        events: events.collect(),
    }
}

/// The rules that `change` breaks, each once.
fn broken(change: impl FnOnce(&mut History)) -> Vec<Rule> {
    let mut history = good();
    change(&mut history);
    let mut rules: Vec<_> = check(&history).into_iter().map(|Breach { rule, .. }| rule).collect();
    rules.sort();
    rules.dedup();
    rules
}

#[test]
fn a_good_history_breaks_nothing() {
    assert_eq!(broken(|_| {}), []);
    assert_eq!(
        broken(|h| h.acknowledged.truncate(1)),
        [],
        "a producer may die before it writes an answer down"
    );
}

#[test]
fn what_may_have_happened_is_allowed() {
    let lost = |h: &mut History| {
        h.runs[0].tasks[0].status = TaskStatus::Lost;
        h.runs[0].status = RunStatus::Failed;
    };
    assert_eq!(broken(lost), [], "a lost task may have acted");
    let unacted = |h: &mut History| {
        lost(h);
        h.effects.remove(0);
    };
    assert_eq!(broken(unacted), [], "and may not have");
    let twice = |h: &mut History| {
        h.runs[0].tasks[0].idempotent = true;
        h.effects.push(effect(1));
    };
    assert_eq!(broken(twice), [], "an idempotent step may act twice");
}

#[test]
fn an_acknowledged_run_that_is_gone_is_found() {
    let gone = |h: &mut History| {
        h.runs.remove(1);
        h.effects.remove(1);
    };
    assert_eq!(broken(gone), [Rule::NothingAcknowledgedIsLost]);
}

#[test]
fn a_key_with_two_runs_is_found() {
    assert_eq!(broken(|h| h.acknowledged[1].run = 2), [Rule::OneRunPerKey]);
    let twice = |h: &mut History| {
        h.runs.push(run(3, "b", 1));
        h.effects.push(effect(3));
    };
    assert_eq!(broken(twice), [Rule::OneRunPerKey]);
}

#[test]
fn what_never_ends_is_found() {
    let stuck = |h: &mut History| {
        h.runs[1].status = RunStatus::Running;
        h.runs[1].tasks[0].status = TaskStatus::Running;
        h.runs[1].events.truncate(3);
    };
    assert_eq!(broken(stuck), [Rule::EverythingEnds]);
    let task_alone = |h: &mut History| h.runs[1].tasks[0].status = TaskStatus::Waiting;
    assert!(broken(task_alone).contains(&Rule::EverythingEnds));
}

#[test]
fn a_second_end_or_none_is_found() {
    let twice = |h: &mut History| {
        let end = h.runs[0].events.iter().position(|event| event.kind == "step.finished").unwrap();
        let again = h.runs[0].events[end].clone();
        h.runs[0].events.insert(end, again);
        h.runs[0].events.iter_mut().zip(1..).for_each(|(event, seq)| event.seq = seq);
    };
    assert_eq!(broken(twice), [Rule::OneEnd, Rule::NothingAfterTheEnd]);
    let none = |h: &mut History| {
        h.runs[0].events.pop();
    };
    assert_eq!(broken(none), [Rule::OneEnd]);
}

#[test]
fn a_gap_in_the_events_is_found() {
    assert_eq!(broken(|h| h.runs[0].events[3].seq += 1), [Rule::EventsWithoutGaps]);
    let begun = |h: &mut History| {
        h.runs[1].events.remove(0);
    };
    assert_eq!(broken(begun), [Rule::EventsWithoutGaps]);
}

#[test]
fn what_comes_after_an_end_is_found() {
    let late = |h: &mut History| {
        h.runs[1].events.push(SeenEvent { seq: 6, kind: "step.output", task: Some(20) });
    };
    assert_eq!(broken(late), [Rule::NothingAfterTheEnd]);
}

#[test]
fn a_second_effect_is_found() {
    assert_eq!(broken(|h| h.effects.push(effect(1))), [Rule::NoSecondEffect]);
    let lost = |h: &mut History| {
        h.runs[0].tasks[0].status = TaskStatus::Lost;
        h.effects.push(effect(1));
    };
    assert_eq!(broken(lost), [Rule::NoSecondEffect]);
}

#[test]
fn a_success_that_did_nothing_is_found() {
    let idle = |h: &mut History| {
        h.effects.remove(0);
    };
    assert_eq!(broken(idle), [Rule::SuccessHasActed]);
}

#[test]
fn an_effect_of_nobody_is_found() {
    assert_eq!(broken(|h| h.effects.push(effect(9))), [Rule::EffectsHaveATask]);
    let unclaimed = |h: &mut History| {
        h.runs[1].tasks[0].attempt = 0;
        h.runs[1].tasks[0].attempts.clear();
    };
    assert_eq!(broken(unclaimed), [Rule::EffectsHaveATask]);
}

#[test]
fn an_attempt_that_is_missing_or_doubled_is_found() {
    for attempts in [vec![2], vec![1, 1], vec![1, 2, 3]] {
        assert_eq!(broken(|h| h.runs[0].tasks[0].attempts = attempts), [Rule::AttemptsWithoutGaps]);
    }
}

#[test]
fn what_is_left_over_is_found() {
    for left in [
        Left { queued: 1, ..Left::default() },
        Left { running: 1, ..Left::default() },
        Left { rows: 1, ..Left::default() },
    ] {
        assert_eq!(broken(|h| h.left = left), [Rule::NothingLeftOver]);
    }
}

#[test]
fn logs_are_read_as_they_were_written() {
    let folder = tempfile::tempdir().unwrap();
    let (acks, effects) = (folder.path().join("acks"), folder.path().join("effects"));
    super::Log::open(&acks).unwrap().acknowledged("p0-7", 12).unwrap();
    super::Log::open(&acks).unwrap().acknowledged("p0-8", 13).unwrap();
    super::Log::open(&effects).unwrap().effect("3/0/host-1").unwrap();
    assert_eq!(
        super::read_acknowledged(&acks).unwrap(),
        [Acknowledged { key: "p0-7".into(), run: 12 }, Acknowledged { key: "p0-8".into(), run: 13 },]
    );
    assert_eq!(super::read_effects(&effects).unwrap(), [effect(3)]);
    assert!(super::read_effects(&acks).is_err(), "what is not such a log is refused");
    assert!(super::read_effects(&folder.path().join("none")).unwrap().is_empty());
}
