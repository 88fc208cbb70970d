//! The seam for step kinds: [`StepHandler`]. The built-in kinds are written with it, and a host registers its own.

use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use serde_json::{Map, Value};
use tokio_util::sync::CancellationToken;

use crate::{
    Error, ErrorKind, Problem, Result,
    job::files::WorkerFiles,
    run::plan::{PlannedStep, PlannedTarget},
    store::WaitsFor,
    template::Sink,
    transport::{
        Control, CopyOutcome, CopyRequest, ExecOutcome, ExecRequest, FetchOutcome, FetchRequest, HttpAnswer,
        HttpCall, Observer, Protocol, RemoteHandle, Session, Stream,
    },
};

/// A step kind: its name, the members of the definition that belong to it, and what it does.
#[async_trait]
pub trait StepHandler: Send + Sync {
    /// The `type` of a step, such as `winrm.exec`.
    fn kind(&self) -> &str;

    /// The JSON Schema (2020-12) of the members that belong to this kind: an object with `properties` and `required`. What
    /// every step may have (`id`, `target`, `timeoutSec` …) is added when the job schema is composed.
    fn schema(&self) -> Value;

    /// The protocol that its targets must speak; `None` for a kind that acts on no target.
    fn protocol(&self) -> Option<Protocol>;

    /// Which of the members given are templates, and where the result of each goes. Asked only of fields that fit the
    /// schema.
    fn templates(&self, fields: &Map<String, Value>) -> Vec<TemplateField>;

    /// Why a secret parameter may not be read by the template at `pointer`, if so, as the end of a sentence: what it renders is
    /// seen by others before the engine can redact it. `None` for what goes to the target alone.
    fn exposes(&self, pointer: &str) -> Option<&'static str> {
        let _ = pointer;
        None
    }

    /// Faults that a schema cannot express; pointers are relative to the step. Asked only of fields that fit the schema.
    fn check(&self, fields: &Map<String, Value>) -> Vec<Problem> {
        let _ = fields;
        Vec::new()
    }

    /// Whether another worker may take over in the middle. Then [`StepHandler::run`] is called there once more with the same
    /// fields, and its first [`StepContext::exec`] goes on with the command that the first worker started. So a handler may
    /// say yes when that call is the only thing it does on the target.
    fn reattachable(&self) -> bool {
        false
    }

    /// What a step with these fields waits for, for a kind that waits and does nothing else: it is asked in place of
    /// [`StepHandler::run`], and the step holds no slot while it waits. `timeout` is the step's `timeoutSec`.
    fn waits(&self, fields: &Map<String, Value>, timeout: Duration) -> Option<Waits> {
        let _ = (fields, timeout);
        None
    }

    /// The `timeoutSec` of a step that does not say, where it is not the usual one.
    fn timeout_sec_default(&self) -> Option<u32> {
        None
    }

    /// Does it.
    ///
    /// # Errors
    ///
    /// Whatever stopped it. After the dispatch an error says whether the outcome is unknown.
    async fn run(&self, context: &mut StepContext<'_>) -> Result<StepOutcome>;
}

/// What a step waits for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Waits {
    /// Time or a person.
    pub what: WaitsFor,
    /// How long, at most.
    pub limit: Duration,
    /// What is said while it waits. No secrets.
    pub message: String,
}

/// A member of a step that is a template.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TemplateField {
    /// RFC 6901 pointer, relative to the step: `/command`.
    pub pointer: String,
    /// Where the result goes.
    pub sink: Sink,
}

impl TemplateField {
    /// A template at `pointer` whose result goes to `sink`.
    pub fn new(pointer: impl Into<String>, sink: Sink) -> Self {
        Self { pointer: pointer.into(), sink }
    }
}

/// How a step ended on one target.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub struct StepOutcome {
    /// Whether it did what it should.
    pub succeeded: bool,
    /// The exit code, if the kind has one.
    pub exit_code: Option<i64>,
    /// A sentence, unless it succeeded.
    pub reason: Option<String>,
    /// Measurements and results. No rendered command, no secret.
    pub metrics: Map<String, Value>,
}

impl StepOutcome {
    /// A step that did what it should.
    pub fn succeeded() -> Self {
        Self { succeeded: true, exit_code: None, reason: None, metrics: Map::new() }
    }

    /// A step that did not, with a sentence that says why.
    pub fn failed(reason: impl Into<String>) -> Self {
        Self { succeeded: false, exit_code: None, reason: Some(reason.into()), metrics: Map::new() }
    }

    /// The same with an exit code.
    #[must_use]
    pub fn with_exit_code(mut self, exit_code: i64) -> Self {
        self.exit_code = Some(exit_code);
        self
    }

    /// The same with one more measurement.
    #[must_use]
    pub fn with_metric(mut self, name: impl Into<String>, value: impl Into<Value>) -> Self {
        self.metrics.insert(name.into(), value.into());
        self
    }
}

/// What a handler works with while it runs one task.
pub struct StepContext<'a> {
    fields: Map<String, Value>,
    target: Option<&'a PlannedTarget>,
    session: Option<&'a mut dyn Session>,
    observer: &'a mut dyn Observer,
    timeout: Duration,
    cancel: CancellationToken,
    files: Option<&'a WorkerFiles>,
    step: Option<&'a PlannedStep>,
    /// A command that runs already.
    running: Option<RemoteHandle>,
}

impl<'a> StepContext<'a> {
    /// A context over rendered `fields`. `timeout` bounds every call made through it.
    pub fn new(
        fields: Map<String, Value>,
        target: Option<&'a PlannedTarget>,
        session: Option<&'a mut dyn Session>,
        observer: &'a mut dyn Observer,
        timeout: Duration,
        cancel: CancellationToken,
    ) -> Self {
        Self { fields, target, session, observer, timeout, cancel, files: None, step: None, running: None }
    }

    /// The same with the folder that the worker lets steps use.
    #[must_use]
    pub fn with_files(mut self, files: Option<&'a WorkerFiles>) -> Self {
        self.files = files;
        self
    }

    /// The same with the step as it stands in the plan.
    #[must_use]
    pub fn with_step(mut self, step: &'a PlannedStep) -> Self {
        self.step = Some(step);
        self
    }

    /// The step as it stands in the plan, its templates not rendered: for what every step may say, such as `idempotent`.
    pub fn step(&self) -> Option<&'a PlannedStep> {
        self.step
    }

    /// The folder that the worker lets steps use.
    ///
    /// # Errors
    ///
    /// `Unsupported` when the host named none.
    pub fn files(&self) -> Result<&'a WorkerFiles> {
        self.files.ok_or_else(|| {
            let message =
                "this worker has no folder for files; name one with `Engine::builder().files(folder)`";
            Error::new(ErrorKind::Unsupported, message)
        })
    }

    /// The same, with a command that another worker started: the first [`StepContext::exec`] goes on with it.
    #[must_use]
    pub fn with_running(mut self, command: RemoteHandle) -> Self {
        self.running = Some(command);
        self
    }

    /// The members of the step that belong to the kind, rendered.
    pub fn fields(&self) -> &Map<String, Value> {
        &self.fields
    }

    /// The text at `name`, or "" when it is not there.
    pub fn text(&self, name: &str) -> &str {
        self.fields.get(name).and_then(Value::as_str).unwrap_or_default()
    }

    /// The target, for a kind that acts on one.
    pub fn target(&self) -> Option<&'a PlannedTarget> {
        self.target
    }

    /// Ends when the step is to stop. The calls below heed it by themselves.
    pub fn cancel(&self) -> &CancellationToken {
        &self.cancel
    }

    /// Commits the intent to act. A handler that acts by itself calls it before anything with an effect leaves this
    /// process; [`StepContext::exec`] and [`StepContext::copy`] call it themselves.
    ///
    /// # Errors
    ///
    /// `LeaseLost` or `Canceled`: do not act.
    pub async fn dispatch(&mut self) -> Result<()> {
        self.observer.dispatching(&RemoteHandle::default()).await
    }

    /// Adds to the step's output.
    ///
    /// # Errors
    ///
    /// `LeaseLost` when the task is no longer this worker's: stop.
    pub async fn output(&mut self, stream: Stream, bytes: impl Into<Bytes> + Send) -> Result<()> {
        self.observer.output(stream, bytes.into()).await
    }

    /// Runs a command on the target, or goes on with the one that another worker started.
    ///
    /// # Errors
    ///
    /// Those of [`Session::exec`] and [`Session::reattach`]; `Unsupported` for a kind without a protocol.
    pub async fn exec(&mut self, request: ExecRequest) -> Result<ExecOutcome> {
        let control = self.control();
        let session = self.session.as_deref_mut().ok_or_else(no_session)?;
        match self.running.take() {
            Some(handle) => session.reattach(&handle, self.observer, &control).await,
            None => session.exec(request, self.observer, &control).await,
        }
    }

    /// Writes a file on the target.
    ///
    /// # Errors
    ///
    /// Those of [`Session::copy`]; `Unsupported` for a kind without a protocol.
    pub async fn copy(&mut self, request: CopyRequest) -> Result<CopyOutcome> {
        let control = self.control();
        let session = self.session.as_deref_mut().ok_or_else(no_session)?;
        session.copy(request, self.observer, &control).await
    }

    /// Brings a file of the target to this machine.
    ///
    /// # Errors
    ///
    /// Those of [`Session::fetch`]; `Unsupported` for a kind without a protocol.
    pub async fn fetch(&mut self, request: FetchRequest) -> Result<FetchOutcome> {
        let control = self.control();
        let session = self.session.as_deref_mut().ok_or_else(no_session)?;
        session.fetch(request, self.observer, &control).await
    }

    /// Sends a request to the target.
    ///
    /// # Errors
    ///
    /// Those of [`Session::request`]; `Unsupported` for a kind without a protocol.
    pub async fn request(&mut self, call: HttpCall) -> Result<HttpAnswer> {
        let control = self.control();
        let session = self.session.as_deref_mut().ok_or_else(no_session)?;
        session.request(call, self.observer, &control).await
    }

    fn control(&self) -> Control {
        Control { timeout: self.timeout, cancel: self.cancel.clone() }
    }
}

fn no_session() -> Error {
    Error::new(ErrorKind::Unsupported, "a step kind without a protocol has no session to its target")
}
