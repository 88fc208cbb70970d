//! The runtime that a command runs on.

use std::time::Duration;

use opsconductor_core::{Error, ErrorKind};

/// How long the end of the program waits for threads that are still busy.
const END_LIMIT: Duration = Duration::from_secs(1);

/// Runs `command` on a runtime of its own, and ends with it.
pub(crate) fn run<T>(command: impl Future<Output = Result<T, Error>>) -> Result<T, Error> {
    let runtime = tokio::runtime::Runtime::new().map_err(|source| {
        Error::new(ErrorKind::Internal, "no runtime could be started").with_source(source)
    })?;
    let ended = runtime.block_on(command);
    // A read of standard input cannot be called off, nor a store that hangs, and dropping the runtime would wait for it.
    runtime.shutdown_timeout(END_LIMIT);
    ended
}
