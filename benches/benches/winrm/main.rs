//! What WinRM costs, beside the peers and the limit of the wire: `make bench-winrm`.
//!
//! Every subject (we, each peer, the limit) is a process of its own that is given a task in one line of JSON and answers in
//! another; the simulated hosts are a process too, started anew for each task. So all pay the same, and the memory of a
//! subject is its own. Rounds go through all subjects one after the other.
//!
//! `cargo test` runs one short round of the warm command, of ourselves and the limit, so that this cannot rot.
#![forbid(unsafe_code)]

mod copy;
mod farm;
mod fleet;
mod hosts;
mod limit;
mod noop;
mod ours;
mod protocol;
mod run;
mod subject;

use std::error::Error;

use opsconductor_benches::Options;

type Failure = Box<dyn Error + Send + Sync>;

fn main() -> Result<(), Failure> {
    match protocol::role().as_deref() {
        Some("hosts") => hosts::run(),
        Some("ours") => ours::run(),
        Some("limit") => limit::run(),
        _ => bench(),
    }
}

fn bench() -> Result<(), Failure> {
    let mut run = run::Run::new(Options::from_process());
    for round in run.rounds() {
        noop::measure(&mut run, round)?;
        fleet::measure(&mut run, round)?;
        copy::measure(&mut run, round)?;
        run.books(round)?;
    }
    run.end()
}
