#![allow(clippy::unwrap_used, reason = "a test may panic")]

use opsconductor_core::run::{RunStatus, TaskStatus};

use super::{
    Acknowledged, Breach, Effect, History, Kept, Left, Limited, Part, Paused, Rule, SeenAttempt, SeenEvent,
    SeenRun, SeenTask, check,
};

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
        ..History::default()
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
        attempts: (1..=attempt).map(|number| tried(id, number)).collect(),
    };
    SeenRun {
        id,
        job: "job".into(),
        key: Some(key.into()),
        turn: Some("lane".into()),
        status: RunStatus::Succeeded,
        finished_at: Some(id * 1000 + i64::from(attempt) * 10),
        tasks: vec![task],
        events: events.collect(),
    }
}

/// One attempt after the other, and one run after the other.
fn tried(run: i64, number: u32) -> SeenAttempt {
    let started_at = run * 1000 + i64::from(number) * 10 - 10;
    SeenAttempt { number, started_at, finished_at: started_at + 10 }
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
        let attempts = attempts.into_iter().map(|number| tried(1, number)).collect();
        assert_eq!(broken(|h| h.runs[0].tasks[0].attempts = attempts), [Rule::AttemptsWithoutGaps]);
    }
}

#[test]
fn what_is_left_over_is_found() {
    for left in [
        Left { queued: 1, ..Left::default() },
        Left { running: 1, ..Left::default() },
        Left { rows: 1, ..Left::default() },
        Left { orphans: 1, ..Left::default() },
    ] {
        assert_eq!(broken(|h| h.left = left), [Rule::NothingLeftOver]);
    }
}

/// Every part of the queue that both runs are in.
fn parts() -> [Part; 2] {
    [Part::Job("job".into()), Part::Target("host-1".into())]
}

#[test]
fn a_limit_that_was_passed_is_found() {
    for part in parts() {
        let limited = |h: &mut History| h.limits = vec![Limited { part: part.clone(), running: 1 }];
        assert_eq!(broken(limited), [], "one task ended before the next began");
        let together = |h: &mut History| {
            limited(h);
            h.runs[0].tasks[0].attempts[1].finished_at = tried(2, 1).finished_at;
        };
        assert_eq!(broken(together), [Rule::LimitKept]);
        let with_one_that_is_gone = |h: &mut History| {
            together(h);
            removed(h, 0);
        };
        assert_eq!(broken(with_one_that_is_gone), [Rule::LimitKept]);
    }
    let elsewhere = |h: &mut History| {
        h.limits = vec![Limited { part: Part::Job("other".into()), running: 1 }];
        h.runs[0].tasks[0].attempts[1].finished_at = tried(2, 1).finished_at;
    };
    assert_eq!(broken(elsewhere), []);
}

#[test]
fn a_start_in_a_pause_is_found() {
    for part in parts() {
        let paused = |from, to| Paused { part: part.clone(), from, to };
        assert_eq!(broken(|h| h.pauses = vec![paused(1900, 2001)]), [Rule::PauseKept]);
        assert_eq!(broken(|h| h.pauses = vec![paused(1100, 2000), paused(2000, 3000)]), []);
    }
    let elsewhere = Paused { part: Part::Target("host-2".into()), from: 0, to: 9000 };
    assert_eq!(broken(|h| h.pauses = vec![elsewhere]), []);
}

#[test]
fn a_run_before_its_turn_is_found() {
    assert_eq!(broken(|h| h.runs[0].finished_at = Some(2001)), [Rule::TurnsInOrder]);
    assert_eq!(broken(|h| h.runs[0].finished_at = None), [Rule::TurnsInOrder]);
    let others = |h: &mut History| {
        h.runs[0].finished_at = Some(2001);
        h.runs[1].turn = Some("another".into());
    };
    assert_eq!(broken(others), []);
}

const KEPT: Kept = Kept { age: 500, at: 2300, until: 2400 };

/// Takes the run at `place` away as retention does.
fn removed(history: &mut History, place: usize) {
    history.kept = Some(KEPT);
    let gone = history.runs.remove(place);
    history.removed.push(gone);
}

#[test]
fn an_old_run_may_go_and_nothing_else() {
    assert_eq!(broken(|h| removed(h, 0)), []);
    assert_eq!(broken(|h| removed(h, 1)), [Rule::OnlyOldRunsGo, Rule::OldRunsGo]);
    let never = |h: &mut History| {
        removed(h, 0);
        h.kept = None;
    };
    assert_eq!(broken(never), [Rule::OnlyOldRunsGo]);
    assert_eq!(broken(|h| h.kept = Some(KEPT)), [Rule::OldRunsGo]);
}

#[test]
fn a_removed_run_keeps_the_other_rules() {
    let unseen = |h: &mut History| {
        removed(h, 0);
        h.removed.clear();
    };
    assert_eq!(broken(unseen), [Rule::NothingAcknowledgedIsLost, Rule::EffectsHaveATask]);
    let alive = |h: &mut History| {
        removed(h, 0);
        h.removed[0].status = RunStatus::Running;
    };
    assert_eq!(broken(alive), [Rule::EverythingEnds]);
    let twice = |h: &mut History| {
        removed(h, 0);
        h.effects.push(effect(1));
    };
    assert_eq!(broken(twice), [Rule::NoSecondEffect]);
}

#[test]
fn a_key_may_be_used_again_when_its_run_is_gone() {
    let again = |h: &mut History| {
        removed(h, 0);
        h.acknowledged.push(Acknowledged { key: "a".into(), run: 3 });
        h.runs.push(run(3, "a", 1));
        h.effects.push(effect(3));
    };
    assert_eq!(broken(again), []);
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
