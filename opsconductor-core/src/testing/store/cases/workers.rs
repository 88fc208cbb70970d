//! The list of workers.

use std::time::Duration;

use crate::{
    id::WorkerId,
    store::{Heartbeat, Page, SILENT_WORKER_KEPT, WorkerRecord, WorkerState},
    testing::store::Fixture,
};

const GONE_AFTER: Duration = Duration::from_secs(45);

fn beat() -> Heartbeat {
    Heartbeat {
        worker: WorkerId::generate(),
        host: "build-7.example".to_owned(),
        process: u32::MAX,
        version: "1.2.3".to_owned(),
        concurrency: 16,
        running: 3,
        draining: false,
        gone_after: GONE_AFTER,
    }
}

async fn listed(f: &Fixture) -> Vec<WorkerRecord> {
    f.store.list_workers(Fixture::ALL).await.unwrap().items
}

pub async fn a_heartbeat_writes_a_worker_down(f: Fixture) {
    let told = beat();
    f.store.beat(&told).await.unwrap();
    let workers = listed(&f).await;
    let seen = WorkerRecord {
        id: told.worker,
        host: told.host,
        process: told.process,
        version: told.version,
        concurrency: told.concurrency,
        running: told.running,
        state: WorkerState::Active,
        started_at: workers[0].started_at,
        seen_at: workers[0].started_at,
    };
    assert_eq!(workers, [seen]);
}

pub async fn a_later_heartbeat_says_what_has_changed(f: Fixture) {
    let told = beat();
    f.store.beat(&told).await.unwrap();
    let first = listed(&f).await.remove(0);
    f.clock.advance(Duration::from_secs(5));
    f.store.beat(&Heartbeat { running: 9, draining: true, ..told }).await.unwrap();
    let seen_at = first.started_at + Duration::from_secs(5);
    assert_eq!(
        listed(&f).await,
        [WorkerRecord { running: 9, state: WorkerState::Draining, seen_at, ..first }]
    );
}

pub async fn a_silent_worker_is_shown_as_gone_until_it_is_heard_again(f: Fixture) {
    let told = beat();
    f.store.beat(&told).await.unwrap();
    f.clock.advance(GONE_AFTER);
    assert_eq!(listed(&f).await[0].state, WorkerState::Active);
    f.clock.advance(Duration::from_micros(1));
    assert_eq!(listed(&f).await[0].state, WorkerState::Gone);
    f.store.beat(&told).await.unwrap();
    assert_eq!(listed(&f).await[0].state, WorkerState::Active);
}

pub async fn a_worker_that_signs_off_is_off_the_list(f: Fixture) {
    let (told, other) = (beat(), beat());
    f.store.beat(&told).await.unwrap();
    f.store.beat(&other).await.unwrap();
    f.store.sign_off(told.worker).await.unwrap();
    f.store.sign_off(told.worker).await.unwrap();
    let left: Vec<_> = listed(&f).await.into_iter().map(|worker| worker.id).collect();
    assert_eq!(left, [other.worker]);
    // A heartbeat that was on its way finds no trouble.
    f.store.beat(&told).await.unwrap();
    assert_eq!(listed(&f).await.len(), 2);
}

pub async fn what_was_silent_for_a_day_goes_with_the_next_heartbeat(f: Fixture) {
    let (told, other) = (beat(), beat());
    f.store.beat(&told).await.unwrap();
    f.clock.advance(SILENT_WORKER_KEPT);
    f.store.beat(&other).await.unwrap();
    assert_eq!(listed(&f).await.len(), 2);
    f.clock.advance(Duration::from_micros(1));
    f.store.beat(&other).await.unwrap();
    let left: Vec<_> = listed(&f).await.into_iter().map(|worker| worker.id).collect();
    assert_eq!(left, [other.worker]);
}

pub async fn workers_come_newest_first_in_parts(f: Fixture) {
    let mut ids = Vec::new();
    for _ in 0..3 {
        let told = beat();
        f.store.beat(&told).await.unwrap();
        ids.insert(0, told.worker);
        f.clock.advance(Duration::from_millis(1));
    }
    let list = f.store.list_workers(Page { skip: 1, limit: 1 }).await.unwrap();
    assert_eq!((list.total, list.items.len(), list.items[0].id), (3, 1, ids[1]));
    let behind = f.store.list_workers(Page { skip: 3, limit: 5 }).await.unwrap();
    assert_eq!((behind.total, behind.items.len()), (3, 0));
}
