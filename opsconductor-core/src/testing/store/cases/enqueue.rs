//! A run comes in.

use std::collections::BTreeMap;

use super::kind;
use crate::{
    ErrorKind,
    id::{JobId, RunId, UserId},
    run::{EventKind, Join, RunStatus, TaskStatus},
    store::{Idempotency, NewJob, NewRun, Notice},
    testing::store::{Fixture, PlanSketch},
};

pub async fn a_run_and_its_tasks_are_written(f: Fixture) {
    let (job, targets) = (f.job().await, f.targets(2).await);
    let plan = PlanSketch::new(&job, &targets)
        .step(&[1, 0], &[])
        .step(&[1, 0], &[(0, Join::PerTarget)])
        .step(&[], &[(1, Join::Barrier)])
        .build();
    let new = NewRun {
        requested_by: Some(UserId::new(7)),
        correlation_id: Some("ticket 4".to_owned()),
        priority: 3,
        labels: BTreeMap::from([("team".to_owned(), "blue".to_owned())]),
        ..f.new_run(&job, plan.clone())
    };
    let run = f.enqueue(new).await;
    assert_eq!((run.job, run.job_version, run.status), (job.id, 1, RunStatus::Queued));
    assert_eq!((run.requested_by, run.correlation_id.as_deref()), (Some(UserId::new(7)), Some("ticket 4")));
    assert_eq!((run.priority, run.labels["team"].as_str()), (3, "blue"));
    assert_eq!((&run.parameters, run.cancel_requested), (&plan.parameters, false));
    assert_eq!((run.started_at, run.finished_at), (None, None));
    assert_eq!(f.run(run.id).await, run);
    assert_eq!(*f.store.run_plan(f.tenant, run.id).await.unwrap(), *plan);
    let tasks = f.tasks(run.id).await;
    let order: Vec<_> = tasks.iter().map(|task| (task.step, task.target)).collect();
    let (a, b) = (Some(targets[0]), Some(targets[1]));
    assert_eq!(order, [(0, b), (0, a), (1, b), (1, a), (2, None)], "by step, then by the target's place");
    use TaskStatus::{Queued, Waiting};
    assert_eq!(f.statuses(run.id).await, [Queued, Queued, Waiting, Waiting, Waiting]);
    assert!(tasks.iter().all(|task| task.run == run.id && task.kind == "test.noop" && task.attempt == 0));
    let events = f.events(run.id).await;
    assert_eq!(events.len(), 1);
    assert_eq!((&events[0].kind, events[0].task, events[0].at), (&EventKind::RunQueued, None, run.queued_at));
    assert_eq!(f.store.queue_depth().await.unwrap(), (2, 0));
}

pub async fn a_repeat_answers_the_first_run(f: Fixture) {
    let job = f.job().await;
    let plan = PlanSketch::new(&job, &[]).step(&[], &[]).build();
    let key = Idempotency { key: "k".to_owned(), digest: [7; 32] };
    let new = NewRun { idempotency: Some(key), ..f.new_run(&job, plan) };
    let first = f.enqueue(new.clone()).await;
    assert_eq!(first.idempotency_key.as_deref(), Some("k"));
    let again = f.store.enqueue(f.tenant, new.clone()).await.unwrap();
    assert_eq!((again.repeated, &again.run), (true, &first));
    let claimed = f.claim_one().await;
    f.end(claimed.lease, TaskStatus::Succeeded).await;
    let late = f.store.enqueue(f.tenant, new).await.unwrap();
    assert!(late.repeated && late.run.id == first.id, "also when the first has ended");
    assert_eq!(late.run.status, RunStatus::Succeeded, "however it stands");
    assert_eq!(f.store.list_runs(f.tenant, Default::default(), Fixture::ALL).await.unwrap().total, 1);
    assert!(f.claim(10).await.is_empty());
}

pub async fn the_same_key_for_something_else_is_a_conflict(f: Fixture) {
    let job = f.job().await;
    let plan = PlanSketch::new(&job, &[]).step(&[], &[]).build();
    let keyed = |digest| Some(Idempotency { key: "k".to_owned(), digest: [digest; 32] });
    f.enqueue(NewRun { idempotency: keyed(1), ..f.new_run(&job, plan.clone()) }).await;
    let other = NewRun { idempotency: keyed(2), ..f.new_run(&job, plan) };
    assert_eq!(kind(f.store.enqueue(f.tenant, other).await), ErrorKind::Conflict);
    let another_job = f.job().await;
    let plan = PlanSketch::new(&another_job, &[]).step(&[], &[]).build();
    f.enqueue(NewRun { idempotency: keyed(2), ..f.new_run(&another_job, plan) }).await;
    assert_eq!(f.store.queue_depth().await.unwrap().0, 2, "keys of two jobs are two keys");
}

pub async fn a_key_finds_its_run(f: Fixture) {
    let job = f.job().await;
    let plan = PlanSketch::new(&job, &[]).step(&[], &[]).build();
    let given = Idempotency { key: "k".to_owned(), digest: [7; 32] };
    assert_eq!(f.store.enqueued(f.tenant, job.id, &given).await.unwrap(), None);
    let first = f.enqueue(NewRun { idempotency: Some(given.clone()), ..f.new_run(&job, plan) }).await;
    assert_eq!(f.store.enqueued(f.tenant, job.id, &given).await.unwrap(), Some(first));
    let other = Idempotency { digest: [8; 32], ..given.clone() };
    assert_eq!(kind(f.store.enqueued(f.tenant, job.id, &other).await), ErrorKind::Conflict);
    let unknown = Idempotency { key: "l".to_owned(), ..given.clone() };
    assert_eq!(f.store.enqueued(f.tenant, job.id, &unknown).await.unwrap(), None);
    let another = f.job().await;
    assert_eq!(f.store.enqueued(f.tenant, another.id, &given).await.unwrap(), None, "keys belong to a job");
    let elsewhere = crate::id::TenantId::new(f.tenant.get() + 1_000);
    assert_eq!(f.store.enqueued(elsewhere, job.id, &given).await.unwrap(), None, "and to a tenant");
}

pub async fn what_it_refers_to_must_exist(f: Fixture) {
    let job = f.job().await;
    let plan = PlanSketch::new(&job, &[]).step(&[], &[]).build();
    let no_job = NewRun { job: JobId::new(999), ..f.new_run(&job, plan.clone()) };
    assert_eq!(kind(f.store.enqueue(f.tenant, no_job).await), ErrorKind::NotFound);
    let no_parent = NewRun { parent: Some(RunId::new(999)), ..f.new_run(&job, plan.clone()) };
    assert_eq!(kind(f.store.enqueue(f.tenant, no_parent).await), ErrorKind::NotFound);
    let mut unsaved = (*plan).clone();
    unsaved.job_version = 2;
    let no_version = f.new_run(&job, unsaved.into());
    assert_eq!(kind(f.store.enqueue(f.tenant, no_version).await), ErrorKind::NotFound);
    let no_steps = f.new_run(&job, PlanSketch::new(&job, &[]).build());
    assert_eq!(kind(f.store.enqueue(f.tenant, no_steps).await), ErrorKind::InvalidInput);
    assert_eq!(f.store.list_runs(f.tenant, Default::default(), Fixture::ALL).await.unwrap().total, 0);
    assert_eq!(f.store.queue_depth().await.unwrap(), (0, 0), "nothing was written");
}

pub async fn a_run_of_what_the_job_was_is_refused_where_that_matters(f: Fixture) {
    let job = f.job().await;
    let plan = PlanSketch::new(&job, &[]).step(&[], &[]).build();
    let given = Some(Idempotency { key: "k".to_owned(), digest: [7; 32] });
    let current = NewRun { if_current: true, ..f.new_run(&job, plan) };
    let first = f.enqueue(NewRun { idempotency: given.clone(), ..current.clone() }).await;
    f.store.update_job(f.tenant, job.id, NewJob { version: 5, ..f.new_job() }).await.unwrap();
    assert_eq!(kind(f.store.enqueue(f.tenant, current.clone()).await), ErrorKind::NotFound, "it was changed");
    let repeat = NewRun { idempotency: given, ..current };
    assert_eq!(f.store.enqueue(f.tenant, repeat).await.unwrap().run.id, first.id, "a repeat is answered");

    let idle = NewJob { is_active: false, ..f.new_job() };
    let job = f.store.update_job(f.tenant, job.id, idle).await.unwrap();
    let plan = PlanSketch::new(&job, &[]).step(&[], &[]).build();
    let current = NewRun { if_current: true, ..f.new_run(&job, plan) };
    assert_eq!(
        kind(f.store.enqueue(f.tenant, current.clone()).await),
        ErrorKind::NotFound,
        "it is not active"
    );
    f.enqueue(NewRun { if_current: false, ..current }).await;
    assert_eq!(f.store.list_runs(f.tenant, Default::default(), Fixture::ALL).await.unwrap().total, 2);
}

pub async fn a_run_keeps_its_version_and_its_parent(f: Fixture) {
    let job = f.job().await;
    let plan = PlanSketch::new(&job, &[]).step(&[], &[]).build();
    let first = f.enqueue(f.new_run(&job, plan.clone())).await;
    f.store.update_job(f.tenant, job.id, NewJob { version: 5, ..f.new_job() }).await.unwrap();
    let retry = f.enqueue(NewRun { parent: Some(first.id), ..f.new_run(&job, plan) }).await;
    assert_eq!((retry.job_version, retry.parent), (1, Some(first.id)));
    assert_eq!(f.run(first.id).await.job_version, 1);
}

pub async fn listeners_hear_of_it(f: Fixture) {
    let Some(mut notices) = f.store.notices() else { return };
    let run = f.single().await;
    let mut heard = Vec::new();
    while let Ok(notice) = notices.try_recv() {
        heard.push(notice);
    }
    assert!(heard.contains(&Notice::Ready) && heard.contains(&Notice::Run(run.id)), "{heard:?}");
}
