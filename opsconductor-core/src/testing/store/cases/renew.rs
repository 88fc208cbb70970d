//! Leases are prolonged.

use std::time::Duration;

use crate::{
    id::WorkerId,
    run::TaskStatus,
    store::{Lease, LeaseState},
    testing::store::Fixture,
};

pub async fn a_renewed_lease_does_not_run_out(f: Fixture) {
    f.single().await;
    let lease = f.claim_one().await.lease;
    let rescuer = WorkerId::generate();
    for _ in 0..3 {
        f.clock.advance(Fixture::TTL - Duration::from_secs(1));
        assert_eq!(f.store.renew(&[lease], Fixture::TTL).await.unwrap(), [LeaseState::Held]);
        assert!(f.store.take_expired(rescuer, 10, Fixture::TTL).await.unwrap().is_empty());
    }
    f.clock.advance(Fixture::TTL);
    assert_eq!(f.store.take_expired(rescuer, 10, Fixture::TTL).await.unwrap().len(), 1);
}

pub async fn a_lease_that_ran_out_but_was_not_taken_is_prolonged(f: Fixture) {
    f.single().await;
    let lease = f.claim_one().await.lease;
    f.clock.advance(Fixture::TTL * 10);
    assert_eq!(f.store.renew(&[lease], Fixture::TTL).await.unwrap(), [LeaseState::Held]);
    assert!(f.store.take_expired(WorkerId::generate(), 10, Fixture::TTL).await.unwrap().is_empty());
}

pub async fn answers_stand_in_the_order_asked(f: Fixture) {
    let (canceled, ended, held) = (f.single().await, f.single().await, f.single().await);
    let claimed = f.claim(3).await;
    let lease = |run| claimed.iter().find(|task| task.lease.run == run).unwrap().lease;
    f.store.cancel_run(f.tenant, canceled.id, "enough").await.unwrap();
    f.end(lease(ended.id), TaskStatus::Succeeded).await;
    let stale = Lease { epoch: 0, ..lease(held.id) };
    let asked = [stale, lease(canceled.id), lease(ended.id), lease(held.id)];
    let expected = [LeaseState::Lost, LeaseState::Canceled, LeaseState::Lost, LeaseState::Held];
    assert_eq!(f.store.renew(&asked, Fixture::TTL).await.unwrap(), expected);
    assert_eq!(f.store.renew(&[], Fixture::TTL).await.unwrap(), []);
}

pub async fn a_lease_of_a_canceled_run_is_prolonged_too(f: Fixture) {
    let run = f.single().await;
    let lease = f.claim_one().await.lease;
    f.store.cancel_run(f.tenant, run.id, "enough").await.unwrap();
    f.clock.advance(Fixture::TTL - Duration::from_secs(1));
    assert_eq!(f.store.renew(&[lease], Fixture::TTL).await.unwrap(), [LeaseState::Canceled]);
    f.clock.advance(Duration::from_secs(1));
    assert!(f.store.take_expired(WorkerId::generate(), 10, Fixture::TTL).await.unwrap().is_empty());
}

pub async fn a_lease_that_was_taken_over_is_lost(f: Fixture) {
    f.single().await;
    let lease = f.claim_one().await.lease;
    f.clock.advance(Fixture::TTL);
    let rescued = f.store.take_expired(WorkerId::generate(), 10, Fixture::TTL).await.unwrap();
    let answers = f.store.renew(&[lease, rescued[0].claimed.lease], Fixture::TTL).await.unwrap();
    assert_eq!(answers, [LeaseState::Lost, LeaseState::Held]);
}

pub async fn a_lease_that_is_given_up_is_taken_over_at_once(f: Fixture) {
    f.single().await;
    let claimed = f.claim_one().await;
    f.store.record_dispatch(&claimed.lease, &Fixture::handle("a")).await.unwrap();
    assert_eq!(f.store.renew(&[claimed.lease], Duration::ZERO).await.unwrap(), [LeaseState::Held]);
    let expired = f.store.take_expired(WorkerId::generate(), 10, Fixture::TTL).await.unwrap();
    assert_eq!(expired.len(), 1);
    assert_eq!(expired[0].dispatched, Some(Fixture::handle("a")));
    assert_eq!(expired[0].claimed.attempt, claimed.attempt, "it is the same attempt");
}
