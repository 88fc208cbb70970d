//! The tokio runtime that everything runs on, and how a Python thread waits for it.

use std::{future::Future, pin::pin, process, sync::OnceLock, time::Duration};

use pyo3::prelude::*;
use tokio::runtime::{Builder, Handle, Runtime};

use crate::errors;

/// How long a wait goes on without looking for a signal such as Ctrl-C.
const SLICE: Duration = Duration::from_millis(50);

/// Threads that serve the engine. They wait most of the time: hosts, disks and databases do the work.
const THREADS_MAX: usize = 4;

struct Started {
    runtime: Runtime,
    process: u32,
}

static STARTED: OnceLock<Result<Started, String>> = OnceLock::new();

fn start() -> Result<Started, String> {
    let threads = std::thread::available_parallelism().map_or(1, usize::from).clamp(2, THREADS_MAX);
    let runtime = Builder::new_multi_thread()
        .worker_threads(threads)
        .thread_name("opsconductor")
        .enable_all()
        .build()
        .map_err(|error| error.to_string())?;
    Ok(Started { runtime, process: process::id() })
}

/// The runtime, started by the first call that needs it.
///
/// # Errors
///
/// In a process that was forked off one where it runs: its threads did not come along.
pub(crate) fn runtime() -> PyResult<&'static Runtime> {
    let started = STARTED.get_or_init(start).as_ref().map_err(|why| errors::no_threads(why))?;
    if started.process != process::id() {
        return Err(errors::forked());
    }
    // The first call makes asyncio's half use the same threads; every other one changes nothing.
    let _ = pyo3_async_runtimes::tokio::init_with_runtime(&started.runtime);
    Ok(&started.runtime)
}

/// Waits for `work` with the interpreter let go, and looks for signals in between.
///
/// # Errors
///
/// As [`runtime`]; what a signal's handler raises, such as `KeyboardInterrupt`. The work is then dropped.
pub(crate) fn block<F>(py: Python<'_>, work: F) -> PyResult<F::Output>
where
    F: Future + Send,
    F::Output: Send,
{
    let runtime = runtime()?;
    if Handle::try_current().is_ok() {
        // A finalizer that Python runs on one of our own threads, where nothing may wait.
        return Err(errors::own_thread());
    }
    let mut work = pin!(work);
    loop {
        let slice =
            py.detach(|| runtime.block_on(async { tokio::time::timeout(SLICE, work.as_mut()).await }));
        match slice {
            Ok(done) => return Ok(done),
            Err(_) => py.check_signals()?,
        }
    }
}

/// The end of the interpreter is near: nothing may call Python any more.
#[pyfunction]
pub(crate) fn stop(py: Python<'_>) {
    crate::logs::stop(py);
}
