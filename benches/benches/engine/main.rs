//! What the engine adds to a step, and the demo as a newcomer meets it: `cargo bench -p opsconductor-benches --bench engine`.
#![forbid(unsafe_code)]

mod demo;
mod overhead;

use std::error::Error;

use opsconductor_benches::{Bench, Options};

fn main() -> Result<(), Box<dyn Error>> {
    let bench = Bench::new("engine", Options::from_process());
    overhead::run(&bench)?;
    demo::run(&bench)
}
