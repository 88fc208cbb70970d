//! What is measured on every store: runs of a job whose one step does nothing.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use opsconductor_benches::statistics::percentile;
use opsconductor_core::{
    Engine, JobSpec, Secret,
    engine::{RunOptions, WorkerSettings},
    store::Store,
    target::TargetSpec,
    vault::{Credential, Keyring},
};
use serde_json::Map;
use tokio::sync::mpsc;

use crate::{
    Failure,
    nothing::{Count, NOTHING, NOTHING_THERE, Nothing, Nowhere},
};

const WIDE_JOB: &str = r#"{"name": "nothing", "version": 1, "steps":
    [{"type": "bench.nothing_there", "targets": {"tags": ["wide"]}}]}"#;
const JOB: &str = r#"{"name": "nothing", "version": 1, "steps": [{"type": "bench.nothing"}]}"#;

/// How many tasks a worker of the benches runs at once.
pub(crate) const AT_ONCE: usize = 256;

/// How many callers enqueue at once where the enqueueing itself is not measured.
const CALLERS: u64 = 64;

/// The longest that one measurement may take.
const LIMIT: Duration = Duration::from_secs(120);

/// An engine on a store, with the job that does nothing.
pub(crate) struct Bench {
    pub(crate) engine: Engine,
    done: Arc<Count>,
    started: mpsc::UnboundedReceiver<Instant>,
}

impl Bench {
    /// Begins on an empty store.
    pub(crate) async fn begin(store: impl Store + 'static) -> Result<Self, Failure> {
        let done = Arc::new(Count::default());
        let (started, starts) = mpsc::unbounded_channel();
        let engine = Engine::builder()
            .store(store)
            .keys(Keyring::generate()?)
            .connector(Nowhere)
            .step_kind(Nothing::new(NOTHING, Arc::clone(&done)).with_started(started))
            .step_kind(Nothing::new(NOTHING_THERE, Arc::clone(&done)))
            .build()?;
        engine.local().jobs().create(&JobSpec::parse(JOB)?).await?;
        Ok(Self { engine, done, started: starts })
    }

    /// Enqueues `runs` by as many `callers`, and says how many a second.
    pub(crate) async fn enqueue(&self, runs: u64, callers: u64) -> Result<f64, Failure> {
        let began = Instant::now();
        let mut working = tokio::task::JoinSet::new();
        for caller in 0..callers {
            let ops = self.engine.local();
            let share = runs / callers + u64::from(caller < runs % callers);
            working.spawn(async move {
                for _ in 0..share {
                    ops.jobs().run("nothing", Map::new(), RunOptions::default()).await?;
                }
                Ok::<(), Failure>(())
            });
        }
        while let Some(worked) = working.join_next().await {
            worked??;
        }
        Ok(runs as f64 / began.elapsed().as_secs_f64())
    }

    /// Makes each run of the job one over `targets`.
    pub(crate) async fn widen(&self, targets: u64) -> Result<(), Failure> {
        let ops = self.engine.local();
        let credential = Credential::winrm("nobody", Secret::from("nothing"));
        let credential = ops.credentials().create("nothing", &credential).await?.id;
        for index in 0..targets {
            let spec =
                TargetSpec::winrm(format!("host-{index}"), "host.invalid", credential).with_tag("wide");
            ops.targets().create(spec).await?;
        }
        ops.jobs().update("nothing", &JobSpec::parse(WIDE_JOB)?).await?;
        Ok(())
    }

    /// Enqueues `runs`, starts a worker, and says how many tasks a second it brings to a durable end.
    pub(crate) async fn drain(&self, runs: u64) -> Result<f64, Failure> {
        self.enqueue(runs, CALLERS).await?;
        self.drain_queued(runs).await
    }

    /// Starts a worker, and says how many tasks a second of those that are queued it brings to a durable end.
    pub(crate) async fn drain_queued(&self, tasks: u64) -> Result<f64, Failure> {
        let done = self.done.reached() + tasks;
        let began = Instant::now();
        let worker = self.engine.worker(WorkerSettings::default().with_concurrency(AT_ONCE))?;
        tokio::time::timeout(LIMIT, self.done.reaches(done)).await?;
        // It returns when the last completion is durable.
        worker.shutdown().await;
        let took = began.elapsed().as_secs_f64();
        let left = self.engine.store().queue_depth().await?;
        if left != (0, 0) {
            return Err(format!("the queue was not drained: {left:?} are left").into());
        }
        Ok(tasks as f64 / took)
    }

    /// From the call that enqueues a run to the start of its step, with an idle worker: p50 and p99 in milliseconds.
    pub(crate) async fn starts(mut self, runs: u64) -> Result<(f64, f64), Failure> {
        let worker = self.engine.worker(WorkerSettings::default())?;
        let ops = self.engine.local();
        let mut times = Vec::new();
        for _ in 0..runs {
            let asked = Instant::now();
            let run = ops.jobs().run("nothing", Map::new(), RunOptions::default()).await?;
            let started = self.started.recv().await.ok_or("the worker went away")?;
            times.push(started.saturating_duration_since(asked).as_secs_f64() * 1e3);
            run.wait(LIMIT).await?;
        }
        worker.shutdown().await;
        let at = |share| percentile(&times, share).ok_or("nothing was measured");
        Ok((at(0.5)?, at(0.99)?))
    }
}
