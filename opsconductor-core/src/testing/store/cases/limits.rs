//! How many tasks run at once.

use std::time::Duration;

use super::{credentials, kind, refusal};
use crate::{
    ErrorKind,
    id::{CredentialId, JobId, TargetId},
    run::TaskStatus,
    store::{Limit, LimitRecord, LimitScope, NewRun, Notice, Rate},
    testing::store::{Fixture, PlanSketch},
};

pub(crate) async fn limit(f: &Fixture, scope: LimitScope, running: u32) {
    f.store.set_limit(f.tenant, scope, Limit::running(running)).await.unwrap();
}

async fn new_credential(f: &Fixture, name: &str) -> CredentialId {
    let new = credentials::new(f, name).await;
    f.store.insert_credential(f.tenant, new).await.unwrap().id
}

pub async fn so_many_run_at_once_on_a_target(f: Fixture) {
    let target = f.targets(1).await[0];
    limit(&f, LimitScope::Target(target), 2).await;
    let mut runs = Vec::new();
    for _ in 0..5 {
        runs.push(f.on(target, 0).await.id);
    }
    let first = f.claim(10).await;
    assert_eq!(first.iter().map(|claimed| claimed.lease.run).collect::<Vec<_>>(), runs[..2]);
    assert!(f.claim(10).await.is_empty(), "it is full");
    f.end(first[1].lease, TaskStatus::Failed).await;
    let next = f.claim(10).await;
    assert_eq!(next.len(), 1);
    assert_eq!(next[0].lease.run, runs[2]);
    f.store
        .complete(vec![
            Fixture::completion(first[0].lease, TaskStatus::Succeeded),
            Fixture::completion(next[0].lease, TaskStatus::Succeeded),
        ])
        .await
        .unwrap();
    assert_eq!(f.claim_runs(10).await, runs[3..]);
}

pub async fn four_claims_at_once_on_a_limit_of_one_start_one(f: Fixture) {
    let target = f.targets(1).await[0];
    limit(&f, LimitScope::Target(target), 1).await;
    for _ in 0..12 {
        f.on(target, 0).await;
    }
    for _ in 0..3 {
        let claimers: Vec<_> = (0..4)
            .map(|_| {
                let worker = f.other_worker();
                tokio::spawn(async move { worker.claim(4).await })
            })
            .collect();
        let mut started = Vec::new();
        for claimer in claimers {
            started.extend(claimer.await.unwrap());
        }
        assert_eq!(started.len(), 1, "{started:?}");
        f.end(started[0].lease, TaskStatus::Succeeded).await;
    }
}

pub async fn a_credential_counts_on_all_its_targets(f: Fixture) {
    let credential = new_credential(&f, "c").await;
    limit(&f, LimitScope::Credential(credential), 3).await;
    let (job, targets) = (f.job().await, f.targets(5).await);
    let plan = PlanSketch::new(&job, &targets).step(&[0, 1, 2, 3, 4], &[]).credential(credential).build();
    f.enqueue(f.new_run(&job, plan)).await;
    let other = f.wide(1).await;
    let claimed = f.claim(10).await;
    assert_eq!(claimed.len(), 4);
    assert_eq!(claimed[3].lease.run, other.id, "what another credential opens is not held back");
    f.end(claimed[0].lease, TaskStatus::Succeeded).await;
    assert_eq!(f.claim(10).await.len(), 1);
}

pub async fn a_job_and_a_tenant_can_be_limited_too(f: Fixture) {
    let (job, targets) = (f.job().await, f.targets(4).await);
    let plan = PlanSketch::new(&job, &targets).step(&[0, 1, 2, 3], &[]).build();
    f.enqueue(f.new_run(&job, plan)).await;
    limit(&f, LimitScope::Job(job.id), 2).await;
    assert_eq!(f.claim(10).await.len(), 2);
    let elsewhere = f.other_tenant().await;
    limit(&elsewhere, LimitScope::Tenant, 1).await;
    elsewhere.wide(3).await;
    let mine = f.single().await;
    let claimed = f.claim(10).await;
    assert_eq!(claimed.len(), 2);
    assert_eq!(claimed.iter().filter(|claimed| claimed.tenant == elsewhere.tenant).count(), 1);
    assert!(claimed.iter().any(|claimed| claimed.lease.run == mine.id));
}

pub async fn what_waits_for_a_limit_holds_nothing_else_back(f: Fixture) {
    let (target, job) = (f.targets(1).await[0], f.job().await);
    limit(&f, LimitScope::Target(target), 1).await;
    let plan = PlanSketch::new(&job, &[target]).step(&[0], &[]).build();
    for _ in 0..300 {
        f.enqueue(NewRun { priority: 9, ..f.new_run(&job, plan.clone()) }).await;
    }
    assert_eq!(f.claim(5).await.len(), 1);
    for _ in 0..3 {
        let plain = f.single().await;
        assert_eq!(f.claim_runs(1).await, [plain.id]);
    }
    assert!(f.claim(5).await.is_empty());
}

pub async fn priority_orders_what_may_run(f: Fixture) {
    let (full, free) = (f.targets(1).await[0], f.targets(1).await[0]);
    limit(&f, LimitScope::Target(full), 1).await;
    limit(&f, LimitScope::Target(free), 5).await;
    let low = f.on(full, -1).await;
    let holder = f.on(full, 9).await;
    let urgent = f.on(full, 7).await;
    let middle = f.on(free, 5).await;
    let plain = f.single_with_priority(6).await;
    let late = f.on(free, 1).await;
    let held = f.claim(1).await.remove(0).lease;
    assert_eq!(held.run, holder.id);
    assert_eq!(f.claim_runs(2).await, [plain.id, middle.id], "without those that wait for the limit");
    f.end(held, TaskStatus::Succeeded).await;
    let later = f.on(full, 8).await;
    let first = f.claim(1).await.remove(0).lease;
    assert_eq!(first.run, later.id, "the highest of those at the limit, whoever waited longer");
    assert_eq!(f.claim_runs(5).await, [late.id]);
    f.end(first, TaskStatus::Succeeded).await;
    let last = f.claim(5).await.remove(0).lease;
    assert_eq!(last.run, urgent.id);
    f.end(last, TaskStatus::Succeeded).await;
    assert_eq!(f.claim_runs(5).await, [low.id]);
}

pub async fn a_task_needs_room_in_all_that_it_belongs_to(f: Fixture) {
    let (credential, targets) = (new_credential(&f, "c").await, f.targets(2).await);
    limit(&f, LimitScope::Target(targets[0]), 1).await;
    limit(&f, LimitScope::Credential(credential), 1).await;
    let job = f.job().await;
    let both = PlanSketch::new(&job, &targets[..1]).step(&[0], &[]).credential(credential).build();
    let by_credential = PlanSketch::new(&job, &targets[1..]).step(&[0], &[]).credential(credential).build();
    let opener = f.enqueue(f.new_run(&job, by_credential)).await;
    let held = f.claim_one().await.lease;
    assert_eq!(held.run, opener.id);
    let blocked = f.enqueue(NewRun { priority: 5, ..f.new_run(&job, both.clone()) }).await;
    let (first, second) = (f.on(targets[0], 1).await, f.on(targets[0], 0).await);
    let on_target = f.claim_one().await.lease;
    assert_eq!(on_target.run, first.id, "what the credential keeps takes no room on the target");
    f.end(on_target, TaskStatus::Succeeded).await;
    let on_target = f.claim_one().await.lease;
    assert_eq!(on_target.run, second.id, "nor does it stand in the way of what waits for the target");
    f.end(held, TaskStatus::Succeeded).await;
    assert!(f.claim(5).await.is_empty(), "now it is the target that is full");
    f.end(on_target, TaskStatus::Succeeded).await;
    assert_eq!(f.claim_one().await.lease.run, blocked.id);
}

pub async fn a_limit_can_change_while_tasks_wait(f: Fixture) {
    let target = f.targets(1).await[0];
    let scope = LimitScope::Target(target);
    for _ in 0..8 {
        f.on(target, 0).await;
    }
    let mut running = f.claim(2).await;
    limit(&f, scope, 3).await;
    running.extend(f.claim(10).await);
    assert_eq!(running.len(), 3, "what ran before counts");
    limit(&f, scope, 4).await;
    running.extend(f.claim(10).await);
    assert_eq!(running.len(), 4);
    limit(&f, scope, 1).await;
    for claimed in running.drain(..3) {
        f.end(claimed.lease, TaskStatus::Succeeded).await;
        assert!(f.claim(10).await.is_empty(), "more run than may");
    }
    f.end(running[0].lease, TaskStatus::Succeeded).await;
    assert_eq!(f.claim(10).await.len(), 1);
    f.store.set_limit(f.tenant, scope, Limit::default()).await.unwrap();
    assert_eq!(f.claim(10).await.len(), 3, "it was lifted");
}

pub async fn a_task_counts_until_it_ends_or_goes_back(f: Fixture) {
    let target = f.targets(1).await[0];
    limit(&f, LimitScope::Target(target), 1).await;
    let first = f.on(target, 0).await;
    let second = f.on(target, 0).await;
    f.claim_one().await;
    f.clock.advance(Fixture::TTL);
    assert!(f.claim(10).await.is_empty(), "its worker is gone, and it may still run");
    let rescuer = f.other_worker();
    let taken = f.store.take_expired(rescuer.worker, 10, Fixture::TTL).await.unwrap().remove(0).claimed.lease;
    assert!(f.claim(10).await.is_empty());
    let back = Fixture::requeue(taken, Duration::from_secs(60));
    assert_eq!(f.store.requeue(vec![back]).await.unwrap(), [true]);
    let held = f.claim_one().await.lease;
    assert_eq!(held.run, second.id);
    f.clock.advance(Duration::from_secs(60));
    assert!(f.claim(10).await.is_empty());
    f.end(held, TaskStatus::Succeeded).await;
    assert_eq!(f.claim_one().await.lease.run, first.id);
}

pub async fn a_canceled_task_leaves_its_place_to_the_next(f: Fixture) {
    let target = f.targets(1).await[0];
    limit(&f, LimitScope::Target(target), 1).await;
    let mut runs = Vec::new();
    for _ in 0..4 {
        runs.push(f.on(target, 0).await.id);
    }
    let held = f.claim(10).await.remove(0).lease;
    f.store.cancel_run(f.tenant, runs[1], "one that waits").await.unwrap();
    f.end(held, TaskStatus::Succeeded).await;
    f.store.cancel_run(f.tenant, runs[2], "the one whose turn it is").await.unwrap();
    let held = f.claim_one().await.lease;
    assert_eq!(held.run, runs[3]);
    f.store.cancel_run(f.tenant, runs[3], "the one that runs").await.unwrap();
    let next = f.on(target, 0).await;
    assert!(f.claim(10).await.is_empty(), "it has not stopped");
    f.store.requeue(vec![Fixture::requeue(held, Duration::ZERO)]).await.unwrap();
    assert_eq!(f.claim_one().await.lease.run, next.id);
}

pub async fn limits_are_read_listed_and_lifted(f: Fixture) {
    let (target, job) = (f.targets(1).await[0], f.job().await.id);
    let scopes = [LimitScope::Target(target), LimitScope::Job(job), LimitScope::Tenant];
    assert_eq!(f.store.limit(f.tenant, scopes[0]).await.unwrap(), LimitRecord::none(scopes[0]));
    let rate = Rate { starts: 3, per: Duration::from_secs(60), burst: 2 };
    let both = Limit { running: Some(7), rate: Some(rate) };
    let mut records = Vec::new();
    for scope in scopes {
        let record = f.store.set_limit(f.tenant, scope, both).await.unwrap();
        assert_eq!((record.scope, record.limit, &record.paused), (scope, both, &None));
        assert_eq!(f.store.limit(f.tenant, scope).await.unwrap(), record);
        records.push(record);
    }
    records.reverse();
    let listing = f.store.list_limits(f.tenant, Fixture::ALL).await.unwrap();
    assert_eq!((listing.items, listing.total), (records, 3));
    let lifted = f.store.set_limit(f.tenant, scopes[1], Limit::default()).await.unwrap();
    assert_eq!(lifted, LimitRecord::none(scopes[1]));
    f.store.delete_target(f.tenant, target).await.unwrap();
    let left = f.store.list_limits(f.tenant, Fixture::ALL).await.unwrap().items;
    assert_eq!(left.iter().map(|record| record.scope).collect::<Vec<_>>(), [LimitScope::Tenant]);
}

pub async fn what_is_not_there_or_makes_no_sense_is_refused(f: Fixture) {
    let other = f.other_tenant().await;
    let theirs = LimitScope::Target(other.targets(1).await[0]);
    let absent = [
        theirs,
        LimitScope::Job(JobId::new(999)),
        LimitScope::Target(TargetId::new(999)),
        LimitScope::Credential(CredentialId::new(999)),
    ];
    for scope in absent {
        let set = f.store.set_limit(f.tenant, scope, Limit::running(1)).await;
        assert_eq!(kind(set), ErrorKind::NotFound, "{scope:?}");
        assert_eq!(kind(f.store.limit(f.tenant, scope).await), ErrorKind::NotFound);
        assert_eq!(kind(f.store.pause(f.tenant, scope, "").await), ErrorKind::NotFound);
        assert_eq!(kind(f.store.resume(f.tenant, scope).await), ErrorKind::NotFound);
    }
    let rate = Rate { starts: 1, per: Duration::from_secs(1), burst: 1 };
    for wrong in [
        Limit::running(0),
        Limit { running: None, rate: Some(Rate { starts: 0, ..rate }) },
        Limit { running: None, rate: Some(Rate { burst: 0, ..rate }) },
        Limit { running: None, rate: Some(Rate { per: Duration::ZERO, ..rate }) },
    ] {
        let refused = refusal(f.store.set_limit(f.tenant, LimitScope::Tenant, wrong).await);
        assert_eq!(refused.kind(), ErrorKind::InvalidInput, "{wrong:?}");
    }
    assert_eq!(f.store.list_limits(f.tenant, Fixture::ALL).await.unwrap().total, 0);
    limit(&other, theirs, 1).await;
    assert_eq!(
        f.store.list_limits(f.tenant, Fixture::ALL).await.unwrap().total,
        0,
        "those of another tenant"
    );
}

pub async fn listeners_hear_of_room(f: Fixture) {
    let Some(mut notices) = f.store.notices() else { return };
    let target = f.targets(1).await[0];
    limit(&f, LimitScope::Target(target), 1).await;
    f.on(target, 0).await;
    f.on(target, 0).await;
    let held = f.claim(10).await.remove(0).lease;
    while notices.try_recv().is_ok() {}
    f.end(held, TaskStatus::Succeeded).await;
    let heard = tokio::time::timeout(Duration::from_secs(120), async {
        while notices.recv().await.unwrap() != Notice::Ready {}
    });
    heard.await.unwrap();
}

pub async fn a_look_at_what_waits_does_no_harm(f: Fixture) {
    f.store.wake_limited().await.unwrap();
    let target = f.targets(1).await[0];
    limit(&f, LimitScope::Target(target), 1).await;
    let (first, second) = (f.on(target, 0).await, f.on(target, 0).await);
    let held = f.claim(10).await.remove(0).lease;
    assert_eq!(held.run, first.id);
    f.store.wake_limited().await.unwrap();
    assert!(f.claim(10).await.is_empty());
    f.end(held, TaskStatus::Succeeded).await;
    f.store.wake_limited().await.unwrap();
    assert_eq!(f.claim_one().await.lease.run, second.id);
}
