//! A task is told to stop while its credential is being opened: nothing was sent, so nothing failed.

use std::sync::{
    Arc,
    atomic::{AtomicBool, Ordering},
};

use opsconductor_core::{
    Engine, JobSpec, Secret,
    clock::{Clock, SystemClock},
    engine::{Run, WorkerSettings},
    run::{RunStatus, TaskStatus},
    store::memory::MemoryStore,
    target::TargetSpec,
    testing::ManualClock,
    vault::{CallbackKeys, credential::Credential},
};
use opsconductor_tests::{flaky::Flaky, fleet::steps, scripted::Scripted};
use serde_json::Map;
use tokio::sync::Notify;

use crate::{LIMIT, passing};

const KEY: &str = "MDEyMzQ1Njc4OTAxMjM0NTY3ODkwMTIzNDU2Nzg5MDE=";

/// A worker's key comes only when it is asked for again: the first asker waits until it is stopped.
struct Scene {
    store: Arc<Flaky>,
    worker: Engine,
    asked: Arc<Notify>,
    left: Arc<Notify>,
    run: Run,
}

/// Tells when it goes.
struct Leaving(Arc<Notify>);

impl Drop for Leaving {
    fn drop(&mut self) {
        self.0.notify_one();
    }
}

impl Scene {
    async fn new(clock: Arc<dyn Clock>) -> Self {
        let store = Flaky::new(Arc::new(MemoryStore::new(clock.clone())));
        let builder = || {
            Engine::builder().shared_store(store.clone()).connector(Scripted::default()).clock(clock.clone())
        };
        let quick = CallbackKeys::new("k", [""; 0], |_| async { Ok(Secret::from(KEY)) }).unwrap();
        let office = builder().keys(quick).build().unwrap();
        let ops = office.local();
        let credential = ops.credentials().create("a", &Credential::winrm("a", "b".into())).await.unwrap();
        ops.targets().create(TargetSpec::winrm("web-1", "host", credential.id)).await.unwrap();
        let job = JobSpec::parse(&steps("j", &[("web-1", "print x")])).unwrap();
        ops.jobs().create(&job).await.unwrap();
        let run = ops.jobs().run("j", Map::new(), Default::default()).await.unwrap();

        let (asked, left) = (Arc::new(Notify::new()), Arc::new(Notify::new()));
        let (telling, leaving, first) = (asked.clone(), left.clone(), AtomicBool::new(true));
        let slow = CallbackKeys::new("k", [""; 0], move |_| {
            let waits = first.swap(false, Ordering::SeqCst);
            let (telling, leaving) = (telling.clone(), leaving.clone());
            async move {
                if waits {
                    let _leaving = Leaving(leaving);
                    telling.notify_one();
                    std::future::pending::<()>().await;
                }
                Ok(Secret::from(KEY))
            }
        });
        let worker = builder().keys(slow.unwrap()).build().unwrap();
        Self { store, worker, asked, left, run }
    }
}

#[tokio::test]
async fn a_task_that_lost_its_lease_is_queued_again() {
    let clock = Arc::new(ManualClock::new());
    let scene = Scene::new(clock.clone()).await;
    let worker = scene.worker.worker(WorkerSettings::default()).unwrap();
    passing(&clock, scene.asked.notified()).await;
    scene.store.away("renew", usize::MAX);
    passing(&clock, scene.left.notified()).await;
    scene.store.away("renew", 0);
    let result = passing(&clock, scene.run.wait(LIMIT)).await.unwrap();
    assert_eq!(result.status, RunStatus::Succeeded, "{result:?}");
    passing(&clock, worker.shutdown()).await;
}

#[tokio::test]
async fn a_task_of_a_canceled_run_is_aborted() {
    let scene = Scene::new(Arc::new(SystemClock::new())).await;
    let worker = scene.worker.worker(WorkerSettings::default()).unwrap();
    scene.asked.notified().await;
    scene.run.cancel().await.unwrap();
    let result = scene.run.wait(LIMIT).await.unwrap();
    let step = &result.steps[0];
    assert_eq!((result.status, step.status), (RunStatus::Canceled, TaskStatus::Aborted), "{step:?}");
    worker.shutdown().await;
}
