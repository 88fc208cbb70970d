//! The intent to act.

use std::time::Duration;

use super::kind;
use crate::{ErrorKind, id::WorkerId, run::TaskStatus, store::Lease, testing::store::Fixture};

pub async fn the_intent_is_found_by_the_rescuer(f: Fixture) {
    f.single().await;
    let claimed = f.claim_one().await;
    f.store.record_dispatch(&claimed.lease, &Fixture::handle("a")).await.unwrap();
    f.store.record_dispatch(&claimed.lease, &Fixture::handle("b")).await.unwrap();
    f.clock.advance(Fixture::TTL);
    let expired = f.store.take_expired(WorkerId::generate(), 10, Fixture::TTL).await.unwrap();
    assert_eq!(expired[0].dispatched, Some(Fixture::handle("b")), "the later handle replaces the earlier");
}

pub async fn without_an_intent_there_is_none_to_find(f: Fixture) {
    f.single().await;
    f.claim_one().await;
    f.clock.advance(Fixture::TTL);
    let expired = f.store.take_expired(WorkerId::generate(), 10, Fixture::TTL).await.unwrap();
    assert_eq!(expired[0].dispatched, None);
}

pub async fn a_new_attempt_begins_without_an_intent(f: Fixture) {
    f.single().await;
    let first = f.claim_one().await;
    f.store.record_dispatch(&first.lease, &Fixture::handle("a")).await.unwrap();
    f.store.requeue(vec![Fixture::requeue(first.lease, Default::default())]).await.unwrap();
    f.claim_one().await;
    f.clock.advance(Fixture::TTL);
    let expired = f.store.take_expired(WorkerId::generate(), 10, Fixture::TTL).await.unwrap();
    assert_eq!(expired[0].dispatched, None);
}

pub async fn a_lease_that_is_not_current_must_not_act(f: Fixture) {
    f.single().await;
    let lease = f.claim_one().await.lease;
    let handle = Fixture::handle("a");
    for wrong in [
        Lease { epoch: lease.epoch + 1, ..lease },
        Lease { epoch: lease.epoch - 1, ..lease },
        Lease { worker: WorkerId::generate(), ..lease },
        Lease { run: crate::id::RunId::new(lease.run.get() + 1), ..lease },
        Lease { task: crate::id::TaskId::new(lease.task.get() + 1_000), ..lease },
    ] {
        assert_eq!(kind(f.store.record_dispatch(&wrong, &handle).await), ErrorKind::LeaseLost, "{wrong:?}");
    }
    f.clock.advance(Fixture::TTL);
    f.store.take_expired(WorkerId::generate(), 10, Fixture::TTL).await.unwrap();
    assert_eq!(kind(f.store.record_dispatch(&lease, &handle).await), ErrorKind::LeaseLost);
}

pub async fn a_task_that_ended_must_not_act(f: Fixture) {
    f.single().await;
    let lease = f.claim_one().await.lease;
    f.end(lease, TaskStatus::Succeeded).await;
    let late = f.store.record_dispatch(&lease, &Fixture::handle("a")).await;
    assert_eq!(kind(late), ErrorKind::LeaseLost);
}

pub async fn a_canceled_run_must_not_act(f: Fixture) {
    let run = f.single().await;
    let lease = f.claim_one().await.lease;
    f.store.cancel_run(f.tenant, run.id, "enough").await.unwrap();
    let late = f.store.record_dispatch(&lease, &Fixture::handle("a")).await;
    assert_eq!(kind(late), ErrorKind::Canceled);
    f.clock.advance(Fixture::TTL);
    let expired = f.store.take_expired(WorkerId::generate(), 10, Fixture::TTL).await.unwrap();
    assert_eq!(expired[0].dispatched, None, "nothing was written");
}

pub async fn the_rescuer_learns_how_long_ago_it_was(f: Fixture) {
    f.single().await;
    let lease = f.claim_one().await.lease;
    f.clock.advance(Duration::from_secs(2));
    f.store.record_dispatch(&lease, &Fixture::handle("a")).await.unwrap();
    f.clock.advance(Duration::from_secs(3));
    f.store.record_dispatch(&lease, &Fixture::handle("b")).await.unwrap();
    f.clock.advance(Fixture::TTL);
    let rescuer = WorkerId::generate();
    let expired = f.store.take_expired(rescuer, 10, Fixture::TTL).await.unwrap();
    assert_eq!(
        expired[0].since_dispatch,
        Fixture::TTL + Duration::from_secs(3),
        "counted from the first intent"
    );
    f.clock.advance(Fixture::TTL);
    let expired = f.store.take_expired(WorkerId::generate(), 10, Fixture::TTL).await.unwrap();
    assert_eq!(expired[0].since_dispatch, Fixture::TTL * 2 + Duration::from_secs(3), "whoever asks");
    assert_eq!(expired[0].dispatched, Some(Fixture::handle("b")));
    let back = Fixture::requeue(expired[0].claimed.lease, Duration::ZERO);
    f.store.requeue(vec![back]).await.unwrap();
    f.claim_one().await;
    f.clock.advance(Fixture::TTL);
    let expired = f.store.take_expired(rescuer, 10, Fixture::TTL).await.unwrap();
    assert_eq!(expired[0].since_dispatch, Duration::ZERO, "a new attempt has not been dispatched");
}
