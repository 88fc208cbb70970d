//! Workers as people see them.

use std::time::Duration;

use opsconductor_core::{
    Engine, ErrorKind, Scope,
    engine::{Scoped, WorkerSettings},
    id::UserId,
    store::{MemoryStore, WorkerRecord, WorkerState},
    tenant::{Actor, DEFAULT_TENANT, Role},
    vault::Keyring,
};

fn engine() -> Engine {
    Engine::builder().store(MemoryStore::default()).keys(Keyring::generate().unwrap()).build().unwrap()
}

/// The workers, once there are so many.
async fn listed(ops: &Scoped, workers: usize) -> Vec<WorkerRecord> {
    let look = async {
        loop {
            let list = ops.workers().list(Default::default()).await.unwrap().items;
            if list.len() == workers {
                return list;
            }
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(Duration::from_secs(60), look).await.unwrap()
}

#[tokio::test]
async fn a_worker_is_listed_while_it_works_and_signs_off_at_its_end() {
    let engine = engine();
    let worker = engine.worker(WorkerSettings::default().with_concurrency(3)).unwrap();
    let list = listed(&engine.local(), 1).await;
    let seen = &list[0];
    assert_eq!((seen.id, seen.state, seen.process), (worker.id(), WorkerState::Active, std::process::id()));
    assert_eq!((seen.concurrency, seen.running), (3, 0));
    assert!(!seen.host.is_empty() && !seen.version.is_empty(), "{seen:?}");
    worker.shutdown().await;
    assert!(listed(&engine.local(), 0).await.is_empty());
}

#[tokio::test]
async fn a_viewer_does_not_see_the_workers() {
    let actor = Actor::User { id: UserId::new(7), name: "eve".into(), role: Role::Viewer };
    let viewer = engine().scope(Scope::new(DEFAULT_TENANT, actor));
    let refused = viewer.workers().list(Default::default()).await.unwrap_err();
    assert_eq!(refused.kind(), ErrorKind::Forbidden);
}
