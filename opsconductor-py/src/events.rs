//! [`Events`]: what happens to a run, one after the other.

use std::sync::Arc;

use opsconductor_core::engine::RunEvents;
use pyo3::prelude::*;
use tokio::sync::Mutex;

use crate::{pending::Pending, records};

/// The events of a run, until it ends.
#[pyclass(frozen, module = "opsconductor._core")]
pub(crate) struct Events(Arc<Mutex<RunEvents>>);

impl Events {
    pub(crate) fn new(events: RunEvents) -> Self {
        Self(Arc::new(Mutex::new(events)))
    }
}

#[pymethods]
impl Events {
    /// The next event, or None after the last.
    fn next(&self) -> Pending {
        let events = Arc::clone(&self.0);
        Pending::new(async move { events.lock().await.next().await }, |py, event| match event {
            Some(event) => records::event(py, &event),
            None => Ok(py.None().into_bound(py)),
        })
    }
}
