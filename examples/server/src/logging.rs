//! Diagnostics on standard error.

use std::io;

use tracing_subscriber::{EnvFilter, filter::LevelFilter};

/// Starts them. `RUST_LOG` wins over `-v`, but never opens `sspi`, which would print what it encrypts.
pub(crate) fn start(verbose: u8) {
    let level = match verbose {
        0 => LevelFilter::ERROR,
        1 => LevelFilter::INFO,
        2 => LevelFilter::DEBUG,
        _ => LevelFilter::TRACE,
    };
    let mut filter = EnvFilter::builder().with_default_directive(level.into()).from_env_lossy();
    if let Ok(capped) = "sspi=warn".parse() {
        filter = filter.add_directive(capped);
    }
    tracing_subscriber::fmt().with_env_filter(filter).with_writer(io::stderr).init();
}
