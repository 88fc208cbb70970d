//! `step.overhead_p50`: from the moment a task is ready to the moment its completion is recorded, on SQLite.
//!
//! The step does nothing, so that no host's time has to be taken off. The clock starts when the run is durable and stops
//! when a caller that waits for it has the result: a little more than the engine's own share.

use std::{error::Error, time::Duration, time::Instant};

use async_trait::async_trait;
use opsconductor_benches::{Bench, Better, statistics::median};
use opsconductor_core::{
    Engine, JobSpec, Problem, Result,
    engine::WorkerSettings,
    job::{StepContext, StepHandler, StepOutcome, TemplateField},
    transport::Protocol,
    vault::Keyring,
};
use opsconductor_store_sqlite::{SqliteOptions, SqliteStore};
use serde_json::{Map, Value, json};

const METRIC: &str = "step.overhead_p50";
const LIMIT: Duration = Duration::from_secs(30);

struct Noop;

#[async_trait]
impl StepHandler for Noop {
    fn kind(&self) -> &str {
        "bench.noop"
    }

    fn schema(&self) -> Value {
        json!({"type": "object", "properties": {}})
    }

    fn protocol(&self) -> Option<Protocol> {
        None
    }

    fn templates(&self, _: &Map<String, Value>) -> Vec<TemplateField> {
        Vec::new()
    }

    fn check(&self, _: &Map<String, Value>) -> Vec<Problem> {
        Vec::new()
    }

    async fn run(&self, context: &mut StepContext<'_>) -> Result<StepOutcome> {
        context.dispatch().await?;
        Ok(StepOutcome::succeeded())
    }
}

/// Measures and prints it.
pub(crate) fn run(bench: &Bench) -> Result<(), Box<dyn Error>> {
    if !bench.options().wants(METRIC) {
        return Ok(());
    }
    let runtime = tokio::runtime::Runtime::new()?;
    let steps = if bench.options().rounds == 1 { 20 } else { 500 };
    for round in 1..=bench.options().rounds {
        let times = runtime.block_on(measure(steps))?;
        if let Some(p50) = median(&times) {
            bench.print(METRIC, (p50 * 1e3, "ms", Better::Lower), steps, round)?;
        }
    }
    Ok(())
}

async fn measure(steps: u64) -> Result<Vec<f64>, Box<dyn Error>> {
    let folder = tempfile::tempdir()?;
    let store = SqliteStore::open(folder.path().join("bench.db"), SqliteOptions::default())?;
    let engine = Engine::builder().store(store).keys(Keyring::generate()?).step_kind(Noop).build()?;
    let ops = engine.local();
    let job = r#"{"name": "noop", "version": 1, "steps": [{"type": "bench.noop"}]}"#;
    ops.jobs().create(&JobSpec::parse(job)?).await?;
    let worker = engine.worker(WorkerSettings::default())?;
    let mut times = Vec::new();
    for _ in 0..steps {
        let run = ops.jobs().run("noop", Map::new(), Default::default()).await?;
        let ready = Instant::now();
        run.wait(LIMIT).await?;
        times.push(ready.elapsed().as_secs_f64());
    }
    worker.shutdown().await;
    Ok(times)
}
