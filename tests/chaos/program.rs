//! The long form of the chaos test: `chaos --runs 100000 --kills 1000`. One JSON object for each store on standard output,
//! and the seed first on standard error.
#![forbid(unsafe_code)]

use std::{path::PathBuf, process::ExitCode, time::Duration};

use clap::Parser;
use opsconductor_tests::chaos::{Backend, Settings, run, seed};

/// Breaks everything around a queue and looks whether its promises hold.
#[derive(Debug, Parser)]
struct Options {
    /// How many runs are enqueued on each store.
    #[arg(long, default_value_t = 100_000)]
    runs: u32,
    /// How many processes are killed meanwhile.
    #[arg(long, default_value_t = 1_000)]
    kills: u32,
    /// How many workers there are.
    #[arg(long, default_value_t = 4)]
    workers: u32,
    /// How many producers there are.
    #[arg(long, default_value_t = 2)]
    producers: u32,
    /// The longest that things are broken on each store, in seconds.
    #[arg(long, default_value_t = 3_600)]
    limit: u64,
    /// How long a run is kept that is over, in seconds. The witness who sees each of them before must be that quick.
    #[arg(long, default_value_t = 600)]
    kept: u64,
    /// `postgres` or `sqlite`; both when it is not said.
    #[arg(long)]
    store: Option<String>,
    /// What chance begins with; a new number when it is not said.
    #[arg(long, env = "OPSCONDUCTOR_CHAOS_SEED")]
    seed: Option<u64>,
}

#[tokio::main]
async fn main() -> ExitCode {
    let options = Options::parse();
    let seed = options.seed.unwrap_or_else(seed);
    eprintln!("OPSCONDUCTOR_CHAOS_SEED={seed}");
    let mut well = true;
    for (name, backend) in [("sqlite", Backend::Sqlite), ("postgres", Backend::Postgres)] {
        if options.store.as_ref().is_some_and(|only| only != name) {
            continue;
        }
        let settings = Settings {
            backend,
            seed,
            runs: options.runs,
            kills: options.kills,
            workers: options.workers,
            producers: options.producers.max(1),
            limit: Duration::from_secs(options.limit),
            kept: Duration::from_secs(options.kept),
            settle: Duration::from_secs(120),
            program: beside("crash-worker"),
        };
        let ended = tokio::select! {
            ended = run(settings) => ended,
            // What was mounted and started is put away all the same.
            _ = tokio::signal::ctrl_c() => Err("interrupted".to_owned()),
        };
        match ended {
            Ok(summary) => {
                println!("{}", summary.json());
                well &= summary.breaches.is_empty() && summary.stuck == 0;
            }
            Err(error) => {
                eprintln!("{name}: {error}");
                well = false;
            }
        }
    }
    if well { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

/// A program that is built beside this one.
fn beside(name: &str) -> PathBuf {
    let own = std::env::current_exe().unwrap_or_default();
    own.parent().map(|folder| folder.join(name)).unwrap_or_default()
}
