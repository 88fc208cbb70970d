//! Runs with the same concurrency key, one after the other.

use std::time::Duration;

use crate::{
    id::RunId,
    run::{RunStatus, TaskStatus, plan::Join},
    store::{NewRun, Notice, RunRecord},
    testing::store::{Fixture, PlanSketch},
};

async fn keyed(f: &Fixture, key: &str) -> RunRecord {
    keyed_with_priority(f, key, 0).await
}

/// A run of two steps, one after the other.
async fn keyed_with_priority(f: &Fixture, key: &str, priority: i16) -> RunRecord {
    let job = f.job().await;
    let plan = PlanSketch::new(&job, &[]).step(&[], &[]).step(&[], &[(0, Join::Barrier)]).build();
    let concurrency_key = Some(key.to_owned());
    f.enqueue(NewRun { priority, concurrency_key, ..f.new_run(&job, plan) }).await
}

/// Claims the task that is ready and ends it; says whose it was and how the run ended if it did.
async fn work(f: &Fixture, status: TaskStatus) -> (RunId, Option<RunStatus>) {
    let claimed = f.claim_one().await;
    (claimed.lease.run, f.end(claimed.lease, status).await)
}

pub async fn they_go_one_after_the_other_in_the_order_of_enqueue(f: Fixture) {
    let first = keyed(&f, "deploy").await;
    assert_eq!(f.run(first.id).await.concurrency_key.as_deref(), Some("deploy"));
    let second = keyed(&f, "deploy").await;
    let urgent = keyed_with_priority(&f, "deploy", 9).await;
    assert_eq!(f.statuses(first.id).await, [TaskStatus::Queued, TaskStatus::Waiting]);
    assert_eq!(f.statuses(second.id).await, [TaskStatus::Waiting, TaskStatus::Waiting]);
    for run in [first.id, second.id, urgent.id] {
        assert_eq!(work(&f, TaskStatus::Succeeded).await, (run, None));
        assert_eq!(work(&f, TaskStatus::Succeeded).await, (run, Some(RunStatus::Succeeded)));
    }
    assert!(f.claim(10).await.is_empty());
}

pub async fn all_that_waits_for_nothing_else_begins_with_the_turn(f: Fixture) {
    let first = keyed(&f, "deploy").await;
    let (job, targets) = (f.job().await, f.targets(2).await);
    let plan =
        PlanSketch::new(&job, &targets).step(&[1], &[]).step(&[0, 1], &[(0, Join::SharedTargets)]).build();
    let concurrency_key = Some("deploy".to_owned());
    let second = f.enqueue(NewRun { concurrency_key, ..f.new_run(&job, plan) }).await;
    assert_eq!(f.statuses(second.id).await, [TaskStatus::Waiting; 3]);
    for _ in 0..2 {
        assert_eq!(work(&f, TaskStatus::Succeeded).await.0, first.id);
    }
    assert_eq!(f.statuses(second.id).await, [TaskStatus::Queued, TaskStatus::Queued, TaskStatus::Waiting]);
}

pub async fn other_keys_and_runs_without_one_go_beside_them(f: Fixture) {
    keyed(&f, "a").await;
    keyed(&f, "a").await;
    let other = keyed(&f, "A").await;
    let plain = f.single().await;
    let elsewhere = f.other_tenant().await;
    let theirs = keyed(&elsewhere, "a").await;
    let claimed: Vec<_> = f.claim(10).await.iter().map(|claimed| claimed.lease.run).collect();
    assert_eq!(claimed.len(), 4);
    assert_eq!(claimed[1..], [other.id, plain.id, theirs.id]);
}

pub async fn a_turn_passes_on_however_the_run_ended(f: Fixture) {
    let (failed, canceled, last) = (keyed(&f, "k").await, keyed(&f, "k").await, keyed(&f, "k").await);
    assert_eq!(work(&f, TaskStatus::Failed).await, (failed.id, Some(RunStatus::Failed)));
    let held = f.claim_one().await.lease;
    assert_eq!(held.run, canceled.id);
    f.store.cancel_run(f.tenant, canceled.id, "enough").await.unwrap();
    assert!(f.claim(10).await.is_empty(), "what it runs has not ended");
    assert_eq!(f.end(held, TaskStatus::Aborted).await, Some(RunStatus::Canceled));
    assert_eq!(f.claim_one().await.lease.run, last.id);
}

pub async fn a_run_that_is_canceled_before_its_turn_leaves_the_row(f: Fixture) {
    let (first, second, third) = (keyed(&f, "k").await, keyed(&f, "k").await, keyed(&f, "k").await);
    let held = f.claim_one().await.lease;
    assert_eq!(held.run, first.id);
    let gone = f.store.cancel_run(f.tenant, second.id, "not needed").await.unwrap();
    assert_eq!(gone.status, RunStatus::Canceled);
    assert!(f.claim(10).await.is_empty(), "the first goes on alone");
    f.end(held, TaskStatus::Failed).await;
    assert_eq!(f.claim_one().await.lease.run, third.id);
}

pub async fn a_run_keeps_its_turn_between_its_tasks_and_while_it_is_rescued(f: Fixture) {
    let (first, second) = (keyed(&f, "k").await, keyed(&f, "k").await);
    assert_eq!(work(&f, TaskStatus::Succeeded).await, (first.id, None));
    let held = f.claim_one().await.lease;
    f.store.requeue(vec![Fixture::requeue(held, Duration::from_secs(60))]).await.unwrap();
    assert!(f.claim(10).await.is_empty(), "a retry waits and the turn stays");
    f.clock.advance(Duration::from_secs(60));
    f.claim_one().await;
    f.clock.advance(Fixture::TTL);
    let rescuer = f.other_worker();
    let expired = f.store.take_expired(rescuer.worker, 10, Fixture::TTL).await.unwrap().remove(0);
    assert!(f.claim(10).await.is_empty(), "a task of a worker that is gone has not ended");
    f.end(expired.claimed.lease, TaskStatus::Lost).await;
    assert_eq!(f.claim_one().await.lease.run, second.id);
}

pub async fn of_many_enqueued_at_once_one_begins(f: Fixture) {
    let job = f.job().await;
    let plan = PlanSketch::new(&job, &[]).step(&[], &[]).build();
    let enqueuers: Vec<_> = (0..8)
        .map(|_| {
            let new = NewRun { concurrency_key: Some("k".to_owned()), ..f.new_run(&job, plan.clone()) };
            let f = f.other_worker();
            tokio::spawn(async move { f.enqueue(new).await.id })
        })
        .collect();
    let mut runs = Vec::new();
    for enqueuer in enqueuers {
        runs.push(enqueuer.await.unwrap());
    }
    runs.sort();
    for run in runs {
        assert_eq!(work(&f, TaskStatus::Succeeded).await, (run, Some(RunStatus::Succeeded)));
    }
}

pub async fn listeners_hear_that_the_next_one_may_begin(f: Fixture) {
    let Some(mut notices) = f.store.notices() else { return };
    keyed(&f, "k").await;
    keyed(&f, "k").await;
    let held = f.claim_one().await.lease;
    while notices.try_recv().is_ok() {}
    f.end(held, TaskStatus::Failed).await;
    let heard = tokio::time::timeout(Duration::from_secs(120), async {
        while notices.recv().await.unwrap() != Notice::Ready {}
    });
    heard.await.unwrap();
}
