//! How a run flows: what follows a failure, what is done in any case, batches, waits, and how long it may take.

use std::time::Duration;

use opsconductor_core::{
    ErrorKind,
    engine::{Answer, Run, RunResult, WorkerSettings},
    id::UserId,
    run::{EventKind, RunStatus, TaskStatus},
    tenant::{Actor, DEFAULT_TENANT, Role, Scope},
};
use opsconductor_tests::fleet::{Fleet, object};
use serde_json::{Value, json};

use super::{LIMIT, quick};

on_each_store!(
    what_is_done_in_any_case_comes_last_after_a_success_and_after_a_failure,
    what_is_done_in_any_case_is_done_after_a_cancel,
    a_run_over_its_time_stops_fails_and_cleans_up,
    batches_go_one_after_the_other_and_stop_at_one_that_failed,
    too_many_failures_give_a_step_up,
    no_more_of_a_run_go_at_once_than_it_says,
    a_sleep_holds_no_slot,
    an_approval_goes_on_with_a_yes_and_says_who_gave_it,
    an_approval_that_is_refused_fails_the_run,
    an_approval_that_nobody_gives_fails_in_its_time,
    an_approval_outlives_its_worker,
    an_answer_takes_the_right_to_run_and_to_be_named,
    a_lost_step_asks_whether_it_is_to_be_sent_again,
);

pub(super) fn exec(target: Value, command: &str) -> Value {
    let list = if target.is_string() { "target" } else { "targets" };
    let mut step = object(json!({"type": "winrm.exec", "shell": "powershell", "command": command}));
    step.insert(list.to_owned(), target);
    Value::Object(step)
}

pub(super) fn with(step: Value, more: Value) -> Value {
    let mut step = object(step);
    step.extend(object(more));
    Value::Object(step)
}

pub(super) fn job(name: &str, members: Value) -> String {
    Value::Object(object(with(json!({"name": name, "version": 1}), members))).to_string()
}

fn statuses(result: &RunResult) -> Vec<TaskStatus> {
    result.steps.iter().map(|step| step.status).collect()
}

/// Looks often for runs that take too long and for tasks that nobody holds.
fn watchful() -> WorkerSettings {
    WorkerSettings { rescue: Duration::from_millis(50), ..quick() }
}

/// Returns when a step of the run has begun to wait, with what it says.
pub(super) async fn waits(run: &Run) -> String {
    let mut events = run.events();
    let found = async {
        while let Some(event) = events.next().await.unwrap() {
            if let EventKind::StepRequeued { reason } = event.kind {
                return reason;
            }
        }
        panic!("the run ended and nothing waited");
    };
    tokio::time::timeout(LIMIT, found).await.unwrap()
}

pub(super) fn yes() -> Answer {
    Answer { approve: true, note: Some("go ahead".to_owned()) }
}

use TaskStatus::{Aborted, Failed, Lost, Skipped, Succeeded};

async fn what_is_done_in_any_case_comes_last_after_a_success_and_after_a_failure(fleet: Fleet) {
    let (one, two) = (fleet.engine.worker(quick()).unwrap(), fleet.engine.worker(quick()).unwrap());
    for (name, command, status, ends) in [
        ("good", "print work", RunStatus::Succeeded, [Succeeded, Skipped, Succeeded, Failed, Succeeded]),
        ("bad", "fail 1", RunStatus::Failed, [Failed, Succeeded, Succeeded, Failed, Succeeded]),
    ] {
        let before = fleet.hosts.received().len();
        let definition = job(
            name,
            json!({
                "steps": [exec(json!("web-1"), command)],
                "onFailure": [exec(json!("web-2"), "print alarm")],
                "finally": [
                    exec(json!("db-1"), "print clean"),
                    with(exec(json!("db-1"), "fail 2"), json!({"continueOnError": true})),
                    exec(json!("db-1"), "print swept")
                ]
            }),
        );
        let result = fleet.run(&definition, json!({})).await.unwrap().wait(LIMIT).await.unwrap();
        assert_eq!((result.status, statuses(&result)), (status, ends.to_vec()), "{name}");
        let sent = fleet.hosts.received().len() - before;
        assert_eq!(sent, ends.iter().filter(|end| **end != Skipped).count());
    }
    one.shutdown().await;
    two.shutdown().await;
}

async fn what_is_done_in_any_case_is_done_after_a_cancel(fleet: Fleet) {
    let worker = fleet.engine.worker(quick()).unwrap();
    let definition = job(
        "cancel",
        json!({
            "steps": [exec(json!("web-1"), "hold"), exec(json!("web-1"), "print late")],
            "onFailure": [exec(json!("web-2"), "print alarm")],
            "finally": [exec(json!("db-1"), "hold"), exec(json!("db-1"), "print swept")]
        }),
    );
    let run = fleet.run(&definition, json!({})).await.unwrap();
    fleet.hosts.holding(1).await;
    run.cancel().await.unwrap();
    fleet.hosts.holding(2).await;
    assert_eq!(fleet.hosts.stopped(), 1, "the cancel stopped the step and not what cleans up");
    fleet.hosts.release(1);
    let result = run.wait(LIMIT).await.unwrap();
    assert_eq!(result.status, RunStatus::Canceled);
    assert_eq!(statuses(&result), [Aborted, Aborted, Aborted, Succeeded, Succeeded]);
    worker.shutdown().await;
}

async fn a_run_over_its_time_stops_fails_and_cleans_up(fleet: Fleet) {
    let worker = fleet.engine.worker(watchful()).unwrap();
    let definition = job(
        "slow",
        json!({
            "timeoutSec": 2,
            "steps": [exec(json!("web-1"), "hold"), exec(json!("web-1"), "print late")],
            "finally": [exec(json!("db-1"), "print swept")]
        }),
    );
    let result = fleet.run(&definition, json!({})).await.unwrap().wait(LIMIT).await.unwrap();
    assert_eq!((result.status, statuses(&result)), (RunStatus::Failed, vec![Aborted, Aborted, Succeeded]));
    for step in &result.steps[..2] {
        let error = step.error.as_deref().unwrap();
        assert!(error.contains("longer than its timeoutSec of 2 s"), "{error}");
    }
    assert_eq!(fleet.hosts.stopped(), 1);
    worker.shutdown().await;
}

async fn batches_go_one_after_the_other_and_stop_at_one_that_failed(fleet: Fleet) {
    let (one, two) = (fleet.engine.worker(quick()).unwrap(), fleet.engine.worker(quick()).unwrap());
    let targets = json!(["web-1", "web-2", "db-1"]);
    let definition = job("rolling", json!({"steps": [with(exec(targets, "hold"), json!({"serial": 1}))]}));
    let run = fleet.run(&definition, json!({})).await.unwrap();
    for turn in 1..=3 {
        fleet.hosts.holding(turn).await;
        assert_eq!(fleet.hosts.received().len(), turn);
        fleet.hosts.release(1);
    }
    assert_eq!(run.wait(LIMIT).await.unwrap().status, RunStatus::Succeeded);
    assert_eq!(fleet.hosts.most_running(), 1);
    let targets = json!(["web-1", "gone", "web-2", "db-1"]);
    let steps = json!([
        with(exec(targets.clone(), "print 1"), json!({"serial": [1, "25%"]})),
        exec(targets, "print 2")
    ]);
    let definition = job("stops", json!({"steps": steps}));
    let result = fleet.run(&definition, json!({})).await.unwrap().wait(LIMIT).await.unwrap();
    assert_eq!(result.status, RunStatus::Failed);
    assert_eq!(
        statuses(&result),
        [Succeeded, Failed, Aborted, Aborted, Succeeded, Aborted, Aborted, Aborted]
    );
    let error = result.steps[2].error.as_deref().unwrap();
    assert!(error.contains("a whole batch failed"), "{error}");
    one.shutdown().await;
    two.shutdown().await;
}

async fn too_many_failures_give_a_step_up(fleet: Fleet) {
    let worker = fleet.engine.worker(quick()).unwrap();
    let targets = json!(["gone", "web-1", "web-2", "db-1"]);
    let step = with(exec(targets, "print x"), json!({"serial": [2, 1], "maxFailPercentage": 40}));
    let result = fleet
        .run(&job("many", json!({"steps": [step]})), json!({}))
        .await
        .unwrap()
        .wait(LIMIT)
        .await
        .unwrap();
    // Whether the second of the first batch had begun is a matter of moments.
    assert_eq!((statuses(&result)[0], &statuses(&result)[2..]), (Failed, &[Aborted, Aborted][..]));
    let error = result.steps[3].error.as_deref().unwrap();
    assert!(error.contains("1 of 2 failed") && error.contains("maxFailPercentage of 40"), "{error}");
    worker.shutdown().await;
}

async fn no_more_of_a_run_go_at_once_than_it_says(fleet: Fleet) {
    let (one, two) = (fleet.engine.worker(quick()).unwrap(), fleet.engine.worker(quick()).unwrap());
    let steps = json!([
        exec(json!(["web-1", "web-2", "db-1"]), "hold"),
        exec(json!(["web-1", "web-2", "db-1"]), "hold")
    ]);
    let run = fleet.run(&job("narrow", json!({"maxParallel": 2, "steps": steps})), json!({})).await.unwrap();
    for held in 2..=5 {
        fleet.hosts.holding(held).await;
        fleet.hosts.release(1);
    }
    // The last one may be the second step where the first went last, so that it begins when that has ended.
    fleet.hosts.release(2);
    assert_eq!(run.wait(LIMIT).await.unwrap().status, RunStatus::Succeeded);
    assert_eq!(fleet.hosts.most_running(), 2);
    one.shutdown().await;
    two.shutdown().await;
}

async fn a_sleep_holds_no_slot(fleet: Fleet) {
    let worker = fleet.engine.worker(quick().with_concurrency(1)).unwrap();
    let steps = json!([{"type": "sleep", "durationSec": 2}, exec(json!("web-1"), "print after")]);
    let sleeper = fleet.run(&job("sleeper", json!({"steps": steps})), json!({})).await.unwrap();
    assert_eq!(waits(&sleeper).await, "sleeps for 2 s");
    let other = job("other", json!({"steps": [exec(json!("web-1"), "print now")]}));
    let other = fleet.run(&other, json!({})).await.unwrap();
    assert_eq!(other.wait(LIMIT).await.unwrap().status, RunStatus::Succeeded);
    assert!(!sleeper.record().await.unwrap().status.is_final(), "the other one went on meanwhile");
    let result = sleeper.wait(LIMIT).await.unwrap();
    assert_eq!((result.status, statuses(&result)), (RunStatus::Succeeded, vec![Succeeded, Succeeded]));
    assert_eq!(fleet.hosts.received(), ["web-1: print now", "web-1: print after"]);
    worker.shutdown().await;
}

fn asking(name: &str, more: Value) -> String {
    let question = with(json!({"type": "approval", "id": "ask", "message": "Deploy {{ what }}?"}), more);
    job(name, json!({"steps": [question, exec(json!("web-1"), "print done")]}))
}

async fn an_approval_goes_on_with_a_yes_and_says_who_gave_it(fleet: Fleet) {
    let worker = fleet.engine.worker(quick()).unwrap();
    let run = fleet.run(&asking("yes", json!({})), json!({"what": "it"})).await.unwrap();
    assert_eq!(waits(&run).await, "Deploy it?");
    assert_eq!(run.steps().await.unwrap()[0].status, TaskStatus::Waiting);
    run.decide("ask", None, yes()).await.unwrap();
    let result = run.wait(LIMIT).await.unwrap();
    assert_eq!((result.status, statuses(&result)), (RunStatus::Succeeded, vec![Succeeded, Succeeded]));
    let tasks = fleet.engine.store().tasks(DEFAULT_TENANT, run.id(), Default::default()).await.unwrap();
    let decision = &tasks.items[0].metrics["decision"];
    assert_eq!(decision["approved"], true);
    assert_eq!(decision["note"], "go ahead");
    assert_eq!(decision["by"], "local");
    let second = run.decide("ask", None, yes()).await.unwrap_err();
    assert_eq!(second.kind(), ErrorKind::Conflict);
    worker.shutdown().await;
}

async fn an_approval_that_is_refused_fails_the_run(fleet: Fleet) {
    let worker = fleet.engine.worker(quick()).unwrap();
    let run = fleet.run(&asking("no", json!({})), json!({"what": "it"})).await.unwrap();
    waits(&run).await;
    run.decide("ask", None, Answer { approve: false, note: Some("not today".to_owned()) }).await.unwrap();
    let result = run.wait(LIMIT).await.unwrap();
    assert_eq!((result.status, statuses(&result)), (RunStatus::Failed, vec![Failed, Aborted]));
    let error = result.steps[0].error.as_deref().unwrap();
    assert!(error.contains("refused by") && error.contains("not today"), "{error}");
    assert!(fleet.hosts.received().is_empty());
    worker.shutdown().await;
}

async fn an_approval_that_nobody_gives_fails_in_its_time(fleet: Fleet) {
    let worker = fleet.engine.worker(quick()).unwrap();
    let run = fleet.run(&asking("nobody", json!({"timeoutSec": 1})), json!({"what": "it"})).await.unwrap();
    let result = run.wait(LIMIT).await.unwrap();
    assert_eq!((result.status, statuses(&result)), (RunStatus::Failed, vec![Failed, Aborted]));
    assert_eq!(result.steps[0].error.as_deref(), Some("nobody answered within 1 s"));
    worker.shutdown().await;
}

async fn an_approval_outlives_its_worker(fleet: Fleet) {
    let worker = fleet.engine.worker(quick()).unwrap();
    let run = fleet.run(&asking("restart", json!({})), json!({"what": "it"})).await.unwrap();
    waits(&run).await;
    worker.shutdown().await;
    run.decide("ask", None, yes()).await.unwrap();
    let next = fleet.engine.worker(quick()).unwrap();
    assert_eq!(run.wait(LIMIT).await.unwrap().status, RunStatus::Succeeded);
    next.shutdown().await;
}

async fn an_answer_takes_the_right_to_run_and_to_be_named(fleet: Fleet) {
    let worker = fleet.engine.worker(quick()).unwrap();
    let named = asking("named", json!({"approvers": {"users": ["ada"]}}));
    let run = fleet.run(&named, json!({"what": "it"})).await.unwrap();
    waits(&run).await;
    let answer = async |name: &str, role| {
        let actor = Actor::User { id: UserId::new(9), name: name.into(), role };
        let scoped = fleet.engine.scope(Scope::new(DEFAULT_TENANT, actor));
        scoped
            .runs()
            .get(run.id())
            .await
            .unwrap()
            .decide("ask", None, yes())
            .await
            .map_err(|error| error.kind())
    };
    assert_eq!(answer("ada", Role::Viewer).await, Err(ErrorKind::Forbidden));
    assert_eq!(answer("eve", Role::Admin).await, Err(ErrorKind::Forbidden), "not among the approvers");
    assert_eq!(run.decide("print", None, yes()).await.unwrap_err().kind(), ErrorKind::NotFound);
    assert_eq!(run.decide("step2", None, yes()).await.unwrap_err().kind(), ErrorKind::InvalidInput);
    assert_eq!(answer("ada", Role::Operator).await, Ok(()));
    assert_eq!(run.wait(LIMIT).await.unwrap().status, RunStatus::Succeeded);
    worker.shutdown().await;
}

async fn a_lost_step_asks_whether_it_is_to_be_sent_again(fleet: Fleet) {
    let worker = fleet.engine.worker(quick()).unwrap();
    for (name, target, command, approve) in
        [("again", "web-1", "vanish 1", true), ("leave", "web-2", "vanish", false)]
    {
        let before = fleet.hosts.received().len();
        let step = with(exec(json!(target), command), json!({"onLost": "ask", "id": "send"}));
        let run = fleet.run(&job(name, json!({"steps": [step]})), json!({})).await.unwrap();
        assert!(waits(&run).await.contains("outcome is unknown"));
        run.decide("send", Some(target), Answer { approve, note: None }).await.unwrap();
        let result = run.wait(LIMIT).await.unwrap();
        let sent = fleet.hosts.received().len() - before;
        match approve {
            true => assert_eq!((result.status, sent), (RunStatus::Succeeded, 2)),
            false => {
                assert_eq!((result.status, sent, statuses(&result)), (RunStatus::Failed, 1, vec![Lost]));
                let error = result.steps[0].error.as_deref().unwrap();
                assert!(error.contains("refused by"), "{error}");
            }
        }
    }
    worker.shutdown().await;
}
