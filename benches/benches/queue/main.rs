//! What the queue costs, beside the raw limit of the same disk in the same round:
//! `cargo bench -p opsconductor-benches --bench queue`. `--only WORD`, or a word alone, chooses metrics.
//!
//! `cargo test` runs one short round, so that this cannot rot.
#![forbid(unsafe_code)]

mod limit;
mod nothing;
mod pg;
mod pg_limit;
mod run_10000;
mod sqlite;
mod workload;

use std::{error::Error, io};

use opsconductor_benches::{Better, Figure, Options, timing::OURSELVES};

type Failure = Box<dyn Error + Send + Sync>;

/// The subject of a raw probe.
const LIMIT: &str = "limit";

fn main() -> Result<(), Failure> {
    if run_10000::is_subject() {
        return run_10000::subject();
    }
    let options = Options::from_process();
    for round in 1..=options.rounds {
        sqlite::run(&options, round)?;
        run_10000::run(&options, round)?;
        pg::run(&options, round)?;
    }
    Ok(())
}

/// How a figure is written.
#[derive(Clone, Copy)]
struct Metric {
    name: &'static str,
    unit: &'static str,
    better: Better,
}

impl Metric {
    const fn rate(name: &'static str, unit: &'static str) -> Self {
        Self { name, unit, better: Better::Higher }
    }

    const fn cost(name: &'static str, unit: &'static str) -> Self {
        Self { name, unit, better: Better::Lower }
    }

    /// Prints a figure of ours.
    fn ours(self, value: f64, n: u64, round: u32) -> io::Result<()> {
        self.of(OURSELVES, value, n, round)
    }

    /// Prints the figure of the raw probe.
    fn limit(self, value: f64, n: u64, round: u32) -> io::Result<()> {
        self.of(LIMIT, value, n, round)
    }

    fn of(self, subject: &str, value: f64, n: u64, round: u32) -> io::Result<()> {
        let Self { name, unit, better } = self;
        Figure { bench: "queue", metric: name, subject, value, unit, better, n, round, more: &[] }.print()
    }
}
