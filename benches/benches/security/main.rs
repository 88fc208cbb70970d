//! What looking after secrets costs: `cargo bench -p opsconductor-benches --bench security`. A word alone chooses metrics.
//!
//! `cargo test` runs one short round, so that this cannot rot.
#![forbid(unsafe_code)]

mod rotate;

use std::error::Error;

use opsconductor_benches::{Options, role};

type Failure = Box<dyn Error + Send + Sync>;

fn main() -> Result<(), Failure> {
    if role::role().as_deref() == Some(rotate::ROLE) {
        return rotate::answer();
    }
    let options = Options::from_process();
    for round in 1..=options.rounds {
        rotate::run(&options, round)?;
    }
    Ok(())
}
