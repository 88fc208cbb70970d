//! [`RunHandle`]: a run to wait for, to follow, to cancel.

use std::time::Duration;

use opsconductor_core::{engine::Run, store::Page};
use pyo3::{exceptions::PyValueError, prelude::*};

use crate::{events::Events, pending::Pending, records};

/// The longest wait that means anything.
const SECONDS_MAX: f64 = 1e9;

/// A run that was enqueued.
#[pyclass(frozen, module = "opsconductor._core")]
pub(crate) struct RunHandle(Run);

impl RunHandle {
    pub(crate) fn new(run: Run) -> Self {
        Self(run)
    }
}

#[pymethods]
impl RunHandle {
    #[getter]
    fn id(&self) -> i64 {
        self.0.id().get()
    }

    fn record(&self) -> Pending {
        let run = self.0.clone();
        Pending::new(async move { run.record().await }, |py, record| records::run(py, &record))
    }

    fn wait(&self, timeout: Option<f64>) -> PyResult<Pending> {
        let limit = seconds("timeout", timeout.unwrap_or(SECONDS_MAX))?;
        let run = self.0.clone();
        Ok(Pending::new(async move { run.wait(limit).await }, |py, result| {
            records::result(py, result.id.get(), result.status.as_str(), &result.steps)
        }))
    }

    /// The run and its steps as they stand.
    fn result(&self) -> Pending {
        let run = self.0.clone();
        let read = async move { Ok((run.record().await?, run.steps().await?)) };
        Pending::new(read, |py, (record, steps)| {
            records::result(py, record.id.get(), record.status.as_str(), &steps)
        })
    }

    /// A part of the steps, with all of the output that is kept of them.
    fn steps(&self, skip: u64, limit: u32) -> Pending {
        let run = self.0.clone();
        Pending::new(async move { run.steps_page(Page { skip, limit }).await }, |py, page| {
            records::page(py, &page, records::step)
        })
    }

    fn events(&self, after: u64) -> Events {
        Events::new(self.0.events_after(after))
    }

    fn cancel(&self) -> Pending {
        let run = self.0.clone();
        Pending::new(async move { run.cancel().await }, |py, record| records::run(py, &record))
    }
}

/// A time that was given in seconds.
///
/// # Errors
///
/// `ValueError` for what is none.
pub(crate) fn seconds(argument: &str, given: f64) -> PyResult<Duration> {
    if given.is_nan() || given < 0.0 {
        return Err(PyValueError::new_err(format!("{argument}: a number of seconds, 0 or more, is needed")));
    }
    Ok(Duration::from_secs_f64(given.min(SECONDS_MAX)))
}
