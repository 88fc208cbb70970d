//! What the vault, logins and the audit record cost: `make bench-security`. A word among the arguments chooses metrics.
//!
//! `cargo test` runs one short round, so that this cannot rot.
#![forbid(unsafe_code)]

mod audit;
mod login;
mod rotate;

use std::{error::Error, io};

use opsconductor_benches::{Better, Figure, Options, role, timing::OURSELVES};

type Failure = Box<dyn Error + Send + Sync>;

/// A group of metrics, which measures and prints one round.
type Group = fn(&Options, u32) -> Result<(), Failure>;

const GROUPS: &[Group] = &[audit::run, login::run, rotate::run];

fn main() -> Result<(), Failure> {
    if role::role().as_deref() == Some(rotate::ROLE) {
        return rotate::answer();
    }
    let options = Options::from_process();
    for round in 1..=options.rounds {
        for group in GROUPS {
            group(&options, round)?;
        }
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
    /// Prints a figure of ours.
    fn ours(self, value: f64, n: u64, round: u32) -> io::Result<()> {
        let Self { name, unit, better } = self;
        let figure = Figure {
            bench: "security",
            metric: name,
            subject: OURSELVES,
            value,
            unit,
            better,
            n,
            round,
            more: &[],
        };
        figure.print()
    }
}
