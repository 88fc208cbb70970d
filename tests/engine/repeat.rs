//! Runs done again in part, and what they read of the rest; what waits for a person.

use opsconductor_core::{
    ErrorKind,
    engine::{Answer, OpenApproval, RerunTargets, Run},
    id::UserId,
    run::{RunStatus, TaskStatus},
    store::{Keep, Page, WaitsFor},
    tenant::{Actor, DEFAULT_TENANT, Role, Scope},
};
use opsconductor_tests::fleet::{Fleet, steps};
use serde_json::{Value, json};

use super::{
    LIMIT,
    flow::{exec, job, waits, with, yes},
    quick,
};

on_each_store!(
    a_retry_reads_what_was_done_before_in_commands_and_conditions,
    a_retry_of_a_retry_needs_neither_of_the_runs_before,
    each_target_reads_what_was_said_on_it_whichever_run_did_it,
    a_step_is_done_again_with_all_that_follows_it,
    a_step_is_done_again_for_the_targets_that_failed,
    a_target_that_is_retried_waits_for_no_other,
    what_goes_on_or_went_well_is_not_retried,
    what_was_lost_is_sent_again_because_someone_says_so,
    what_waits_for_a_person_is_listed,
    nothing_goes_past_an_approval_that_was_not_given,
);

/// Lets the target that refuses connections take them.
async fn mend(fleet: &Fleet) {
    let mut target = fleet.ops.targets().get("gone").await.unwrap().spec;
    target.hostname = "host".to_owned();
    fleet.ops.targets().update("gone", target).await.unwrap();
}

async fn ended(run: &Run) -> RunStatus {
    run.wait(LIMIT).await.unwrap().status
}

/// The steps of a run that is over, each with its target and how it ended.
async fn done(run: &Run) -> Vec<(String, String, TaskStatus)> {
    let steps = run.wait(LIMIT).await.unwrap().steps;
    steps.into_iter().map(|step| (step.step, step.target.unwrap_or_default(), step.status)).collect()
}

fn kind<T>(answer: opsconductor_core::Result<T>) -> ErrorKind {
    answer.map(drop).unwrap_err().kind()
}

/// What the hosts received since the first `before` commands, sorted: targets go side by side.
fn received(fleet: &Fleet, before: usize) -> Vec<String> {
    let mut received = fleet.hosts.received().split_off(before);
    received.sort();
    received
}

use TaskStatus::{Aborted, Skipped, Succeeded};

async fn a_retry_reads_what_was_done_before_in_commands_and_conditions(fleet: Fleet) {
    let worker = fleet.engine.worker(quick()).unwrap();
    let steps = json!([
        with(exec(json!("web-1"), "print v7"), json!({"id": "build", "register": "built"})),
        with(exec(json!("web-1"), "print {\"ok\": true}"), json!({"id": "check"})),
        with(
            exec(json!(["web-2", "gone"]), "print {{ steps.build.stdout }} {{ built.exitCode }}"),
            json!({"id": "deploy", "when": "steps.check.json.ok and built.status == 'succeeded'"})
        ),
        with(
            exec(json!(["web-2", "gone"]), "print alarm"),
            json!({"id": "alarm", "when": "steps.check.exitCode != 0"})
        ),
    ]);
    let run = fleet.run(&job("deploy", json!({"steps": steps})), json!({})).await.unwrap();
    assert_eq!(ended(&run).await, RunStatus::Failed);
    assert_eq!(fleet.hosts.received()[2..], ["web-2: print v7 0"]);
    mend(&fleet).await;
    let again = run.retry().await.unwrap();
    let tasks = [("deploy", "gone", Succeeded), ("alarm", "gone", Skipped)];
    let tasks = tasks.map(|(step, target, status)| (step.to_owned(), target.to_owned(), status));
    assert_eq!(done(&again).await, tasks, "nothing else is done again");
    assert_eq!(fleet.hosts.received()[3..], ["gone: print v7 0"]);
    let record = again.record().await.unwrap();
    assert_eq!((record.parent, record.job_version), (Some(run.id()), 1));
    assert_eq!(fleet.ops.dead_letters().list(Page::default()).await.unwrap().total, 0, "it was seen to");
    worker.shutdown().await;
}

async fn a_retry_of_a_retry_needs_neither_of_the_runs_before(fleet: Fleet) {
    let worker = fleet.engine.worker(quick()).unwrap();
    let steps = json!([
        with(exec(json!("web-1"), "print one"), json!({"id": "a", "register": "first"})),
        with(exec(json!("gone"), "print {{ steps.a.stdout }}-two"), json!({"id": "b"})),
        with(exec(json!("web-2"), "print {{ first.stdout }} {{ steps.b.stdout }}"), json!({"id": "c"})),
    ]);
    let first = fleet.run(&job("chain", json!({"steps": steps})), json!({})).await.unwrap();
    assert_eq!(ended(&first).await, RunStatus::Failed);
    let second = first.retry().await.unwrap();
    assert_eq!(ended(&second).await, RunStatus::Failed);
    worker.shutdown().await;
    mend(&fleet).await;
    let third = second.retry().await.unwrap();
    // Before anything of it is done, what it stems from goes.
    let nothing = Keep { age: None, runs_per_job: Some(0) };
    assert_eq!(fleet.engine.remove_old_runs(&nothing).await.unwrap(), 2);
    let worker = fleet.engine.worker(quick()).unwrap();
    assert_eq!(ended(&third).await, RunStatus::Succeeded);
    assert_eq!(
        fleet.hosts.received(),
        ["web-1: print one", "gone: print one-two", "web-2: print one one-two"]
    );
    assert_eq!(third.record().await.unwrap().parent, None);
    assert_eq!(kind(first.retry().await), ErrorKind::NotFound);
    worker.shutdown().await;
}

async fn each_target_reads_what_was_said_on_it_whichever_run_did_it(fleet: Fleet) {
    let worker = fleet.engine.worker(quick()).unwrap();
    let on = |command: &str, id: &str| with(exec(json!(["web-1", "gone"]), command), json!({"id": id}));
    let steps = json!([
        on("print {{ target.name }}", "a"),
        on("falter 1", "b"),
        on("print c {{ steps.a.stdout }}", "c"),
    ]);
    let first = fleet.run(&job("fan", json!({"steps": steps})), json!({})).await.unwrap();
    assert_eq!(ended(&first).await, RunStatus::Failed);
    assert_eq!(received(&fleet, 0), ["web-1: falter 1", "web-1: print web-1"]);
    mend(&fleet).await;
    // Of the first step one target is left, and what another one reads of it is not that one's.
    let second = first.retry().await.unwrap();
    assert_eq!(ended(&second).await, RunStatus::Failed);
    assert_eq!(
        received(&fleet, 2),
        ["gone: falter 1", "gone: print gone", "web-1: falter 1", "web-1: print c web-1"]
    );
    let third = second.retry().await.unwrap();
    assert_eq!(ended(&third).await, RunStatus::Succeeded);
    assert_eq!(received(&fleet, 6), ["gone: falter 1", "gone: print c gone"]);
    worker.shutdown().await;
}

/// Three steps on two targets, each of which reads the one before.
fn three() -> Value {
    let on = |command: &str, id: &str| with(exec(json!(["web-1", "gone"]), command), json!({"id": id}));
    json!([
        on("print {{ target.name }}", "a"),
        on("print b-{{ steps.a.stdout }}", "b"),
        on("print c-{{ steps.b.status }}", "c")
    ])
}

async fn a_step_is_done_again_with_all_that_follows_it(fleet: Fleet) {
    let worker = fleet.engine.worker(quick()).unwrap();
    mend(&fleet).await;
    let sweep = with(exec(json!("db-1"), "print swept"), json!({"id": "sweep"}));
    let definition = job("three", json!({"steps": three(), "finally": [sweep]}));
    let run = fleet.run(&definition, json!({})).await.unwrap();
    assert_eq!(ended(&run).await, RunStatus::Succeeded);
    let before = fleet.hosts.received().len();
    let again = run.rerun_from("b", RerunTargets::All).await.unwrap();
    assert_eq!(ended(&again).await, RunStatus::Succeeded);
    assert_eq!(
        received(&fleet, before),
        [
            "db-1: print swept",
            "gone: print b-gone",
            "gone: print c-succeeded",
            "web-1: print b-web-1",
            "web-1: print c-succeeded"
        ]
    );
    assert_eq!(again.record().await.unwrap().parent, Some(run.id()));
    let before = fleet.hosts.received().len();
    let swept = again.rerun_from("sweep", RerunTargets::All).await.unwrap();
    assert_eq!(ended(&swept).await, RunStatus::Succeeded);
    assert_eq!(received(&fleet, before), ["db-1: print swept"], "of the last part that part alone");
    let unknown = run.rerun_from("d", RerunTargets::All).await.map(|run| run.id()).unwrap_err();
    assert_eq!(unknown.kind(), ErrorKind::NotFound);
    assert!(unknown.to_string().contains("it has a, b, c, sweep"), "{unknown}");
    let elsewhere = again.rerun_from("a", RerunTargets::All).await;
    assert_eq!(kind(elsewhere), ErrorKind::NotFound, "that run did not do it");
    assert_eq!(kind(run.rerun_from("b", RerunTargets::Failed).await), ErrorKind::Conflict, "nothing failed");
    worker.shutdown().await;
}

async fn a_step_is_done_again_for_the_targets_that_failed(fleet: Fleet) {
    let worker = fleet.engine.worker(quick()).unwrap();
    let run = fleet.run(&job("three", json!({"steps": three()})), json!({})).await.unwrap();
    assert_eq!(ended(&run).await, RunStatus::Failed);
    mend(&fleet).await;
    let before = fleet.hosts.received().len();
    let again = run.rerun_from("a", RerunTargets::Failed).await.unwrap();
    assert_eq!(ended(&again).await, RunStatus::Succeeded);
    assert_eq!(
        received(&fleet, before),
        ["gone: print b-gone", "gone: print c-succeeded", "gone: print gone"]
    );
    let before = fleet.hosts.received().len();
    let all = run.rerun_from("c", RerunTargets::All).await.unwrap();
    assert_eq!(ended(&all).await, RunStatus::Succeeded, "what failed before the step is read as it was");
    assert_eq!(received(&fleet, before), ["gone: print c-aborted", "web-1: print c-succeeded"]);
    worker.shutdown().await;
}

async fn a_target_that_is_retried_waits_for_no_other(fleet: Fleet) {
    let worker = fleet.engine.worker(quick()).unwrap();
    let on = |command: &str, id: &str| with(exec(json!(["web-1", "gone"]), command), json!({"id": id}));
    let steps = json!([on("print a", "a"), on("falter 1", "b"), on("print c", "c")]);
    let first = fleet.run(&job("fan", json!({"steps": steps})), json!({})).await.unwrap();
    assert_eq!(ended(&first).await, RunStatus::Failed);
    // One target failed at the first step, the other at the second.
    let again = first.retry().await.unwrap();
    assert_eq!(ended(&again).await, RunStatus::Failed);
    let over = [
        ("a", "gone", TaskStatus::Failed),
        ("b", "web-1", Succeeded),
        ("b", "gone", Aborted),
        ("c", "web-1", Succeeded),
        ("c", "gone", Aborted),
    ];
    let mut over = over.map(|(step, target, status)| (step.to_owned(), target.to_owned(), status));
    let mut steps = done(&again).await;
    over.sort_by(|one, other| (&one.0, &one.1).cmp(&(&other.0, &other.1)));
    steps.sort_by(|one, other| (&one.0, &one.1).cmp(&(&other.0, &other.1)));
    assert_eq!(steps, over);
    worker.shutdown().await;
}

async fn what_goes_on_or_went_well_is_not_retried(fleet: Fleet) {
    let worker = fleet.engine.worker(quick()).unwrap();
    let run =
        fleet.run(&steps("slow", &[("web-1", "hold"), ("web-1", "print late")]), json!({})).await.unwrap();
    fleet.hosts.holding(1).await;
    assert_eq!(kind(run.retry().await), ErrorKind::Conflict);
    assert_eq!(kind(run.rerun_from("step1", RerunTargets::All).await), ErrorKind::Conflict);
    run.cancel().await.unwrap();
    assert_eq!(ended(&run).await, RunStatus::Canceled);
    let viewer = Actor::User { id: UserId::new(7), name: "eve".into(), role: Role::Viewer };
    let theirs = fleet.engine.scope(Scope::new(DEFAULT_TENANT, viewer)).runs().get(run.id()).await.unwrap();
    assert_eq!(kind(theirs.retry().await), ErrorKind::Forbidden);
    let again = run.retry().await.unwrap();
    fleet.hosts.holding(2).await;
    let twice = run.retry().await.map(|run| run.id()).unwrap_err();
    assert_eq!(twice.kind(), ErrorKind::Conflict, "one goes on already");
    assert!(twice.report().contains(&again.id().to_string()), "{twice:?}");
    fleet.hosts.release(1);
    let tasks = [
        ("step1".to_owned(), "web-1".to_owned(), Succeeded),
        ("step2".to_owned(), "web-1".to_owned(), Succeeded),
    ];
    assert_eq!(done(&again).await, tasks);
    let well = again.retry().await.map(|run| run.id()).unwrap_err();
    assert_eq!(well.kind(), ErrorKind::Conflict);
    assert!(well.to_string().contains("succeeded"), "{well}");
    let once_more = run.retry().await.map(|run| run.id()).unwrap_err();
    assert_eq!(once_more.kind(), ErrorKind::Conflict, "its tasks are done by now");
    assert!(once_more.report().contains(&again.id().to_string()), "{once_more:?}");
    worker.shutdown().await;
}

async fn what_was_lost_is_sent_again_because_someone_says_so(fleet: Fleet) {
    let worker = fleet.engine.worker(quick()).unwrap();
    let run = fleet
        .run(&steps("lost", &[("web-1", "vanish 1"), ("web-1", "print next")]), json!({}))
        .await
        .unwrap();
    let states: Vec<_> = done(&run).await.into_iter().map(|(_, _, status)| status).collect();
    assert_eq!(states, [TaskStatus::Lost, Aborted]);
    assert_eq!(ended(&run.retry().await.unwrap()).await, RunStatus::Succeeded);
    assert_eq!(fleet.hosts.received(), ["web-1: vanish 1", "web-1: vanish 1", "web-1: print next"]);
    worker.shutdown().await;
}

async fn nothing_goes_past_an_approval_that_was_not_given(fleet: Fleet) {
    let worker = fleet.engine.worker(quick()).unwrap();
    let ask = json!({"type": "approval", "id": "ask", "message": "Deploy?", "timeoutSec": 600});
    let deploy = with(exec(json!("web-1"), "print deployed"), json!({"id": "deploy"}));
    let after = with(exec(json!("web-1"), "print after"), json!({"id": "after"}));
    let definition = job("gated", json!({"steps": [ask, deploy, after]}));
    let refused = fleet.run(&definition, json!({})).await.unwrap();
    waits(&refused).await;
    refused.decide("ask", None, Answer { approve: false, note: None }).await.unwrap();
    assert_eq!(ended(&refused).await, RunStatus::Failed);
    let canceled = fleet.ops.jobs().run("gated", Default::default(), Default::default()).await.unwrap();
    waits(&canceled).await;
    canceled.cancel().await.unwrap();
    assert_eq!(ended(&canceled).await, RunStatus::Canceled);
    for (run, step) in [(&refused, "deploy"), (&refused, "after"), (&canceled, "deploy")] {
        let error = run.rerun_from(step, RerunTargets::All).await.map(|run| run.id()).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Conflict);
        assert!(error.to_string().contains("ask"), "{error}");
    }
    let asked = refused.rerun_from("ask", RerunTargets::All).await.unwrap();
    waits(&asked).await;
    assert_eq!(received(&fleet, 0), [""; 0]);
    asked.decide("ask", None, yes()).await.unwrap();
    assert_eq!(ended(&asked).await, RunStatus::Succeeded);
    let more = asked.rerun_from("after", RerunTargets::All).await.unwrap();
    assert_eq!(ended(&more).await, RunStatus::Succeeded, "a yes counts on");
    assert_eq!(received(&fleet, 0), ["web-1: print after", "web-1: print after", "web-1: print deployed"]);
    worker.shutdown().await;
}

async fn open(fleet: &Fleet) -> Vec<OpenApproval> {
    fleet.ops.approvals().list(Page::default()).await.unwrap().items
}

async fn what_waits_for_a_person_is_listed(fleet: Fleet) {
    let worker = fleet.engine.worker(quick()).unwrap();
    assert_eq!(open(&fleet).await, []);
    let ask = json!({"type": "approval", "id": "ask", "message": "Deploy {{ what }}?", "timeoutSec": 600});
    let asking = fleet.run(&job("deploy", json!({"steps": [ask]})), json!({"what": "it"})).await.unwrap();
    waits(&asking).await;
    let send = with(exec(json!("web-1"), "vanish"), json!({"onLost": "ask", "id": "send"}));
    let lost = fleet.run(&job("send", json!({"steps": [send]})), json!({})).await.unwrap();
    let said = waits(&lost).await;
    let list = open(&fleet).await;
    let seen: Vec<_> = list
        .iter()
        .map(|open| {
            (open.run, open.job.as_str(), open.step.as_str(), open.target.as_deref(), open.message.as_str())
        })
        .collect();
    assert_eq!(
        seen,
        [
            (lost.id(), "send", "send", Some("web-1"), said.as_str()),
            (asking.id(), "deploy", "ask", None, "Deploy it?")
        ]
    );
    assert_eq!((list[0].waits_for, list[1].waits_for), (WaitsFor::Lost, WaitsFor::Approval));
    let off = (list[1].until - list[1].since).num_milliseconds() - 600_000;
    assert!(off.abs() < 1_000, "{list:?}");
    let record = asking.record().await.unwrap();
    assert!(record.queued_at <= list[1].since && list[1].since <= list[0].since);
    let part = fleet.ops.approvals().list(Page { skip: 1, limit: 1 }).await.unwrap();
    assert_eq!((part.items.len(), part.items[0].run, part.total), (1, asking.id(), 2));
    let viewer = Actor::User { id: UserId::new(7), name: "eve".into(), role: Role::Viewer };
    let viewer = fleet.engine.scope(Scope::new(DEFAULT_TENANT, viewer));
    assert_eq!(viewer.approvals().list(Page::default()).await.unwrap().total, 2, "whoever may look");
    asking.decide("ask", None, yes()).await.unwrap();
    assert_eq!(open(&fleet).await.iter().map(|open| open.run).collect::<Vec<_>>(), [lost.id()]);
    lost.decide("send", None, Answer { approve: false, note: None }).await.unwrap();
    assert_eq!((ended(&asking).await, ended(&lost).await), (RunStatus::Succeeded, RunStatus::Failed));
    assert_eq!(open(&fleet).await, []);
    assert_eq!(lost.steps().await.unwrap()[0].status, TaskStatus::Lost);
    let refused = asking.decide("ask", None, yes()).await.unwrap_err();
    assert_eq!(refused.kind(), ErrorKind::Conflict);
    worker.shutdown().await;
}
