//! What the queue promises beyond plain claiming, as a caller sees it: turns, limits, pauses, dead letters, retention.

use std::time::{Duration, Instant};

use opsconductor_core::{
    ErrorKind, JobSpec,
    engine::{QueuePart, Run, RunOptions},
    id::{LetterId, UserId},
    run::{RunStatus, TaskStatus},
    store::{Keep, Limit, NewJob, Page, RunFilter},
    tenant::{Actor, DEFAULT_TENANT, Role, Scope},
};
use opsconductor_tests::fleet::{Fleet, object, steps};
use serde_json::{Map, Value, json};

use super::{LIMIT, quick};

on_each_store!(
    a_job_is_run_as_it_is_whoever_changed_it,
    runs_with_the_same_key_go_one_after_the_other,
    a_target_takes_no_more_than_its_limit_from_two_workers,
    a_rate_wakes_the_worker_when_the_next_may_start,
    a_paused_job_waits_and_goes_on,
    a_dead_letter_is_redriven_with_what_is_left,
    old_runs_go_and_new_ones_stay,
    a_viewer_may_look_at_limits_and_letters_alone,
);

async fn save(fleet: &Fleet, job: Value) -> String {
    fleet.ops.jobs().create(&JobSpec::from_value(job)).await.unwrap().name
}

async fn start(fleet: &Fleet, job: &str, parameters: Value) -> Run {
    fleet.ops.jobs().run(job, object(parameters), RunOptions::default()).await.unwrap()
}

async fn a_job_is_run_as_it_is_whoever_changed_it(fleet: Fleet) {
    let worker = fleet.engine.worker(quick()).unwrap();
    // As another process changes it: past this engine, which has run the job and knows it.
    let change = async |name: &str, command: &str, is_active| {
        let definition = serde_json::from_str(&steps(name, &[("web-1", command)])).unwrap();
        let new = NewJob {
            name: name.into(),
            version: 1,
            definition,
            targets: vec!["web-1".into()],
            created_by: None,
            is_active,
            expected_version: None,
        };
        let store = fleet.engine.store();
        let known = match store.job_by_name(DEFAULT_TENANT, "nightly").await {
            Ok(known) => known.id,
            Err(_) => store.insert_job(DEFAULT_TENANT, new.clone()).await.unwrap().id,
        };
        store.update_job(DEFAULT_TENANT, known, new).await.unwrap();
    };
    let run = async || fleet.ops.jobs().run("nightly", Map::new(), RunOptions::default()).await;
    let mut sent = Vec::new();
    for command in ["print 1", "print 2", "print 3"] {
        change("nightly", command, true).await;
        for _ in 0..2 {
            assert_eq!(run().await.unwrap().wait(LIMIT).await.unwrap().status, RunStatus::Succeeded);
            sent.push(format!("web-1: {command}"));
        }
    }
    assert_eq!(fleet.hosts.received(), sent);
    change("nightly", "print 3", false).await;
    assert_eq!(run().await.map(|run| run.id()).unwrap_err().kind(), ErrorKind::InvalidInput);
    change("weekly", "print 4", true).await;
    assert_eq!(run().await.map(|run| run.id()).unwrap_err().kind(), ErrorKind::NotFound);
    change("nightly", "print 5", true).await;
    assert_eq!(run().await.unwrap().wait(LIMIT).await.unwrap().status, RunStatus::Succeeded);
    sent.push("web-1: print 5".to_owned());
    assert_eq!(fleet.hosts.received(), sent, "by the name, another job");
    worker.shutdown().await;
}

async fn runs_with_the_same_key_go_one_after_the_other(fleet: Fleet) {
    let worker = fleet.engine.worker(quick()).unwrap();
    let step = json!({"type": "winrm.exec", "shell": "cmd", "target": "web-1", "command": "hold"});
    let job = json!({"name": "deploy", "version": 1, "concurrencyKey": "deploy {{ site }}", "steps": [step]});
    let job = save(&fleet, job).await;
    let mut runs = Vec::new();
    for site in ["north", "north", "south", "north"] {
        runs.push(start(&fleet, &job, json!({"site": site})).await);
    }
    fleet.hosts.holding(2).await;
    assert_eq!(runs[1].record().await.unwrap().status, RunStatus::Queued);
    fleet.hosts.release(4);
    for run in &runs {
        assert_eq!(run.wait(LIMIT).await.unwrap().status, RunStatus::Succeeded);
    }
    let mut ended = Vec::new();
    for run in [&runs[0], &runs[1], &runs[3]] {
        let record = run.record().await.unwrap();
        assert_eq!(record.concurrency_key.as_deref(), Some("deploy north"));
        ended.push((record.started_at.unwrap(), record.finished_at.unwrap()));
    }
    assert!(ended.windows(2).all(|pair| pair[0].1 <= pair[1].0), "{ended:?}");
    let long = object(json!({"site": "x".repeat(300)}));
    let refused = fleet.ops.jobs().run(&job, long, RunOptions::default()).await;
    assert_eq!(refused.map(|run| run.id()).unwrap_err().kind(), ErrorKind::InvalidParameters);
    worker.shutdown().await;
}

async fn a_target_takes_no_more_than_its_limit_from_two_workers(fleet: Fleet) {
    fleet.ops.queue().set_limit(QueuePart::Target("web-1"), Limit::running(2)).await.unwrap();
    let workers = [fleet.engine.worker(quick()).unwrap(), fleet.engine.worker(quick()).unwrap()];
    let mut runs = Vec::new();
    for n in 0..6 {
        runs.push(fleet.run(&steps(&format!("hold {n}"), &[("web-1", "hold")]), json!({})).await.unwrap());
    }
    let free = fleet.run(&steps("free", &[("web-2", "print free")]), json!({})).await.unwrap();
    assert_eq!(free.wait(LIMIT).await.unwrap().status, RunStatus::Succeeded, "nothing else waits");
    for held in [2, 4, 6] {
        fleet.hosts.holding(held).await;
        fleet.hosts.release(2);
    }
    for run in runs {
        assert_eq!(run.wait(LIMIT).await.unwrap().status, RunStatus::Succeeded);
    }
    assert!(fleet.hosts.most_running() <= 3, "two on the one target, and one elsewhere");
    for worker in workers {
        worker.shutdown().await;
    }
}

async fn a_rate_wakes_the_worker_when_the_next_may_start(fleet: Fleet) {
    let limit = Limit::rate(1, Duration::from_millis(150));
    fleet.ops.queue().set_limit(QueuePart::Credential("admin"), limit).await.unwrap();
    // Far longer than the rate needs: it is the store that says when.
    let mut settings = quick();
    settings.poll = Duration::from_secs(120);
    let worker = fleet.engine.worker(settings).unwrap();
    let began = Instant::now();
    let mut runs = Vec::new();
    for n in 0..4 {
        runs.push(
            fleet.run(&steps(&format!("print {n}"), &[("web-1", "print x")]), json!({})).await.unwrap(),
        );
    }
    let mut started = Vec::new();
    for run in runs {
        assert_eq!(run.wait(LIMIT).await.unwrap().status, RunStatus::Succeeded);
        started.push(run.record().await.unwrap().started_at.unwrap());
    }
    let apart = started[3] - started[0];
    assert!(apart.num_milliseconds() >= 450, "four starts take three intervals: {apart}");
    assert!(began.elapsed() < Duration::from_secs(60), "nothing waited for the poll");
    worker.shutdown().await;
}

async fn a_paused_job_waits_and_goes_on(fleet: Fleet) {
    let worker = fleet.engine.worker(quick()).unwrap();
    let job = save(&fleet, serde_json::from_str(&steps("nightly", &[("web-1", "print x")])).unwrap()).await;
    let paused = fleet.ops.queue().pause(QueuePart::Job(&job), "a broken disk").await.unwrap();
    assert_eq!(paused.paused.unwrap().reason, "a broken disk (local)");
    let waits = start(&fleet, &job, json!({})).await;
    let other = fleet.run(&steps("other", &[("web-1", "print y")]), json!({})).await.unwrap();
    assert_eq!(other.wait(LIMIT).await.unwrap().status, RunStatus::Succeeded);
    assert_eq!(waits.record().await.unwrap().status, RunStatus::Queued);
    let listed = fleet.ops.queue().limits(Page::default()).await.unwrap();
    assert_eq!(listed.total, 1);
    fleet.ops.queue().resume(QueuePart::Job(&job)).await.unwrap();
    assert_eq!(waits.wait(LIMIT).await.unwrap().status, RunStatus::Succeeded);
    worker.shutdown().await;
}

async fn a_dead_letter_is_redriven_with_what_is_left(fleet: Fleet) {
    let worker = fleet.engine.worker(quick()).unwrap();
    let step = |command: &str| json!({"type": "winrm.exec", "shell": "cmd", "targets": ["web-1", "gone"], "command": command});
    let job =
        json!({"name": "two", "version": 1, "priority": 3, "steps": [step("print a"), step("print b")]});
    let job = save(&fleet, job).await;
    let run = start(&fleet, &job, json!({})).await;
    assert_eq!(run.wait(LIMIT).await.unwrap().status, RunStatus::Failed);
    assert_eq!(fleet.hosts.received(), ["web-1: print a", "web-1: print b"]);
    let letters = fleet.ops.dead_letters().list(Page::default()).await.unwrap();
    assert_eq!(letters.total, 1);
    let letter = &letters.items[0];
    assert_eq!((letter.run, letter.topic.as_str()), (run.id(), "task.failed"));
    assert_eq!((&letter.payload["target"], &letter.payload["step"]), (&json!("gone"), &json!("step1")));
    assert!(letter.error.is_some());

    // What was at fault is mended first.
    let mut target = fleet.ops.targets().get("gone").await.unwrap().spec;
    target.hostname = "host".to_owned();
    fleet.ops.targets().update("gone", target).await.unwrap();
    let again = fleet.ops.dead_letters().redrive(letter.id).await.unwrap();
    let result = again.wait(LIMIT).await.unwrap();
    assert_eq!(result.status, RunStatus::Succeeded);
    let done: Vec<_> =
        result.steps.iter().map(|step| (step.step.as_str(), step.target.as_deref(), step.status)).collect();
    let succeeded = TaskStatus::Succeeded;
    assert_eq!(done, [("step1", Some("gone"), succeeded), ("step2", Some("gone"), succeeded)]);
    let record = again.record().await.unwrap();
    assert_eq!((record.parent, record.priority), (Some(run.id()), 3));
    assert_eq!(fleet.hosts.received()[2..], ["gone: print a", "gone: print b"], "and nothing twice");
    assert_eq!(fleet.ops.dead_letters().list(Page::default()).await.unwrap().total, 0);
    let twice = fleet.ops.dead_letters().redrive(letter.id).await;
    assert_eq!(twice.map(|run| run.id()).unwrap_err().kind(), ErrorKind::NotFound);
    worker.shutdown().await;
}

async fn old_runs_go_and_new_ones_stay(fleet: Fleet) {
    let worker = fleet.engine.worker(quick()).unwrap();
    let job = save(&fleet, serde_json::from_str(&steps("often", &[("web-1", "print x")])).unwrap()).await;
    let mut runs = Vec::new();
    for _ in 0..4 {
        let run = start(&fleet, &job, json!({})).await;
        run.wait(LIMIT).await.unwrap();
        runs.push(run.id());
    }
    let keep = Keep { age: None, runs_per_job: Some(1) };
    assert_eq!(fleet.engine.remove_old_runs(&keep).await.unwrap(), 3);
    let left = fleet.ops.runs().list(RunFilter::default(), Page::default()).await.unwrap();
    assert_eq!(left.items.iter().map(|run| run.id).collect::<Vec<_>>(), runs[3..]);
    assert_eq!(
        fleet.ops.runs().get(runs[0]).await.map(|run| run.id()).unwrap_err().kind(),
        ErrorKind::NotFound
    );
    worker.shutdown().await;
}

async fn a_viewer_may_look_at_limits_and_letters_alone(fleet: Fleet) {
    let actor = Actor::User { id: UserId::new(7), name: "eve".into(), role: Role::Viewer };
    let viewer = fleet.engine.scope(Scope::new(DEFAULT_TENANT, actor));
    assert_eq!(viewer.queue().limits(Page::default()).await.unwrap().total, 0);
    assert_eq!(viewer.dead_letters().list(Page::default()).await.unwrap().total, 0);
    let denied = [
        viewer.queue().set_limit(QueuePart::Tenant, Limit::running(1)).await.map(drop),
        viewer.queue().pause(QueuePart::Tenant, "").await.map(drop),
        viewer.queue().resume(QueuePart::Tenant).await.map(drop),
        viewer.dead_letters().redrive(LetterId::new(1)).await.map(drop),
        viewer.dead_letters().discard(LetterId::new(1)).await,
    ];
    for denied in denied {
        assert_eq!(denied.unwrap_err().kind(), ErrorKind::Forbidden);
    }
}
