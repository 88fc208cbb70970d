//! `run_10000.wall` and `run_10000.rss`: one run over 10,000 targets on SQLite, created, drained and its steps listed, by a
//! process of its own, whose memory at its most is the second figure. The targets are there before the clock starts.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use opsconductor_benches::Options;
use opsconductor_core::{
    Engine, JobSpec, Secret,
    engine::{RunOptions, Scoped, WorkerSettings},
    run::RunStatus,
    target::TargetSpec,
    vault::{Credential, Keyring},
};
use opsconductor_store_sqlite::{SqliteOptions, SqliteStore};
use serde_json::Map;

use crate::{
    Failure, Metric, alone,
    nothing::{NOTHING_THERE, Nothing, Nowhere},
    workload::AT_ONCE,
};

const WALL: Metric = Metric::cost("run_10000.wall", "s");
const RSS: Metric = Metric::cost("run_10000.rss", "MiB");

/// The role of the process that does the run.
pub(crate) const ROLE: &str = "run_10000";

const LIMIT: Duration = Duration::from_secs(120);
const JOB: &str = r#"{"name": "wide", "version": 1, "steps":
    [{"type": "bench.nothing_there", "targets": {"tags": ["wide"]}}]}"#;

/// Measures and prints one round.
pub(crate) fn run(options: &Options, round: u32) -> Result<(), Failure> {
    if !options.wants(WALL.name) && !options.wants(RSS.name) {
        return Ok(());
    }
    let targets: u64 = if options.is_quick() { 50 } else { 10_000 };
    let (wall, rss) = alone::ask(ROLE, targets)?;
    WALL.ours(wall, targets, round)?;
    RSS.ours(rss, targets, round)?;
    Ok(())
}

/// Does the run; seconds.
pub(crate) async fn measure(targets: usize) -> Result<f64, Failure> {
    let folder = tempfile::tempdir()?;
    let store = SqliteStore::open(folder.path().join("bench.db"), SqliteOptions::default())?;
    let engine = Engine::builder()
        .store(store)
        .keys(Keyring::generate()?)
        .connector(Nowhere)
        .step_kind(Nothing::new(NOTHING_THERE, Arc::default()))
        .build()?;
    let ops = engine.local();
    write_down(&ops, targets).await?;
    ops.jobs().create(&JobSpec::parse(JOB)?).await?;
    let worker = engine.worker(WorkerSettings::default().with_concurrency(AT_ONCE))?;

    let began = Instant::now();
    let run = ops.jobs().run("wide", Map::new(), RunOptions::default()).await?;
    let result = run.wait(LIMIT).await?;
    let wall = began.elapsed().as_secs_f64();

    if result.status != RunStatus::Succeeded || result.steps.len() != targets {
        return Err(format!("the run ended as {} with {} steps", result.status, result.steps.len()).into());
    }
    worker.shutdown().await;
    Ok(wall)
}

/// Many at a time, for they are not what is measured.
pub(crate) async fn write_down(ops: &Scoped, targets: usize) -> Result<(), Failure> {
    let credential = Credential::winrm("nobody", Secret::from("nothing"));
    let credential = ops.credentials().create("nothing", &credential).await?.id;
    let mut working = tokio::task::JoinSet::new();
    for lane in 0..100 {
        let ops = ops.clone();
        working.spawn(async move {
            for index in (lane..targets).step_by(100) {
                let spec =
                    TargetSpec::winrm(format!("host-{index}"), "host.invalid", credential).with_tag("wide");
                ops.targets().create(spec).await?;
            }
            Ok::<(), Failure>(())
        });
    }
    while let Some(worked) = working.join_next().await {
        worked??;
    }
    Ok(())
}
