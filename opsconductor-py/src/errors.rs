//! Errors of the core as exceptions. The classes are in `opsconductor._errors`, which picks one by the kind.

use opsconductor_core::{Error, ErrorKind};
use pyo3::{intern, prelude::*};

/// The name of a kind, as `Error.kind` has it.
fn name(kind: ErrorKind) -> &'static str {
    match kind {
        ErrorKind::NotFound => "not_found",
        ErrorKind::Conflict => "conflict",
        ErrorKind::InvalidInput => "invalid_input",
        ErrorKind::InvalidJob => "invalid_job",
        ErrorKind::InvalidParameters => "invalid_parameters",
        ErrorKind::Template => "template",
        ErrorKind::Vault => "vault",
        ErrorKind::Schedule => "schedule",
        ErrorKind::Forbidden => "forbidden",
        ErrorKind::Unauthenticated => "unauthenticated",
        ErrorKind::Busy => "busy",
        ErrorKind::Throttled => "throttled",
        ErrorKind::Auth => "auth",
        ErrorKind::Transport => "transport",
        ErrorKind::Store => "store",
        ErrorKind::StoreUnavailable => "store_unavailable",
        ErrorKind::LeaseLost => "lease_lost",
        ErrorKind::Timeout => "timeout",
        ErrorKind::Canceled => "canceled",
        ErrorKind::Unsupported => "unsupported",
        _ => "internal",
    }
}

/// The exception that stands for `error`.
pub(crate) fn exception(py: Python<'_>, error: &Error) -> PyErr {
    let problems: Vec<(&str, &str)> =
        error.problems().iter().map(|problem| (problem.pointer.as_str(), problem.message.as_str())).collect();
    let layer = error.layer().map(|layer| layer.to_string());
    let after = error.retry_after().map(|after| after.as_secs_f64());
    make(py, name(error.kind()), &error.report(), problems, layer, error.is_retryable(), after)
}

/// A short way to raise what the core says.
pub(crate) fn raised<T>(py: Python<'_>, result: Result<T, Error>) -> PyResult<T> {
    result.map_err(|error| exception(py, &error))
}

pub(crate) fn forked() -> PyErr {
    of_kind(
        "forked",
        "opsconductor was in use when this process was forked, and its threads stayed behind: open the engine after the fork, or \
         start child processes with multiprocessing's `spawn`",
    )
}

pub(crate) fn no_threads(why: &str) -> PyErr {
    of_kind("internal", &format!("no threads could be started: {why}"))
}

pub(crate) fn own_thread() -> PyErr {
    of_kind("unsupported", "this call waits, and was made where nothing may wait, such as in a finalizer")
}

pub(crate) fn closed() -> PyErr {
    of_kind("closed", "the engine is closed: open another one")
}

pub(crate) fn of_kind(kind: &str, message: &str) -> PyErr {
    Python::attach(|py| make(py, kind, message, Vec::new(), None, false, None))
}

fn make(
    py: Python<'_>,
    kind: &str,
    message: &str,
    problems: Vec<(&str, &str)>,
    layer: Option<String>,
    retryable: bool,
    after: Option<f64>,
) -> PyErr {
    let made = py.import(intern!(py, "opsconductor._errors")).and_then(|module| {
        module.call_method1(intern!(py, "of"), (kind, message, problems, layer, retryable, after))
    });
    made.map_or_else(|error| error, PyErr::from_value)
}
