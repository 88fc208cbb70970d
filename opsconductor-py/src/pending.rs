//! [`Pending`]: a call that was asked for and not yet made, to be waited for or awaited.

use std::{
    future::Future,
    pin::Pin,
    sync::{Mutex, PoisonError},
};

use opsconductor_core::{Error, Result};
use pyo3::{exceptions::PyRuntimeError, prelude::*};

use crate::{errors, runtime};

/// What a call gives, made into Python's once the interpreter is there.
type Given = Box<dyn for<'py> FnOnce(Python<'py>) -> PyResult<Bound<'py, PyAny>> + Send>;
type Work = Pin<Box<dyn Future<Output = Result<Given>> + Send>>;

/// A call that was asked for and not yet made.
#[pyclass(frozen, module = "opsconductor._core")]
pub(crate) struct Pending(Mutex<Option<Work>>);

impl Pending {
    /// A call that does `work`, whose result `give` makes into Python's.
    pub(crate) fn new<T: Send + 'static>(
        work: impl Future<Output = Result<T>> + Send + 'static,
        give: impl for<'py> FnOnce(Python<'py>, T) -> PyResult<Bound<'py, PyAny>> + Send + 'static,
    ) -> Self {
        let work = async move {
            let value = work.await?;
            let given: Given = Box::new(move |py| give(py, value));
            Ok(given)
        };
        Self(Mutex::new(Some(Box::pin(work))))
    }

    /// A call that gives nothing.
    pub(crate) fn nothing(work: impl Future<Output = Result<()>> + Send + 'static) -> Self {
        Self::new(work, |py, ()| Ok(py.None().into_bound(py)))
    }

    fn take(&self) -> PyResult<Work> {
        let work = self.0.lock().unwrap_or_else(PoisonError::into_inner).take();
        work.ok_or_else(|| PyRuntimeError::new_err("the call was made already"))
    }
}

#[pymethods]
impl Pending {
    /// Makes the call, and waits for it with the interpreter let go.
    fn wait<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyAny>> {
        let done = runtime::block(py, self.take()?)?;
        errors::raised(py, done)?(py)
    }

    /// Makes the call, and gives an asyncio future of it. Canceling that drops the call.
    fn future<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyAny>> {
        runtime::runtime()?;
        let work = self.take()?;
        pyo3_async_runtimes::tokio::future_into_py(py, async move { Ok(Done(work.await)) })
    }
}

/// What came of a call, turned into Python's where the interpreter is held.
struct Done(Result<Given, Error>);

impl<'py> IntoPyObject<'py> for Done {
    type Target = PyAny;
    type Output = Bound<'py, PyAny>;
    type Error = PyErr;

    fn into_pyobject(self, py: Python<'py>) -> PyResult<Bound<'py, PyAny>> {
        errors::raised(py, self.0)?(py)
    }
}
