//! Step kinds written in Python.
//!
//! The functions run on threads that Python made: below a function that never returns there is then no frame of ours, and the
//! interpreter can end without it.

use std::{sync::Arc, time::Duration};

use async_trait::async_trait;
use opsconductor_core::{
    Error, ErrorKind, Result,
    job::{StepContext, StepHandler, StepOutcome, TemplateField},
    template::Sink,
    transport::{Protocol, STOP_GRACE, Stream},
};
use pyo3::{intern, prelude::*};
use serde_json::{Map, Value};
use tokio::{
    sync::mpsc::{Receiver, Sender, channel},
    time::{Instant, sleep_until, timeout_at},
};

use crate::json;

/// How much of a step's output may wait to be stored before its function waits too.
const WAITING_MAX: usize = 64;

/// What a function says while it runs, and once it has.
enum Said {
    Output(Stream, String),
    Ended(StepOutcome),
}

/// A step kind whose work is a Python function.
pub(crate) struct PythonStep {
    kind: String,
    schema: Value,
    templates: Vec<TemplateField>,
    /// Begins a call and gives what stops it.
    begin: Py<PyAny>,
}

impl<'py> FromPyObject<'_, 'py> for PythonStep {
    type Error = PyErr;

    fn extract(given: Borrowed<'_, 'py, PyAny>) -> PyResult<Self> {
        let py = given.py();
        let templates: Vec<(String, String)> = given.getattr(intern!(py, "templates"))?.extract()?;
        let field = |(member, sink): (String, String)| -> Result<TemplateField> {
            let pointer = format!("/{}", member.replace('~', "~0").replace('/', "~1"));
            Ok(TemplateField::new(pointer, sink.parse::<Sink>()?))
        };
        let templates: Result<Vec<TemplateField>> = templates.into_iter().map(field).collect();
        Ok(Self {
            kind: given.getattr(intern!(py, "kind"))?.extract()?,
            schema: json::value("schema", &given.getattr(intern!(py, "schema"))?)?,
            templates: crate::errors::raised(py, templates)?,
            begin: given.getattr(intern!(py, "begin"))?.unbind(),
        })
    }
}

/// How a function tells of its work.
#[pyclass(frozen, module = "opsconductor._core")]
pub(crate) struct StepCall(Sender<Said>);

#[pymethods]
impl StepCall {
    /// Adds to the step's output; False when nobody listens any more. It waits while too much of it waits to be stored.
    fn output(&self, py: Python<'_>, is_error: bool, text: String) -> bool {
        let stream = if is_error { Stream::Stderr } else { Stream::Stdout };
        py.detach(|| self.0.blocking_send(Said::Output(stream, text)).is_ok())
    }

    /// Says how it ended.
    fn end(
        &self,
        py: Python<'_>,
        reason: Option<String>,
        exit_code: Option<i64>,
        metrics: &Bound<'_, PyAny>,
    ) -> PyResult<()> {
        let mut outcome = reason.map_or_else(StepOutcome::succeeded, StepOutcome::failed);
        outcome.exit_code = exit_code;
        outcome.metrics = json::object("metrics", metrics)?;
        py.detach(|| {
            // Nobody listens where the time was over before.
            let _ = self.0.blocking_send(Said::Ended(outcome));
        });
        Ok(())
    }
}

#[async_trait]
impl StepHandler for PythonStep {
    fn kind(&self) -> &str {
        &self.kind
    }

    fn schema(&self) -> Value {
        self.schema.clone()
    }

    fn protocol(&self) -> Option<Protocol> {
        None
    }

    fn templates(&self, fields: &Map<String, Value>) -> Vec<TemplateField> {
        let is_text = |field: &&TemplateField| {
            let member = field.pointer[1..].replace("~1", "/").replace("~0", "~");
            fields.get(&member).is_some_and(Value::is_string)
        };
        self.templates.iter().filter(is_text).cloned().collect()
    }

    async fn run(&self, context: &mut StepContext<'_>) -> Result<StepOutcome> {
        let seconds = context.step().map_or(300, |step| step.timeout_sec);
        let deadline = Instant::now() + Duration::from_secs(seconds.into());
        let cancel = context.cancel().clone();
        let fields = context.fields().clone();
        let step = context.step().map(|step| step.id.clone());

        // What the function does is its own affair: it counts as sent from here on.
        context.dispatch().await?;
        let (sender, mut said) = channel(WAITING_MAX);
        let stop = self.begin(sender, fields, step, seconds).await?;
        loop {
            tokio::select! {
                said = said.recv() => match said {
                    Some(Said::Output(stream, text)) => context.output(stream, text).await?,
                    Some(Said::Ended(outcome)) => return Ok(outcome),
                    None => return Err(ended_badly().with_outcome_unknown()),
                },
                () = sleep_until(deadline) => {
                    let message = format!("the step ran longer than its timeoutSec of {seconds} s");
                    return stopped(Error::new(ErrorKind::Timeout, message), stop, &mut said).await;
                }
                () = cancel.cancelled() => {
                    return stopped(Error::new(ErrorKind::Canceled, "the step was stopped"), stop, &mut said).await;
                }
            }
        }
    }
}

impl PythonStep {
    /// Begins the call on a thread that may wait for the interpreter.
    async fn begin(
        &self,
        sender: Sender<Said>,
        fields: Map<String, Value>,
        step: Option<String>,
        seconds: u32,
    ) -> Result<Arc<Py<PyAny>>> {
        let begin = attach(|py| Ok(self.begin.clone_ref(py))).ok_or_else(interpreter_ends)?;
        let begin = begin.map_err(|_| ended_badly())?;
        let begun = on_thread(move |py| {
            let fields = json::dict(py, &fields)?;
            let call = Bound::new(py, StepCall(sender))?;
            Ok(Arc::new(begin.call1(py, (call, fields, step, seconds))?))
        });
        begun.await
    }
}

/// Asks the function to stop, waits a little, and says what is known of it then.
async fn stopped(error: Error, stop: Arc<Py<PyAny>>, said: &mut Receiver<Said>) -> Result<StepOutcome> {
    let limit = Instant::now() + STOP_GRACE;
    on_thread(move |py| stop.call0(py).map(drop)).await?;
    loop {
        match timeout_at(limit, said.recv()).await {
            Ok(Some(Said::Output(..))) => {}
            // It heard that it was to stop, and did.
            Ok(Some(Said::Ended(_))) => return Err(error),
            // It goes on, and nobody knows with what.
            Ok(None) | Err(_) => return Err(error.with_outcome_unknown()),
        }
    }
}

fn attach<T>(work: impl FnOnce(Python<'_>) -> PyResult<T>) -> Option<PyResult<T>> {
    Python::try_attach(work)
}

/// Calls Python where waiting for the interpreter holds nothing else up.
async fn on_thread<T: Send + 'static>(
    work: impl FnOnce(Python<'_>) -> PyResult<T> + Send + 'static,
) -> Result<T> {
    let called = tokio::task::spawn_blocking(move || attach(work)).await;
    match called {
        Ok(Some(Ok(value))) => Ok(value),
        Ok(Some(Err(error))) => {
            // Threads that cannot be started, memory that is not there: the function was not reached.
            let message = Python::try_attach(|py| error.value(py).to_string()).unwrap_or_default();
            Err(Error::new(
                ErrorKind::Internal,
                format!("the step's function could not be called: {message}"),
            ))
        }
        Ok(None) => Err(interpreter_ends()),
        Err(error) => Err(ended_badly().with_source(error)),
    }
}

fn interpreter_ends() -> Error {
    Error::new(ErrorKind::Canceled, "the Python interpreter ends")
}

fn ended_badly() -> Error {
    Error::new(ErrorKind::Internal, "the step's function ended without a word")
}
