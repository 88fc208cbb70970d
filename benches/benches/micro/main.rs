//! What single calls of the core cost: `cargo bench -p opsconductor-benches --bench micro`.
#![forbid(unsafe_code)]

mod auth;
mod definition;
mod plan;
mod redact;
mod template;
mod vault;

use std::error::Error;

use opsconductor_benches::{Bench, Options};

fn main() -> Result<(), Box<dyn Error>> {
    let bench = Bench::new("micro", Options::from_process());
    template::run(&bench)?;
    definition::run(&bench)?;
    plan::run(&bench)?;
    vault::run(&bench)?;
    auth::run(&bench)?;
    redact::run(&bench)
}
