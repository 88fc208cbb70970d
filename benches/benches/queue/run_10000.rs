//! `run_10000.wall` and `run_10000.rss`: one run over 10,000 targets on SQLite, created, drained and its steps listed, by a
//! process of its own, whose memory at its most is the second figure. The targets are there before the clock starts.

use std::{
    env,
    process::{Command, Stdio},
    sync::Arc,
    time::{Duration, Instant},
};

use opsconductor_benches::{Options, memory::peak_rss_mib};
use opsconductor_core::{
    Engine, JobSpec, Secret,
    engine::{RunOptions, Scoped, WorkerSettings},
    run::RunStatus,
    target::TargetSpec,
    vault::{Credential, Keyring},
};
use opsconductor_store_sqlite::{SqliteOptions, SqliteStore};
use serde_json::{Map, Value, json};

use crate::{
    Failure, Metric,
    nothing::{NOTHING_THERE, Nothing, Nowhere},
    workload::AT_ONCE,
};

const WALL: Metric = Metric::cost("run_10000.wall", "s");
const RSS: Metric = Metric::cost("run_10000.rss", "MiB");

const ROLE: &str = "--role=run_10000";
const LIMIT: Duration = Duration::from_secs(120);
const JOB: &str = r#"{"name": "wide", "version": 1, "steps":
    [{"type": "bench.nothing_there", "targets": {"tags": ["wide"]}}]}"#;

/// Whether this process was started to do the run.
pub(crate) fn is_subject() -> bool {
    env::args().any(|argument| argument == ROLE)
}

/// Measures and prints one round.
pub(crate) fn run(options: &Options, round: u32) -> Result<(), Failure> {
    if !options.wants(WALL.name) && !options.wants(RSS.name) {
        return Ok(());
    }
    let targets: u64 = if options.is_quick() { 50 } else { 10_000 };
    let answer = Command::new(env::current_exe()?)
        .args([ROLE, &targets.to_string()])
        .stderr(Stdio::inherit())
        .output()?;
    if !answer.status.success() {
        return Err(format!("the run over {targets} targets ended with {}", answer.status).into());
    }
    let answer: Value = serde_json::from_slice(&answer.stdout)?;
    let number = |name: &str| answer[name].as_f64().ok_or("the subject left out a figure");
    WALL.ours(number("wall")?, targets, round)?;
    RSS.ours(number("rss")?, targets, round)?;
    Ok(())
}

/// Does the run and prints what it took.
pub(crate) fn subject() -> Result<(), Failure> {
    let targets = env::args().find_map(|argument| argument.parse().ok()).ok_or("how many targets?")?;
    let wall = tokio::runtime::Runtime::new()?.block_on(measure(targets))?;
    let rss = peak_rss_mib(std::process::id()).ok_or("the memory of this process is unknown")?;
    use std::io::Write as _;
    writeln!(std::io::stdout(), "{}", json!({"wall": wall, "rss": rss}))?;
    Ok(())
}

async fn measure(targets: usize) -> Result<f64, Failure> {
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
async fn write_down(ops: &Scoped, targets: usize) -> Result<(), Failure> {
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
