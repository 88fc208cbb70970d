//! The wall clock is set while workers run, and the machine starts anew: leases and due times mind only the time that passes.
#![allow(clippy::unwrap_used, reason = "a test may panic")]

use std::{path::PathBuf, sync::Arc, time::Duration};

use chrono::TimeDelta;
use opsconductor_core::{
    clock::Clock,
    run::TaskStatus,
    store::{LeaseState, Queue, Requeue, Store},
    testing::{
        ManualClock,
        store::{Fixture, StoreBuilder},
    },
};
use opsconductor_store_sqlite::{SqliteOptions, SqliteStore};
use tempfile::TempDir;

const HOUR: TimeDelta = TimeDelta::hours(1);
const INSTANT: Duration = Duration::from_micros(1);

/// A data file on a machine that was started a while ago, or once more.
struct Machine {
    path: PathBuf,
    boot: &'static str,
}

#[async_trait::async_trait]
impl StoreBuilder for Machine {
    type Guard = ();

    async fn build(&self, clock: Arc<ManualClock>) -> (Arc<dyn Store>, ()) {
        (Arc::new(open(self, clock)), ())
    }
}

fn open(machine: &Machine, clock: Arc<ManualClock>) -> SqliteStore {
    let options = SqliteOptions::default().with_clock(clock).with_boot(machine.boot);
    SqliteStore::open(&machine.path, options).unwrap()
}

async fn scene() -> (TempDir, Machine, Fixture) {
    let folder = TempDir::new().unwrap();
    let machine = Machine { path: folder.path().join("data.db"), boot: "first" };
    let (fixture, ()) = Fixture::build(&machine).await;
    fixture.clock.advance(Duration::from_secs(100));
    (folder, machine, fixture)
}

fn step(clock: &ManualClock, by: TimeDelta) {
    clock.set_wall(clock.now() + by);
}

/// What a rescuer takes.
async fn expired(store: &dyn Store, f: &Fixture) -> usize {
    store.take_expired(f.worker, 10, Fixture::TTL).await.unwrap().len()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_step_of_the_wall_clock_neither_ends_a_lease_nor_prolongs_it() {
    for by in [HOUR, -HOUR] {
        let (_folder, machine, f) = scene().await;
        f.single().await;
        let lease = f.claim_one().await.lease;
        step(&f.clock, by);
        // Another process comes after the step.
        let other = open(&machine, f.clock.clone());
        f.clock.advance(Fixture::TTL - INSTANT);
        assert_eq!((expired(&*f.store, &f).await, expired(&other, &f).await), (0, 0), "{by}");
        assert_eq!(f.store.renew(&[lease], Fixture::TTL).await.unwrap(), [LeaseState::Held]);
        step(&f.clock, -by);
        f.clock.advance(Fixture::TTL - INSTANT);
        assert_eq!(expired(&other, &f).await, 0, "{by}");
        f.clock.advance(INSTANT);
        assert_eq!(expired(&other, &f).await, 1, "{by}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_queued_stays_due_and_what_waits_waits_as_long_as_it_should() {
    for by in [HOUR, -HOUR] {
        let (_folder, _, f) = scene().await;
        f.single().await;
        step(&f.clock, by);
        let lease = f.claim_one().await.lease;
        let delay = Duration::from_secs(30);
        let back = Requeue {
            lease,
            delay,
            reason: "again".to_owned(),
            attempt_status: TaskStatus::Failed,
            suspend: None,
        };
        assert_eq!(f.store.requeue(vec![back]).await.unwrap(), [true]);
        step(&f.clock, by);
        let due = f.store.next_due().await.unwrap().unwrap();
        assert_eq!(due - f.clock.now(), TimeDelta::seconds(30), "a caller waits by the wall clock it sees");
        f.clock.advance(delay - INSTANT);
        assert!(f.claim(1).await.is_empty(), "{by}");
        f.clock.advance(INSTANT);
        assert_eq!(f.claim(1).await.len(), 1, "{by}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn after_a_start_of_the_machine_every_lease_is_over_and_every_queued_task_due() {
    for by in [TimeDelta::zero(), HOUR, -HOUR] {
        let (_folder, machine, f) = scene().await;
        f.single().await;
        f.claim_one().await;
        f.single().await;
        let wall = f.clock.now() + by;
        drop(f.store);
        // The monotonic clock of the machine begins again.
        let clock = Arc::new(ManualClock::new());
        clock.set_wall(wall);
        let store = open(&Machine { boot: "second", ..machine }, clock.clone());
        let taken = store.take_expired(f.worker, 10, Fixture::TTL).await.unwrap();
        assert_eq!(taken.len(), 1, "{by}");
        assert_eq!(store.claim(f.worker, 10, Fixture::TTL).await.unwrap().len(), 1, "{by}");
        clock.advance(Fixture::TTL - INSTANT);
        assert!(store.take_expired(f.worker, 10, Fixture::TTL).await.unwrap().is_empty(), "{by}");
        clock.advance(INSTANT);
        assert_eq!(store.take_expired(f.worker, 10, Fixture::TTL).await.unwrap().len(), 2, "{by}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_age_of_a_dispatch_is_the_time_that_has_passed() {
    let (_folder, _, f) = scene().await;
    f.single().await;
    let lease = f.claim_one().await.lease;
    f.store.record_dispatch(&lease, &Default::default()).await.unwrap();
    step(&f.clock, HOUR);
    f.clock.advance(Fixture::TTL);
    let taken = f.store.take_expired(f.worker, 1, Fixture::TTL).await.unwrap();
    assert_eq!(taken[0].since_dispatch, Fixture::TTL);
}
