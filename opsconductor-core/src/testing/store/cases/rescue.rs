//! Leases that ran out are taken over.

use std::time::Duration;

use crate::{
    id::WorkerId,
    run::{RunStatus, TaskStatus},
    testing::store::Fixture,
};

pub async fn a_lease_runs_out_when_its_time_is_over(f: Fixture) {
    let run = f.wide(1).await;
    let former = f.claim_one().await;
    let rescuer = WorkerId::generate();
    f.clock.advance(Fixture::TTL - Duration::from_micros(1));
    assert!(f.store.take_expired(rescuer, 10, Fixture::TTL).await.unwrap().is_empty());
    f.clock.advance(Duration::from_micros(1));
    let expired = f.store.take_expired(rescuer, 10, Fixture::TTL).await.unwrap();
    assert_eq!(expired.len(), 1);
    let taken = &expired[0];
    assert_eq!((taken.worker, taken.claimed.lease.worker), (f.worker, rescuer));
    assert_eq!(taken.claimed.lease.task, former.lease.task);
    assert_eq!((taken.claimed.lease.run, taken.claimed.tenant), (run.id, f.tenant));
    assert_eq!((taken.claimed.step, taken.claimed.target), (0, former.target));
    assert!(taken.claimed.lease.epoch > former.lease.epoch);
    assert_eq!((taken.claimed.attempt, taken.canceled, taken.output_seq), (1, false, 0));
    assert_eq!(f.statuses(run.id).await, [TaskStatus::Running], "the attempt goes on");
}

pub async fn a_task_is_taken_over_once(f: Fixture) {
    f.single().await;
    f.claim_one().await;
    f.clock.advance(Fixture::TTL);
    let (first, second) = (WorkerId::generate(), WorkerId::generate());
    assert_eq!(f.store.take_expired(first, 10, Fixture::TTL).await.unwrap().len(), 1);
    assert!(f.store.take_expired(second, 10, Fixture::TTL).await.unwrap().is_empty());
    assert!(f.claim(10).await.is_empty(), "nor is it claimed meanwhile");
}

pub async fn a_rescuer_that_dies_is_rescued_in_turn(f: Fixture) {
    let run = f.single().await;
    let worker = f.claim_one().await.lease;
    f.store.record_dispatch(&worker, &Fixture::handle("a")).await.unwrap();
    f.clock.advance(Fixture::TTL);
    let (first, second) = (WorkerId::generate(), WorkerId::generate());
    let by_first = f.store.take_expired(first, 10, Fixture::TTL).await.unwrap().remove(0);
    f.clock.advance(Fixture::TTL);
    let by_second = f.store.take_expired(second, 10, Fixture::TTL).await.unwrap().remove(0);
    assert_eq!(by_second.worker, first);
    assert_eq!(by_second.dispatched, Some(Fixture::handle("a")), "what may have been sent is not forgotten");
    assert!(by_second.claimed.lease.epoch > by_first.claimed.lease.epoch);
    assert_eq!(f.end(by_second.claimed.lease, TaskStatus::Lost).await, Some(RunStatus::Failed));
    assert_eq!(f.statuses(run.id).await, [TaskStatus::Lost]);
}

pub async fn a_rescued_task_goes_back_and_ends_well(f: Fixture) {
    let run = f.single().await;
    f.claim_one().await;
    f.clock.advance(Fixture::TTL);
    let rescuer = WorkerId::generate();
    let expired = f.store.take_expired(rescuer, 10, Fixture::TTL).await.unwrap().remove(0);
    let back = Fixture::requeue(expired.claimed.lease, Duration::ZERO);
    assert_eq!(f.store.requeue(vec![back]).await.unwrap(), [true]);
    let again = f.claim_one().await;
    assert_eq!(again.attempt, 2);
    assert_eq!(f.end(again.lease, TaskStatus::Succeeded).await, Some(RunStatus::Succeeded));
    assert_eq!(f.run(run.id).await.status, RunStatus::Succeeded);
}

pub async fn those_go_first_that_ran_out_first(f: Fixture) {
    f.wide(3).await;
    let mut claimed = Vec::new();
    for _ in 0..3 {
        claimed.push(f.claim(1).await.remove(0).lease);
        f.clock.advance(Duration::from_secs(1));
    }
    f.store.renew(&claimed[..1], Fixture::TTL).await.unwrap();
    f.clock.advance(Fixture::TTL);
    let rescuer = WorkerId::generate();
    let order: Vec<_> = f
        .store
        .take_expired(rescuer, 2, Fixture::TTL)
        .await
        .unwrap()
        .iter()
        .map(|expired| expired.claimed.lease.task)
        .collect();
    assert_eq!(order, [claimed[1].task, claimed[2].task]);
    let rest = f.store.take_expired(rescuer, 2, Fixture::TTL).await.unwrap();
    assert_eq!(rest.len(), 1);
    assert_eq!(rest[0].claimed.lease.task, claimed[0].task, "the renewed one ran out last");
}

pub async fn the_rescuer_learns_where_the_output_stands(f: Fixture) {
    let run = f.single().await;
    let first = f.claim_one().await.lease;
    let pieces = (1..=3).map(|seq| Fixture::piece(first, seq, "x")).collect();
    f.store.append_output(pieces).await.unwrap();
    f.clock.advance(Fixture::TTL);
    let rescuer = WorkerId::generate();
    let expired = f.store.take_expired(rescuer, 10, Fixture::TTL).await.unwrap().remove(0);
    assert_eq!(expired.output_seq, 3);
    let next = Fixture::piece(expired.claimed.lease, expired.output_seq + 1, "y");
    assert_eq!(f.store.append_output(vec![next]).await.unwrap(), [true]);
    let chunks = f.store.output(f.tenant, run.id, Default::default(), 10).await.unwrap();
    assert_eq!(chunks.len(), 4);
}

pub async fn the_rescuer_learns_of_a_cancel(f: Fixture) {
    let run = f.single().await;
    f.claim_one().await;
    f.store.cancel_run(f.tenant, run.id, "enough").await.unwrap();
    f.clock.advance(Fixture::TTL);
    let expired = f.store.take_expired(WorkerId::generate(), 10, Fixture::TTL).await.unwrap();
    assert!(expired[0].canceled);
}
