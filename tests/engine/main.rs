//! A run from end to end on each store: what a caller sees.
#![allow(clippy::unwrap_used, reason = "a test may panic")]

mod handlers;
mod opening;
mod roster;
mod store_away;

use std::time::Duration;

use opsconductor_core::{
    ErrorKind, JobSpec,
    engine::{RunOptions, WorkerSettings},
    id::UserId,
    run::{EventKind, RunStatus, TaskStatus},
    tenant::{Actor, DEFAULT_TENANT, Role, Scope},
    testing::ManualClock,
};
use opsconductor_tests::fleet::{Fleet, PASSWORD, object, steps};
use serde_json::json;

/// Far longer than anything here takes; a test that waits so long has failed.
const LIMIT: Duration = Duration::from_secs(120);

fn quick() -> WorkerSettings {
    WorkerSettings::default()
}

/// Does something while the clock runs: it moves on a little whenever everyone else has had many turns.
async fn passing<T>(clock: &ManualClock, work: impl Future<Output = T>) -> T {
    let pass = async {
        loop {
            moment(clock).await;
        }
    };
    let done = async {
        tokio::select! {
            biased;
            done = work => done,
            () = pass => unreachable!("time goes on"),
        }
    };
    tokio::time::timeout(LIMIT, done).await.expect("it is done long before")
}

/// Many turns for everyone else, and then a little time.
async fn moment(clock: &ManualClock) {
    for _ in 0..200 {
        tokio::task::yield_now().await;
    }
    clock.advance(Duration::from_millis(50));
}

/// Each case, on each store.
macro_rules! on_each_store {
    ($($name:ident),+ $(,)?) => {
        mod memory {
            $(#[tokio::test]
            async fn $name() {
                super::$name(super::Fleet::memory().await.unwrap()).await;
            })+
        }
        mod sqlite {
            $(#[tokio::test]
            async fn $name() {
                super::$name(super::Fleet::sqlite().await.unwrap()).await;
            })+
        }
        mod postgres {
            $(#[tokio::test]
            async fn $name() {
                super::$name(super::Fleet::postgres().await.unwrap()).await;
            })+
        }
    };
}

mod audit;
mod config;
mod definition;
mod flow;
mod keys;
mod log;
mod promises;
mod references;
mod repeat;
mod secrets;
mod versions;

on_each_store!(
    a_run_goes_through_and_is_told_event_by_event,
    a_failed_step_aborts_those_after_it,
    a_target_that_fails_drops_out_and_the_others_go_on,
    a_worker_runs_no_more_than_its_concurrency,
    a_cancel_stops_what_runs_and_aborts_what_waits,
    an_unknown_outcome_is_lost_and_never_sent_again,
    an_idempotent_step_that_says_so_is_sent_again,
    a_host_that_is_away_is_named_with_its_layer,
    a_value_that_is_not_plain_stops_the_step_before_anything_is_sent,
    a_missing_parameter_is_named_and_nothing_is_enqueued,
    a_password_that_a_host_gives_away_is_seen_nowhere,
    a_repeat_with_the_same_key_answers_the_first_run,
    a_shutdown_lets_running_steps_end,
    a_shutdown_leaves_nothing_running_that_was_just_claimed,
    a_shutdown_out_of_patience_stops_the_step_and_keeps_the_rest,
    output_beyond_the_limit_is_cut_with_a_mark,
    a_viewer_may_look_and_not_run,
    a_follower_that_was_cut_off_misses_nothing,
);

async fn a_run_goes_through_and_is_told_event_by_event(fleet: Fleet) {
    let worker = fleet.engine.worker(quick()).unwrap();
    let run = fleet
        .run(
            &steps("two", &[("web-1", "print {{ what }}"), ("web-1", "print bye")]),
            json!({"what": "hello"}),
        )
        .await
        .unwrap();
    let result = run.wait(LIMIT).await.unwrap();
    assert_eq!(result.status, RunStatus::Succeeded);
    assert_eq!(fleet.hosts.received(), ["web-1: print hello", "web-1: print bye"]);
    let first = &result.steps[0];
    assert_eq!((first.kind.as_str(), first.target.as_deref()), ("winrm.exec", Some("web-1")));
    assert_eq!(
        (first.status, first.exit_code, first.stdout.as_str()),
        (TaskStatus::Succeeded, Some(0), "hello\n")
    );

    let mut events = run.events();
    let mut told = Vec::new();
    while let Some(event) = events.next().await.unwrap() {
        told.push((event.seq, event.kind.as_str()));
    }
    let kinds: Vec<_> = told.iter().map(|(_, kind)| *kind).collect();
    let step = ["step.started", "step.output", "step.finished"];
    assert_eq!(kinds, [&["run.queued", "run.started"][..], &step, &step, &["run.finished"]].concat());
    assert_eq!(told.iter().map(|(seq, _)| *seq).collect::<Vec<_>>(), (1..=9).collect::<Vec<u64>>());
    worker.shutdown().await;
}

async fn a_failed_step_aborts_those_after_it(fleet: Fleet) {
    let worker = fleet.engine.worker(quick()).unwrap();
    let job = steps("stop", &[("web-1", "print 1"), ("web-2", "fail 3"), ("web-1", "print 3")]);
    let result = fleet.run(&job, json!({})).await.unwrap().wait(LIMIT).await.unwrap();
    assert_eq!(result.status, RunStatus::Failed);
    let statuses: Vec<_> = result.steps.iter().map(|step| step.status).collect();
    assert_eq!(statuses, [TaskStatus::Succeeded, TaskStatus::Failed, TaskStatus::Aborted]);
    assert_eq!(result.steps[1].exit_code, Some(3));
    assert!(result.steps[2].error.as_ref().unwrap().contains("failed"), "{:?}", result.steps[2].error);
    assert_eq!(fleet.hosts.received().len(), 2, "the third was never sent");
    worker.shutdown().await;
}

async fn a_target_that_fails_drops_out_and_the_others_go_on(fleet: Fleet) {
    let worker = fleet.engine.worker(quick()).unwrap();
    let step = |command: &str| json!({"type": "winrm.exec", "shell": "cmd", "targets": ["web-1", "web-2", "gone"], "command": command});
    let job = json!({"name": "fan", "version": 1, "steps": [step("print a"), step("print b")]}).to_string();
    let result = fleet.run(&job, json!({})).await.unwrap().wait(LIMIT).await.unwrap();
    assert_eq!(result.status, RunStatus::Failed);
    let seen: Vec<_> =
        result.steps.iter().map(|step| (step.target.as_deref().unwrap(), step.status)).collect();
    use TaskStatus::{Aborted, Failed, Succeeded};
    assert_eq!(
        seen,
        [
            ("web-1", Succeeded),
            ("web-2", Succeeded),
            ("gone", Failed),
            ("web-1", Succeeded),
            ("web-2", Succeeded),
            ("gone", Aborted)
        ]
    );
    worker.shutdown().await;
}

async fn a_worker_runs_no_more_than_its_concurrency(fleet: Fleet) {
    let worker = fleet.engine.worker(quick().with_concurrency(2)).unwrap();
    let mut runs = Vec::new();
    for n in 0..6 {
        runs.push(fleet.run(&steps(&format!("hold {n}"), &[("web-1", "hold")]), json!({})).await.unwrap());
    }
    for held in [2, 4, 6] {
        fleet.hosts.holding(held).await;
        fleet.hosts.release(2);
    }
    for run in runs {
        assert_eq!(run.wait(LIMIT).await.unwrap().status, RunStatus::Succeeded);
    }
    assert_eq!(fleet.hosts.most_running(), 2);
    worker.shutdown().await;
}

async fn a_cancel_stops_what_runs_and_aborts_what_waits(fleet: Fleet) {
    let worker = fleet.engine.worker(quick()).unwrap();
    let run =
        fleet.run(&steps("cancel", &[("web-1", "hold"), ("web-1", "print late")]), json!({})).await.unwrap();
    fleet.hosts.holding(1).await;
    assert!(run.cancel().await.unwrap().cancel_requested);
    let result = run.wait(LIMIT).await.unwrap();
    assert_eq!(result.status, RunStatus::Canceled);
    assert!(result.steps.iter().all(|step| step.status == TaskStatus::Aborted), "{result:?}");
    assert_eq!(fleet.hosts.stopped(), 1, "the command was stopped on its host");
    assert_eq!(fleet.hosts.received(), ["web-1: hold"]);
    worker.shutdown().await;
}

async fn an_unknown_outcome_is_lost_and_never_sent_again(fleet: Fleet) {
    let worker = fleet.engine.worker(quick()).unwrap();
    let result = fleet
        .run(&steps("lost", &[("web-1", "vanish")]), json!({}))
        .await
        .unwrap()
        .wait(LIMIT)
        .await
        .unwrap();
    assert_eq!(result.status, RunStatus::Failed);
    assert_eq!(result.steps[0].status, TaskStatus::Lost);
    assert!(result.steps[0].error.as_ref().unwrap().contains("outcome is unknown"));
    assert_eq!(fleet.hosts.received().len(), 1);
    worker.shutdown().await;
}

async fn an_idempotent_step_that_says_so_is_sent_again(fleet: Fleet) {
    let worker = fleet.engine.worker(quick()).unwrap();
    let job = json!({"name": "again", "version": 1, "steps": [{
        "type": "winrm.exec", "shell": "cmd", "target": "web-1", "command": "vanish 1", "idempotent": true, "onLost": "retry"
    }]});
    let run = fleet.run(&job.to_string(), json!({})).await.unwrap();
    assert_eq!(run.wait(LIMIT).await.unwrap().status, RunStatus::Succeeded);
    assert_eq!(fleet.hosts.received().len(), 2);
    worker.shutdown().await;
}

async fn a_host_that_is_away_is_named_with_its_layer(fleet: Fleet) {
    let worker = fleet.engine.worker(quick()).unwrap();
    let result = fleet
        .run(&steps("away", &[("gone", "print x")]), json!({}))
        .await
        .unwrap()
        .wait(LIMIT)
        .await
        .unwrap();
    assert_eq!(result.steps[0].status, TaskStatus::Failed);
    let error = result.steps[0].error.as_ref().unwrap();
    assert!(error.contains("refused the connection") && error.contains("gone"), "{error}");
    worker.shutdown().await;
}

async fn a_value_that_is_not_plain_stops_the_step_before_anything_is_sent(fleet: Fleet) {
    let worker = fleet.engine.worker(quick()).unwrap();
    let run = fleet
        .run(&steps("inject", &[("web-1", "print {{ svc }}")]), json!({"svc": "x; Remove-Item C:\\"}))
        .await
        .unwrap();
    let result = run.wait(LIMIT).await.unwrap();
    assert_eq!(result.status, RunStatus::Failed);
    let error = result.steps[0].error.as_ref().unwrap();
    assert!(error.contains("svc") && error.contains("quote") && !error.contains("Remove-Item"), "{error}");
    assert!(fleet.hosts.received().is_empty());
    worker.shutdown().await;
}

async fn a_missing_parameter_is_named_and_nothing_is_enqueued(fleet: Fleet) {
    let error =
        fleet.run(&steps("needs", &[("web-1", "print {{ svc }}")]), json!({})).await.map(|_| ()).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::InvalidParameters);
    assert!(error.problems().iter().any(|problem| problem.to_string().contains("svc")), "{error:?}");
    assert_eq!(fleet.ops.runs().list(Default::default(), Default::default()).await.unwrap().total, 0);
}

async fn a_password_that_a_host_gives_away_is_seen_nowhere(fleet: Fleet) {
    let worker = fleet.engine.worker(quick()).unwrap();
    let run = fleet.run(&steps("betray", &[("web-1", "betray")]), json!({})).await.unwrap();
    let result = run.wait(LIMIT).await.unwrap();
    let mut events = run.events();
    let mut all = format!("{result:?}");
    while let Some(event) = events.next().await.unwrap() {
        all.push_str(&format!("{event:?}"));
    }
    assert!(all.contains("the password is [redacted]") && all.contains("it said [redacted]"), "{all}");
    assert!(!all.contains(PASSWORD));
    worker.shutdown().await;
    drop(fleet.ops);
    drop(fleet.engine);
    if let Some(folder) = fleet.folder {
        for file in std::fs::read_dir(folder.path()).unwrap() {
            let bytes = std::fs::read(file.unwrap().path()).unwrap();
            let found = bytes.windows(PASSWORD.len()).any(|window| window == PASSWORD.as_bytes());
            assert!(!found, "the password is in the database");
        }
    }
}

async fn a_repeat_with_the_same_key_answers_the_first_run(fleet: Fleet) {
    let job = fleet
        .ops
        .jobs()
        .create(&JobSpec::parse(&steps("once", &[("web-1", "print {{ x }}")])).unwrap())
        .await
        .unwrap();
    let enqueue = |x: &'static str| {
        let options = RunOptions { idempotency_key: Some("k-1".into()), ..RunOptions::default() };
        let name = job.name.clone();
        let ops = fleet.ops.clone();
        async move { ops.jobs().run(&name, object(json!({"x": x})), options).await.map(|run| run.id()) }
    };
    let first = enqueue("a").await.unwrap();
    assert_eq!(enqueue("a").await.unwrap(), first);
    assert_eq!(enqueue("b").await.unwrap_err().kind(), ErrorKind::Conflict);
}

async fn a_shutdown_lets_running_steps_end(fleet: Fleet) {
    let worker = fleet.engine.worker(quick()).unwrap();
    let run =
        fleet.run(&steps("drain", &[("web-1", "hold"), ("web-1", "print next")]), json!({})).await.unwrap();
    fleet.hosts.holding(1).await;
    let stopping = tokio::spawn(worker.shutdown());
    fleet.hosts.release(1);
    stopping.await.unwrap();
    let steps = run.steps().await.unwrap();
    assert_eq!((steps[0].status, steps[1].status), (TaskStatus::Succeeded, TaskStatus::Queued));
    let next = fleet.engine.worker(quick()).unwrap();
    assert_eq!(run.wait(LIMIT).await.unwrap().status, RunStatus::Succeeded);
    next.shutdown().await;
}

async fn a_shutdown_leaves_nothing_running_that_was_just_claimed(fleet: Fleet) {
    for moment in 0..40 {
        let worker = fleet.engine.worker(quick()).unwrap();
        let run =
            fleet.run(&steps(&format!("moment {moment}"), &[("web-1", "print x")]), json!({})).await.unwrap();
        for _ in 0..moment {
            tokio::task::yield_now().await;
        }
        worker.shutdown().await;
        let status = run.steps().await.unwrap()[0].status;
        assert!(matches!(status, TaskStatus::Queued | TaskStatus::Succeeded), "moment {moment}: {status}");
    }
}

async fn a_shutdown_out_of_patience_stops_the_step_and_keeps_the_rest(fleet: Fleet) {
    let worker = fleet.engine.worker(quick().with_drain(Duration::ZERO)).unwrap();
    let run = fleet.run(&steps("impatient", &[("web-1", "hold")]), json!({})).await.unwrap();
    fleet.hosts.holding(1).await;
    worker.shutdown().await;
    let result = run.wait(LIMIT).await.unwrap();
    assert_eq!((result.status, result.steps[0].status), (RunStatus::Failed, TaskStatus::Aborted));
    assert_eq!(fleet.hosts.stopped(), 1);
}

async fn output_beyond_the_limit_is_cut_with_a_mark(fleet: Fleet) {
    let worker = fleet.engine.worker(quick()).unwrap();
    let job = json!({"name": "loud", "version": 1, "steps": [{
        "type": "winrm.exec", "shell": "cmd", "target": "web-1", "command": "print {{ text | raw }}", "maxOutputBytes": 1024
    }], "allowRaw": true});
    fleet.ops.jobs().create(&JobSpec::parse(&job.to_string()).unwrap()).await.unwrap();
    // The second one meets the limit at the end of a piece.
    for text in ["0123456789;".repeat(500), format!("{};", "0".repeat(31)).repeat(500)] {
        let options = RunOptions::default();
        let run = fleet.ops.jobs().run("loud", object(json!({"text": text})), options).await.unwrap();
        assert_eq!(
            run.wait(LIMIT).await.unwrap().status,
            RunStatus::Succeeded,
            "too much output fails no step"
        );
        let mut events = run.events();
        let mut text = String::new();
        while let Some(event) = events.next().await.unwrap() {
            if let EventKind::StepOutput { text: piece, .. } = event.kind {
                text.push_str(&piece);
            }
        }
        let (kept, mark) = text.split_once("\n[output cut").unwrap();
        assert_eq!(kept.len(), 1024);
        assert!(mark.contains("1024"));
    }
    worker.shutdown().await;
}

async fn a_viewer_may_look_and_not_run(fleet: Fleet) {
    fleet.run(&steps("mine", &[("web-1", "print x")]), json!({})).await.unwrap();
    let actor = Actor::User { id: UserId::new(9), name: "eve".into(), role: Role::Viewer };
    let eve = fleet.engine.scope(Scope::new(DEFAULT_TENANT, actor));
    assert_eq!(eve.runs().list(Default::default(), Default::default()).await.unwrap().total, 1);
    let refused =
        eve.jobs().run("mine", object(json!({})), RunOptions::default()).await.map(|_| ()).unwrap_err();
    assert_eq!(refused.kind(), ErrorKind::Forbidden);
    assert_eq!(eve.credentials().list(Default::default()).await.unwrap_err().kind(), ErrorKind::Forbidden);
}

async fn a_follower_that_was_cut_off_misses_nothing(fleet: Fleet) {
    let worker = fleet.engine.worker(quick()).unwrap();
    let run = fleet
        .run(&steps("follow", &[("web-1", "print a;b;c"), ("web-1", "print d")]), json!({}))
        .await
        .unwrap();
    run.wait(LIMIT).await.unwrap();
    let mut whole = Vec::new();
    let mut events = run.events();
    while let Some(event) = events.next().await.unwrap() {
        whole.push(event);
    }
    for cut in 0..=whole.len() {
        let mut rest = Vec::new();
        let mut events = run.events_after(cut as u64);
        while let Some(event) = events.next().await.unwrap() {
            rest.push(event);
        }
        assert_eq!(rest, whole[cut..], "after {cut}");
    }
    worker.shutdown().await;
}
