//! What the queue costs, beside other queues and the raw limit of the same disk in the same round:
//! `cargo bench -p opsconductor-benches --bench queue`. `--only WORD`, or a word alone, chooses metrics.
//!
//! `cargo test` runs one short round, without the peers, so that this cannot rot.
#![forbid(unsafe_code)]

mod alone;
mod limit;
mod nothing;
mod peers;
mod pg;
mod pg_limit;
mod run_10000;
mod run_1000x1m;
mod sqlite;
mod workload;

use std::{error::Error, io};

use opsconductor_benches::{Better, Figure, Options, role, subject::Answer, timing::OURSELVES};
use peers::{Peer, Peers};
use serde_json::{Value, json};

type Failure = Box<dyn Error + Send + Sync>;

/// The subject of a raw probe.
const LIMIT: &str = "limit";

fn main() -> Result<(), Failure> {
    match role::role().as_deref() {
        Some(run_10000::ROLE) => alone::answer(run_10000::measure),
        Some(run_1000x1m::ROLE) => alone::answer(run_1000x1m::measure),
        _ => bench(),
    }
}

fn bench() -> Result<(), Failure> {
    let options = Options::from_process();
    let mut peers = Peers::new(&options);
    for round in 1..=options.rounds {
        sqlite::run(&options, &mut peers, round)?;
        run_10000::run(&options, round)?;
        run_1000x1m::run(&options, round)?;
        pg::run(&options, &mut peers, round)?;
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
        self.of(OURSELVES, value, n, round, &[])
    }

    /// Prints the figure of the raw probe.
    fn limit(self, value: f64, n: u64, round: u32) -> io::Result<()> {
        self.of(LIMIT, value, n, round, &[])
    }

    /// Prints the figure of a peer, with how it was set and what it keeps of a task that succeeded.
    fn peer(self, (peer, answer): (&Peer, &Answer), value: f64, n: u64, round: u32) -> io::Result<()> {
        let more = [("setting", json!(peer.setting)), ("keeps", json!(peer.keeps))];
        self.of(&answer.signed(peer.name), value, n, round, &more)
    }

    fn of(self, subject: &str, value: f64, n: u64, round: u32, more: &[(&str, Value)]) -> io::Result<()> {
        let Self { name, unit, better } = self;
        Figure { bench: "queue", metric: name, subject, value, unit, better, n, round, more }.print()
    }
}
