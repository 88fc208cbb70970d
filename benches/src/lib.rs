//! The harness of the benchmarks: it times, takes medians, and prints one JSON object a line on standard output.
//!
//! `cargo bench` runs full rounds. `cargo test` runs each benchmark too, but for one short round, as does `--quick` or
//! `OPSCONDUCTOR_BENCH_QUICK=1`: enough to see that it still runs, no figure to quote. A word among the arguments
//! chooses the metrics whose name contains it.
//!
//! A goal that is missed is a figure to read, never a failure: only a benchmark that cannot run fails.
#![forbid(unsafe_code)]

pub mod content;
pub mod figure;
pub mod memory;
pub mod options;
pub mod role;
pub mod statistics;
pub mod subject;
pub mod timing;

pub use figure::{Better, Figure};
pub use options::Options;
pub use timing::Bench;
