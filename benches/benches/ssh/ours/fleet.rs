//! One command on many hosts, by the engine on SQLite.

use std::time::{Duration, Instant};

use opsconductor_benches::role;
use opsconductor_core::{
    Engine, JobSpec,
    engine::{Scoped, StepResult, WorkerSettings},
    run::TaskStatus,
    target::TargetSpec,
    vault::Keyring,
};
use opsconductor_store_sqlite::{SqliteOptions, SqliteStore};
use rustix::time::{ClockId, clock_gettime};
use serde_json::{Map, Value, json};
use tokio::task::JoinSet;

use super::{address, connector, credential};
use crate::Failure;

const LIMIT: Duration = Duration::from_secs(120);

const JOB: &str = r#"{"name": "all", "version": 1, "steps": [
    {"type": "ssh.exec", "targets": {"tags": ["bench"]}, "command": "echo here"}]}"#;

/// Seconds of the first run, of each further one, and of processor time: of this process until now, and of one further run.
pub(super) async fn run(task: &Value) -> Result<Value, Failure> {
    let folder = tempfile::tempdir()?;
    let store = SqliteStore::open(folder.path().join("bench.db"), SqliteOptions::default())?;
    let engine = Engine::builder().store(store).keys(Keyring::generate()?).connector(connector()?).build()?;
    let ops = engine.local();
    let hosts = task["hosts"].as_array().ok_or("the task says no hosts")?;
    write_down(&ops, task, hosts).await?;
    let worker = engine.worker(WorkerSettings::default().with_concurrency(hosts.len()))?;
    let first = once(&ops, hosts.len()).await?;
    let (times, before) = (role::number(task, "again")?, processor());
    let mut again = Vec::new();
    for _ in 0..times {
        again.push(once(&ops, hosts.len()).await?);
    }
    let cpu_again = (processor() - before) / times.max(1) as f64;
    worker.shutdown().await;
    engine.close().await;
    Ok(json!({"seconds": first, "again": again, "cpu": processor(), "cpu_again": cpu_again}))
}

/// At once, so that the store commits many together.
async fn write_down(ops: &Scoped, task: &Value, hosts: &[Value]) -> Result<(), Failure> {
    let credential = ops.credentials().create("key", &credential(task)?).await?;
    let mut created = JoinSet::new();
    for (index, host) in hosts.iter().enumerate() {
        let (name, port) = address(host)?;
        let spec = TargetSpec::ssh(format!("host-{index}"), name, credential.id).with_port(port);
        let spec = spec.with_tag("bench").with_metadata("ssh_host_key_sha256", host["pin"].clone());
        let ops = ops.clone();
        created.spawn(async move { ops.targets().create(spec).await });
    }
    while let Some(target) = created.join_next().await {
        target??;
    }
    ops.jobs().create(&JobSpec::parse(JOB)?).await?;
    Ok(())
}

/// Seconds from the start of a run to its result.
async fn once(ops: &Scoped, hosts: usize) -> Result<f64, Failure> {
    let started = Instant::now();
    let run = ops.jobs().run("all", Map::new(), Default::default()).await?;
    let result = run.wait(LIMIT).await?;
    let seconds = started.elapsed().as_secs_f64();
    let good = |step: &&StepResult| step.status == TaskStatus::Succeeded && step.stdout.trim() == "here";
    let here = result.steps.iter().filter(good).count();
    if here != hosts {
        let said = result.steps.iter().find_map(|step| step.error.clone()).unwrap_or_default();
        return Err(format!("{here} of {hosts} hosts answered: {said}").into());
    }
    Ok(seconds)
}

/// Seconds that processors have worked for this process.
fn processor() -> f64 {
    let time = clock_gettime(ClockId::ProcessCPUTime);
    time.tv_sec as f64 + time.tv_nsec as f64 / 1e9
}
