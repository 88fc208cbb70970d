//! Runs are to stop.

use super::kind;
use crate::{
    ErrorKind,
    id::RunId,
    run::{EventKind, Join, RunStatus, TaskStatus},
    store::Notice,
    testing::store::{Fixture, PlanSketch},
};

use TaskStatus::{Aborted, Running, Succeeded};

pub async fn a_queued_run_ends_at_once(f: Fixture) {
    let (job, targets) = (f.job().await, f.targets(2).await);
    let plan = PlanSketch::new(&job, &targets).step(&[0, 1], &[]).step(&[], &[(0, Join::Barrier)]).build();
    let run = f.enqueue(f.new_run(&job, plan)).await;
    let canceled = f.store.cancel_run(f.tenant, run.id, "not needed").await.unwrap();
    assert_eq!((canceled.status, canceled.cancel_requested), (RunStatus::Canceled, true));
    assert!(canceled.started_at.is_none() && canceled.finished_at.is_some());
    assert_eq!(f.run(run.id).await, canceled);
    let tasks = f.tasks(run.id).await;
    assert!(tasks.iter().all(|task| task.status == Aborted && task.finished_at.is_some()));
    assert!(tasks.iter().all(|task| task.reason.as_deref() == Some("not needed")));
    assert!(f.claim(10).await.is_empty());
    assert_eq!(f.store.queue_depth().await.unwrap(), (0, 0));
    let names = f.event_names(run.id).await;
    assert_eq!(names, ["run.queued", "step.finished", "step.finished", "step.finished", "run.finished"]);
    let events = f.events(run.id).await;
    assert_eq!(events[4].kind, EventKind::RunFinished { status: RunStatus::Canceled });
    let order: Vec<_> = events[1..4].iter().map(|event| event.task.unwrap()).collect();
    assert!(order.is_sorted(), "in the order of the tasks");
}

pub async fn a_running_run_ends_when_its_tasks_do(f: Fixture) {
    let (job, targets) = (f.job().await, f.targets(3).await);
    let plan = PlanSketch::new(&job, &targets).step(&[0, 1, 2], &[]).step(&[], &[(0, Join::Barrier)]).build();
    let run = f.enqueue(f.new_run(&job, plan)).await;
    let claimed = f.claim(2).await;
    let canceled = f.store.cancel_run(f.tenant, run.id, "enough").await.unwrap();
    assert_eq!((canceled.status, canceled.cancel_requested), (RunStatus::Running, true));
    assert_eq!(f.statuses(run.id).await, [Running, Running, Aborted, Aborted]);
    assert_eq!(f.end(claimed[0].lease, Aborted).await, None);
    assert_eq!(f.end(claimed[1].lease, Succeeded).await, Some(RunStatus::Canceled));
    assert_eq!(f.run(run.id).await.status, RunStatus::Canceled);
    assert_eq!(f.statuses(run.id).await, [Aborted, Succeeded, Aborted, Aborted]);
}

pub async fn a_run_that_gets_done_all_the_same_keeps_its_success(f: Fixture) {
    let run = f.single().await;
    let lease = f.claim_one().await.lease;
    f.store.cancel_run(f.tenant, run.id, "too late").await.unwrap();
    assert_eq!(f.end(lease, Succeeded).await, Some(RunStatus::Succeeded));
}

pub async fn a_retry_that_waits_is_aborted(f: Fixture) {
    let run = f.single().await;
    let lease = f.claim_one().await.lease;
    let delay = std::time::Duration::from_secs(60);
    f.store.requeue(vec![Fixture::requeue(lease, delay)]).await.unwrap();
    let canceled = f.store.cancel_run(f.tenant, run.id, "enough").await.unwrap();
    assert_eq!(canceled.status, RunStatus::Canceled);
    let task = f.tasks(run.id).await.remove(0);
    assert_eq!((task.status, task.attempt), (Aborted, 1));
    assert!(task.started_at.is_some(), "it keeps what its attempt wrote");
    assert_eq!(f.store.next_due().await.unwrap(), None);
}

pub async fn a_repeat_changes_nothing(f: Fixture) {
    let run = f.wide(2).await;
    f.claim(1).await;
    let first = f.store.cancel_run(f.tenant, run.id, "first").await.unwrap();
    let events = f.events(run.id).await;
    let again = f.store.cancel_run(f.tenant, run.id, "second").await.unwrap();
    assert_eq!((again, f.events(run.id).await), (first, events));
    assert_eq!(f.tasks(run.id).await[1].reason.as_deref(), Some("first"));
}

pub async fn a_run_that_has_ended_stays_as_it_is(f: Fixture) {
    for status in [Succeeded, TaskStatus::Failed] {
        let run = f.single().await;
        f.end(f.claim_one().await.lease, status).await;
        let (before, events) = (f.run(run.id).await, f.events(run.id).await);
        let answer = f.store.cancel_run(f.tenant, run.id, "late").await.unwrap();
        assert_eq!((&answer, answer.cancel_requested), (&before, false));
        assert_eq!((f.run(run.id).await, f.events(run.id).await), (before, events));
    }
    let run = f.single().await;
    let canceled = f.store.cancel_run(f.tenant, run.id, "once").await.unwrap();
    assert_eq!(f.store.cancel_run(f.tenant, run.id, "twice").await.unwrap(), canceled);
    assert_eq!(kind(f.store.cancel_run(f.tenant, RunId::new(999), "x").await), ErrorKind::NotFound);
}

pub async fn other_runs_go_on(f: Fixture) {
    let (first, second) = (f.wide(2).await, f.wide(2).await);
    f.store.cancel_run(f.tenant, first.id, "enough").await.unwrap();
    let claimed = f.claim(10).await;
    assert_eq!(claimed.len(), 2);
    assert!(claimed.iter().all(|task| task.lease.run == second.id));
}

pub async fn workers_hear_of_it(f: Fixture) {
    let Some(mut notices) = f.store.notices() else { return };
    let run = f.single().await;
    f.claim_one().await;
    f.store.cancel_run(f.tenant, run.id, "enough").await.unwrap();
    let mut heard = Vec::new();
    while let Ok(notice) = notices.try_recv() {
        heard.push(notice);
    }
    assert!(heard.contains(&Notice::Cancel(run.id)), "{heard:?}");
}
