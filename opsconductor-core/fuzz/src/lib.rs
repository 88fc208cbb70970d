//! The parsers of the core on random input: none panics, none hangs, none takes memory without bound, and what each promises
//! beyond that holds.
//!
//! Inputs are made from good ones by a mutator that a number determines, so that a failure can be made again: the same seed
//! gives the same inputs on every machine.
#![forbid(unsafe_code)]

mod mutate;
mod random;
mod run;
mod targets;

pub use random::Random;
pub use run::{Failure, Limit, Ran, run, try_one};
pub use targets::{TARGETS, Target};
