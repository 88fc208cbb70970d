//! `opsconductor demo`: three simulated Windows hosts behind real WinRM endpoints, a vault, two jobs.

mod fleet;
mod home;
mod samples;

use std::time::Duration;

use opsconductor_core::{
    Engine, Error,
    engine::{Run, RunResult, Scoped, Worker, WorkerSettings},
    run::RunStatus,
    store::{Page, RunFilter},
    transport::winrm::WinrmConnector,
};
use tokio::io::AsyncBufReadExt;

use self::fleet::Fleet;
use crate::{
    cli::DemoOptions,
    exit::{Ended, say},
    interrupt::Interrupt,
    runtime, show,
};

/// The longest that the demo waits for one run.
const RUN_LIMIT: Duration = Duration::from_secs(120);

/// Runs the demo.
pub(crate) fn run(options: DemoOptions) -> Result<Ended, Error> {
    runtime::run(demo(options))
}

async fn demo(options: DemoOptions) -> Result<Ended, Error> {
    // Before anything is made, so that no signal leaves the temporary folder with its key behind.
    let mut interrupt = Interrupt::listen()?;
    let home = home::Home::open(options.data.as_deref())?;
    // The key first: should the process end between the two, a key without a database does no harm.
    let keys = home.keys()?;
    let engine =
        Engine::builder().store(home.store()?).keys(keys).connector(WinrmConnector::new()).build()?;
    let ops = engine.local();
    let (fleet, interrupted) = tokio::select! {
        ready = prepare(&ops) => ready?,
        () = interrupt.received() => return Ok(cut_short(&options)),
    };
    let worker = engine.worker(WorkerSettings::default())?;
    let ended = tokio::select! {
        // A result that is there counts, also when the signal comes with it.
        biased;
        ended = work(&ops, &options, interrupted) => ended,
        () = interrupt.received() => Ok(cut_short(&options)),
    };
    stop(&engine, worker, fleet).await;
    ended
}

async fn prepare(ops: &Scoped) -> Result<(Fleet, Vec<Run>), Error> {
    let fleet = Fleet::start(ops).await?;
    say(&format!("three simulated Windows hosts on loopback: {}", fleet.addresses()));
    samples::save(ops).await?;
    let interrupted = unfinished(ops).await?;
    Ok((fleet, interrupted))
}

/// How the demo ends on a signal: that is the usual way out, unless the result of the runs was asked for.
fn cut_short(options: &DemoOptions) -> Ended {
    if options.once {
        say("stopping before the jobs have ended");
        Ended::RunFailed
    } else {
        say("stopping");
        Ended::Well
    }
}

async fn stop(engine: &Engine, worker: Worker, fleet: Fleet) {
    worker.shutdown().await;
    engine.close().await;
    drop(fleet);
}

async fn work(ops: &Scoped, options: &DemoOptions, interrupted: Vec<Run>) -> Result<Ended, Error> {
    report_interrupted(&interrupted).await?;
    loop {
        let ended = run_samples(ops, options.json).await?;
        if options.once {
            return Ok(ended);
        }
        say("press Enter to run the jobs again, Ctrl-C to stop");
        if !next_line().await {
            // Standard input is closed: stay up for whoever drives the hosts, until Ctrl-C.
            std::future::pending::<()>().await;
        }
    }
}

/// Runs that an earlier process left behind: its worker may have died in the middle of one.
async fn unfinished(ops: &Scoped) -> Result<Vec<Run>, Error> {
    let mut found = Vec::new();
    for status in [RunStatus::Queued, RunStatus::Running] {
        let filter = RunFilter { status: Some(status), ..RunFilter::default() };
        for record in ops.runs().list(filter, Page { skip: 0, limit: 1000 }).await?.items {
            found.push(ops.runs().get(record.id).await?);
        }
    }
    Ok(found)
}

/// Says what became of them. A command that had been sent is never silently sent again: it ends as lost.
async fn report_interrupted(runs: &[Run]) -> Result<(), Error> {
    if runs.is_empty() {
        return Ok(());
    }
    say(&format!(
        "{} left unfinished by an earlier start; finding out what became of it",
        count(runs.len(), "run")
    ));
    for run in runs {
        let result = run.wait(RUN_LIMIT).await?;
        say(&format!("run {} of the earlier start: {}", result.id, result.status));
        for step in result.steps.iter().filter(|step| step.error.is_some()) {
            let target = step.target.as_deref().unwrap_or("-");
            say(&format!(
                "  {} on {target}: {}: {}",
                step.step,
                step.status,
                step.error.as_deref().unwrap_or_default()
            ));
        }
    }
    Ok(())
}

async fn run_samples(ops: &Scoped, as_json: bool) -> Result<Ended, Error> {
    let mut results: Vec<(String, RunResult)> = Vec::new();
    for (name, parameters) in samples::to_run() {
        let run = ops.jobs().run(name, parameters, Default::default()).await?;
        show::follow(name, &run).await?;
        results.push((name.to_owned(), run.wait(RUN_LIMIT).await?));
    }
    if as_json {
        show::as_json(&results)?;
    } else {
        show::as_table(&results)?;
    }
    let well = results.iter().all(|(_, result)| result.status == RunStatus::Succeeded);
    Ok(if well { Ended::Well } else { Ended::RunFailed })
}

/// Waits for a line on standard input; false when it is closed.
async fn next_line() -> bool {
    let mut line = String::new();
    let mut input = tokio::io::BufReader::new(tokio::io::stdin());
    matches!(input.read_line(&mut line).await, Ok(read) if read > 0)
}

fn count(number: usize, what: &str) -> String {
    if number == 1 { format!("1 {what} was") } else { format!("{number} {what}s were") }
}
