//! `run_1000x1m.wall` and `run_1000x1m.rss`: one run over 1,000 targets of which each says a megabyte, on SQLite, by a process of its
//! own, whose memory at its most is the second figure. Then all of it is read back: what is missing is an error.

use std::time::{Duration, Instant};

use async_trait::async_trait;
use opsconductor_benches::Options;
use opsconductor_core::{
    Engine, JobSpec, Result,
    engine::{LogQuery, Run, RunOptions, WorkerSettings},
    job::{StepContext, StepHandler, StepOutcome, TemplateField},
    run::RunStatus,
    transport::{Protocol, Stream},
    vault::Keyring,
};
use opsconductor_store_sqlite::{SqliteOptions, SqliteStore};
use serde_json::{Map, Value, json};

use crate::{Failure, Metric, alone, nothing::Nowhere, run_10000::write_down, workload::AT_ONCE};

const WALL: Metric = Metric::cost("run_1000x1m.wall", "s");
const RSS: Metric = Metric::cost("run_1000x1m.rss", "MiB");

/// The role of the process that does the run.
pub(crate) const ROLE: &str = "run_1000x1m";

const LIMIT: Duration = Duration::from_secs(500);
const BYTES: usize = 1_000_000;
/// What comes from a host at a time.
const PIECE_BYTES: usize = 16 * 1024;
const JOB: &str = r#"{"name": "loud", "version": 1, "steps":
    [{"type": "bench.loud", "targets": {"tags": ["wide"]}}]}"#;

/// Measures and prints one round.
pub(crate) fn run(options: &Options, round: u32) -> std::result::Result<(), Failure> {
    if !options.wants(WALL.name) && !options.wants(RSS.name) {
        return Ok(());
    }
    let tasks = if options.is_quick() { 10 } else { 1_000 };
    let (wall, rss) = alone::ask(ROLE, tasks)?;
    WALL.ours(wall, tasks, round)?;
    RSS.ours(rss, tasks, round)?;
    Ok(())
}

/// Does the run; seconds.
pub(crate) async fn measure(targets: usize) -> std::result::Result<f64, Failure> {
    let folder = tempfile::tempdir()?;
    let store = SqliteStore::open(folder.path().join("bench.db"), SqliteOptions::default())?;
    let engine = Engine::builder()
        .store(store)
        .keys(Keyring::generate()?)
        .connector(Nowhere)
        .step_kind(Loud)
        .build()?;
    let ops = engine.local();
    write_down(&ops, targets).await?;
    ops.jobs().create(&JobSpec::parse(JOB)?).await?;
    let worker = engine.worker(WorkerSettings::default().with_concurrency(AT_ONCE))?;

    let began = Instant::now();
    let run = ops.jobs().run("loud", Map::new(), RunOptions::default()).await?;
    let status = run.wait(LIMIT).await?.status;
    let wall = began.elapsed().as_secs_f64();

    if status != RunStatus::Succeeded {
        return Err(format!("the run ended as {status}").into());
    }
    let whole = read_back(&run).await?;
    if whole != targets {
        return Err(format!("the output of {whole} of {targets} targets is there").into());
    }
    worker.shutdown().await;
    Ok(wall)
}

/// How many targets' output is there. What is there is whole and in order.
async fn read_back(run: &Run) -> std::result::Result<usize, Failure> {
    let mut log = run.log(LogQuery::default()).await?;
    let (mut targets, mut name, mut expected, mut at) = (0, String::new(), String::new(), 0);
    while let Some(piece) = log.next().await? {
        let target = piece.target.unwrap_or_default();
        if target != name {
            if at < expected.len() {
                break;
            }
            expected = pieces(&target).collect();
            (name, targets, at) = (target, targets + 1, 0);
        }
        if !expected[at..].starts_with(&piece.text) {
            return Err(format!("the output of {name} is not what it said").into());
        }
        at += piece.text.len();
    }
    if at == expected.len() { Ok(targets) } else { Err(format!("the end of {name} is lost").into()) }
}

/// What a target says, piece by piece: none of it is held for longer.
fn pieces(target: &str) -> impl Iterator<Item = String> {
    let (mut line, mut said) = (0, 0);
    std::iter::from_fn(move || {
        let mut piece = String::with_capacity(PIECE_BYTES + 128);
        while said < BYTES && piece.len() < PIECE_BYTES {
            line += 1;
            let before = piece.len();
            piece.push_str(&format!("2026-01-01T00:00:00Z INFO {target} line {line}, state Running\n"));
            said += piece.len() - before;
        }
        (!piece.is_empty()).then_some(piece)
    })
}

/// Says its megabyte.
struct Loud;

#[async_trait]
impl StepHandler for Loud {
    fn kind(&self) -> &str {
        "bench.loud"
    }

    fn schema(&self) -> Value {
        json!({"type": "object", "properties": {}})
    }

    fn protocol(&self) -> Option<Protocol> {
        Some(Protocol::Winrm)
    }

    fn templates(&self, _: &Map<String, Value>) -> Vec<TemplateField> {
        Vec::new()
    }

    async fn run(&self, context: &mut StepContext<'_>) -> Result<StepOutcome> {
        context.dispatch().await?;
        let name = context.target().map_or("", |target| target.name.as_str());
        for piece in pieces(name) {
            context.output(Stream::Stdout, piece).await?;
        }
        Ok(StepOutcome::succeeded())
    }
}
