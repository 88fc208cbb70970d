//! Parts of the queue that stand still.

use std::time::Duration;

use crate::{
    run::{RunStatus, TaskStatus},
    store::{Limit, LimitRecord, LimitScope, NewRun, Notice},
    testing::store::{Fixture, PlanSketch},
};

pub async fn nothing_starts_in_a_paused_tenant_and_what_runs_goes_on(f: Fixture) {
    let elsewhere = f.other_tenant().await;
    let running = f.single().await;
    let held = f.claim_one().await.lease;
    let waiting = f.single().await;
    let paused = f.store.pause(f.tenant, LimitScope::Tenant, "maintenance").await.unwrap();
    assert_eq!(paused.paused.unwrap().reason, "maintenance");
    let late = f.single().await;
    let theirs = elsewhere.single().await;
    assert_eq!(f.claim_runs(10).await, [theirs.id], "another tenant goes on");
    assert_eq!(f.end(held, TaskStatus::Succeeded).await, Some(RunStatus::Succeeded));
    assert_eq!(f.run(running.id).await.status, RunStatus::Succeeded);
    assert!(f.claim(10).await.is_empty());
    assert_eq!(f.store.next_due().await.unwrap(), None);
    f.store.resume(f.tenant, LimitScope::Tenant).await.unwrap();
    assert_eq!(f.claim_runs(10).await, [waiting.id, late.id]);
}

pub async fn a_paused_job_starts_nothing_and_others_do(f: Fixture) {
    let (job, target) = (f.job().await, f.targets(1).await);
    let plan = PlanSketch::new(&job, &target).step(&[0], &[]).build();
    let run = f.enqueue(NewRun { priority: 5, ..f.new_run(&job, plan) }).await;
    f.store.pause(f.tenant, LimitScope::Job(job.id), "broken").await.unwrap();
    let other = f.on(target[0], 0).await;
    assert_eq!(f.claim_runs(10).await, [other.id]);
    f.store.resume(f.tenant, LimitScope::Job(job.id)).await.unwrap();
    assert_eq!(f.claim_runs(10).await, [run.id]);
}

pub async fn a_pause_and_a_limit_do_not_touch_each_other(f: Fixture) {
    let target = f.targets(1).await[0];
    let scope = LimitScope::Target(target);
    f.store.set_limit(f.tenant, scope, Limit::running(1)).await.unwrap();
    f.store.pause(f.tenant, scope, "a new disk").await.unwrap();
    for _ in 0..3 {
        f.on(target, 0).await;
    }
    assert!(f.claim(10).await.is_empty());
    let both = f.store.set_limit(f.tenant, scope, Limit::running(2)).await.unwrap();
    assert!(both.paused.is_some());
    assert!(f.claim(10).await.is_empty());
    let resumed = f.store.resume(f.tenant, scope).await.unwrap();
    assert_eq!(resumed, LimitRecord { scope, limit: Limit::running(2), paused: None });
    assert_eq!(f.claim(10).await.len(), 2);
}

pub async fn repeating_changes_nothing(f: Fixture) {
    let scope = LimitScope::Tenant;
    let first = f.store.pause(f.tenant, scope, "first").await.unwrap();
    f.clock.advance(Duration::from_secs(1));
    assert_eq!(f.store.pause(f.tenant, scope, "second").await.unwrap(), first);
    for _ in 0..2 {
        assert_eq!(f.store.resume(f.tenant, scope).await.unwrap(), LimitRecord::none(scope));
    }
    assert_eq!(f.store.list_limits(f.tenant, Fixture::ALL).await.unwrap().total, 0);
}

pub async fn a_run_that_waits_in_a_pause_can_be_canceled(f: Fixture) {
    let run = f.single().await;
    f.store.pause(f.tenant, LimitScope::Tenant, "").await.unwrap();
    assert!(f.claim(10).await.is_empty());
    assert_eq!(f.statuses(run.id).await, [TaskStatus::Queued]);
    let canceled = f.store.cancel_run(f.tenant, run.id, "not needed").await.unwrap();
    assert_eq!(canceled.status, RunStatus::Canceled);
    f.store.resume(f.tenant, LimitScope::Tenant).await.unwrap();
    assert!(f.claim(10).await.is_empty());
}

pub async fn listeners_hear_of_the_end(f: Fixture) {
    let Some(mut notices) = f.store.notices() else { return };
    f.store.pause(f.tenant, LimitScope::Tenant, "").await.unwrap();
    f.single().await;
    assert!(f.claim(10).await.is_empty());
    while notices.try_recv().is_ok() {}
    f.store.resume(f.tenant, LimitScope::Tenant).await.unwrap();
    let heard = tokio::time::timeout(Duration::from_secs(120), async {
        while notices.recv().await.unwrap() != Notice::Ready {}
    });
    heard.await.unwrap();
}
