//! One command on many hosts, by the engine on SQLite.

use std::time::{Duration, Instant};

use opsconductor_core::{
    Engine, JobSpec,
    engine::{StepResult, WorkerSettings},
    run::TaskStatus,
    target::TargetSpec,
    vault::Keyring,
};
use opsconductor_store_sqlite::{SqliteOptions, SqliteStore};
use serde_json::{Map, Value, json};
use tokio::task::JoinSet;

use super::{connector, credential};
use crate::{Failure, protocol};

const LIMIT: Duration = Duration::from_secs(120);

const JOB: &str = r#"{"name": "all", "version": 1, "steps": [
    {"type": "winrm.exec", "shell": "cmd", "targets": {"tags": ["sim"]}, "command": "echo here"}]}"#;

/// Seconds from the start of the run to its result.
pub(super) async fn run(task: &Value) -> Result<Value, Failure> {
    let folder = tempfile::tempdir()?;
    let store = SqliteStore::open(folder.path().join("bench.db"), SqliteOptions::default())?;
    let engine = Engine::builder().store(store).keys(Keyring::generate()?).connector(connector()).build()?;
    let ops = engine.local();
    let credential = ops.credentials().create("admin", &credential(task)?).await?;
    let ports = protocol::ports(task)?;
    // At once, so that the store commits many together.
    let mut created = JoinSet::new();
    for (index, port) in ports.iter().enumerate() {
        let spec = TargetSpec::winrm(format!("sim-{index}"), "127.0.0.1", credential.id);
        let (ops, spec) = (ops.clone(), spec.with_port(*port).with_tag("sim"));
        created.spawn(async move { ops.targets().create(spec).await });
    }
    while let Some(target) = created.join_next().await {
        target??;
    }
    ops.jobs().create(&JobSpec::parse(JOB)?).await?;
    let worker = engine.worker(WorkerSettings::default().with_concurrency(ports.len()))?;
    let started = Instant::now();
    let run = ops.jobs().run("all", Map::new(), Default::default()).await?;
    let result = run.wait(LIMIT).await?;
    let seconds = started.elapsed().as_secs_f64();
    let good = |step: &&StepResult| step.status == TaskStatus::Succeeded && step.stdout.trim() == "here";
    let here = result.steps.iter().filter(good).count();
    if here != ports.len() {
        let said = result.steps.iter().find_map(|step| step.error.clone()).unwrap_or_default();
        return Err(format!("{here} of {} hosts answered: {said}", ports.len()).into());
    }
    worker.shutdown().await;
    engine.close().await;
    Ok(json!({"seconds": seconds}))
}
