//! [`WorkerHandle`]: a worker that runs in this process.

use std::{
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use opsconductor_core::{Result, engine::Worker};
use pyo3::prelude::*;

use crate::{engine::Inner, pending::Pending};

/// A worker that runs.
#[pyclass(frozen, module = "opsconductor._core")]
pub(crate) struct WorkerHandle {
    id: String,
    inner: Arc<Inner>,
    worker: Mutex<Option<Worker>>,
}

impl WorkerHandle {
    pub(crate) fn new(inner: Arc<Inner>, worker: Worker) -> Self {
        Self { id: worker.id().to_string(), inner, worker: Mutex::new(Some(worker)) }
    }

    fn take(&self) -> Option<Worker> {
        let worker = self.worker.lock().unwrap_or_else(PoisonError::into_inner).take();
        if worker.is_some() {
            self.inner.worker_ended();
        }
        worker
    }
}

#[pymethods]
impl WorkerHandle {
    #[getter]
    fn id(&self) -> &str {
        &self.id
    }

    /// Lets it finish; after `limit` seconds it is stopped. Again does nothing.
    fn shutdown(&self, limit: Option<f64>) -> PyResult<Pending> {
        let limit = limit.map(|limit| crate::runs::seconds("limit", limit)).transpose()?;
        Ok(Pending::nothing(end(self.take(), limit)))
    }
}

async fn end(worker: Option<Worker>, limit: Option<Duration>) -> Result<()> {
    match (worker, limit) {
        (None, _) => {}
        (Some(worker), None) => worker.shutdown().await,
        (Some(worker), Some(limit)) => {
            // Dropped when the time is over, it stops at once.
            let _ = tokio::time::timeout(limit, worker.shutdown()).await;
        }
    }
    Ok(())
}

impl Drop for WorkerHandle {
    fn drop(&mut self) {
        drop(self.take());
    }
}
