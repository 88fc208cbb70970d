//! Steps that do nothing: what is left is the queue's own cost.

use std::{
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Instant,
};

use async_trait::async_trait;
use opsconductor_core::{
    Error, ErrorKind, Result,
    job::{StepContext, StepHandler, StepOutcome, TemplateField},
    transport::{
        Capabilities, Connector, Control, CopyOutcome, CopyRequest, Endpoint, ExecOutcome, ExecRequest,
        Observer, ProbeDetails, ProbeReport, Protocol, Session,
    },
    vault::Credential,
};
use serde_json::{Map, Value, json};
use tokio::sync::{Notify, mpsc};

/// The step kind that acts on no target.
pub(crate) const NOTHING: &str = "bench.nothing";
/// The step kind that acts on targets.
pub(crate) const NOTHING_THERE: &str = "bench.nothing_there";

/// Does nothing, and counts.
pub(crate) struct Nothing {
    kind: &'static str,
    done: Arc<Count>,
    started: Option<mpsc::UnboundedSender<Instant>>,
}

/// How many steps have run.
#[derive(Default)]
pub(crate) struct Count {
    done: AtomicU64,
    changed: Notify,
}

impl Count {
    /// How many have.
    pub(crate) fn reached(&self) -> u64 {
        self.done.load(Ordering::Acquire)
    }

    /// Waits until `wanted` steps have run.
    pub(crate) async fn reaches(&self, wanted: u64) {
        loop {
            let changed = self.changed.notified();
            if self.reached() >= wanted {
                return;
            }
            changed.await;
        }
    }
}

impl Nothing {
    /// A handler of `kind` that counts in `done`.
    pub(crate) fn new(kind: &'static str, done: Arc<Count>) -> Self {
        Self { kind, done, started: None }
    }

    /// The same, saying when each step starts.
    pub(crate) fn with_started(mut self, started: mpsc::UnboundedSender<Instant>) -> Self {
        self.started = Some(started);
        self
    }
}

#[async_trait]
impl StepHandler for Nothing {
    fn kind(&self) -> &str {
        self.kind
    }

    fn schema(&self) -> Value {
        json!({"type": "object", "properties": {}})
    }

    fn protocol(&self) -> Option<Protocol> {
        (self.kind == NOTHING_THERE).then_some(Protocol::Winrm)
    }

    fn templates(&self, _: &Map<String, Value>) -> Vec<TemplateField> {
        Vec::new()
    }

    async fn run(&self, _: &mut StepContext<'_>) -> Result<StepOutcome> {
        if let Some(started) = &self.started {
            // Whoever measures may have stopped listening.
            let _ = started.send(Instant::now());
        }
        self.done.done.fetch_add(1, Ordering::AcqRel);
        self.done.changed.notify_waiters();
        Ok(StepOutcome::succeeded())
    }
}

/// Connects to nothing.
#[derive(Debug)]
pub(crate) struct Nowhere;

#[async_trait]
impl Connector for Nowhere {
    fn protocol(&self) -> Protocol {
        Protocol::Winrm
    }

    fn capabilities(&self) -> Capabilities {
        Capabilities::default()
    }

    async fn connect(&self, _: &Endpoint, _: &Credential) -> Result<Box<dyn Session>> {
        Ok(Box::new(Nowhere))
    }

    async fn probe(&self, _: &Endpoint, _: &Credential) -> ProbeReport {
        ProbeReport::reached("nothing", ProbeDetails::default())
    }
}

#[async_trait]
impl Session for Nowhere {
    async fn exec(&mut self, _: ExecRequest, _: &mut dyn Observer, _: &Control) -> Result<ExecOutcome> {
        Err(nothing_here())
    }

    async fn copy(&mut self, _: CopyRequest, _: &mut dyn Observer, _: &Control) -> Result<CopyOutcome> {
        Err(nothing_here())
    }

    async fn close(self: Box<Self>) -> Result<()> {
        Ok(())
    }
}

fn nothing_here() -> Error {
    Error::new(ErrorKind::Unsupported, "there is nothing here")
}
