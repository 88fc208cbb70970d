//! What SSH costs, beside Ansible and OpenSSH's `sftp`: `make bench-ssh`.
//!
//! Every subject (we, each peer) is a process of its own that is given a task in one line of JSON and answers in another; all meet
//! the same OpenSSH servers. Rounds go through all subjects one after the other.
//!
//! `cargo test` runs one short round, of ourselves alone, so that this cannot rot.
#![forbid(unsafe_code)]

mod copy;
mod fleet;
mod ours;
mod run;
mod servers;
mod sftp;
mod subject;

use std::error::Error;

use opsconductor_benches::{Options, role};

type Failure = Box<dyn Error + Send + Sync>;

fn main() -> Result<(), Failure> {
    match role::role().as_deref() {
        Some("ours") => ours::run(),
        Some("sftp") => sftp::run(),
        _ => bench(),
    }
}

fn bench() -> Result<(), Failure> {
    let mut run = run::Run::new(Options::from_process());
    for round in run.rounds() {
        fleet::measure(&mut run, round)?;
        copy::measure(&mut run, round)?;
    }
    run.end()
}
