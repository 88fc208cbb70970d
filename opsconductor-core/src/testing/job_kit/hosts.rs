//! The hosts of one run: what they have received, and the way to them.

use std::{
    collections::BTreeMap,
    fmt,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use async_trait::async_trait;
use bytes::Bytes;

use super::{
    script::{Received, Reply, Script},
    sent::{Sent, What},
    session::Host,
};
use crate::{
    Error, ErrorKind, Result,
    clock::Clock,
    error::Layer,
    job::SECRET_SHOWN,
    run::redact::{MASK, Redactor},
    testing::ManualClock,
    transport::{Capabilities, Connector, Endpoint, ProbeDetails, ProbeReport, Protocol, Session},
    vault::credential::Credential,
};

/// The hosts of one run. A clone is the same hosts.
#[derive(Clone)]
pub(super) struct Hosts {
    pub(super) clock: Arc<ManualClock>,
    redactor: Redactor,
    script: Script,
    seen: Arc<Mutex<Seen>>,
}

/// What was received, and what is there.
#[derive(Default)]
pub(super) struct Seen {
    sent: Vec<Sent>,
    /// What was sent and the test does not answer, as sentences.
    unscripted: Vec<String>,
    /// By target and path.
    pub(super) files: BTreeMap<(String, String), Bytes>,
}

impl Hosts {
    /// Hosts that answer by `script` and show nothing that `redactor` knows.
    pub(super) fn new(script: Script, clock: Arc<ManualClock>, redactor: Redactor) -> Self {
        let seen = Seen { files: script.files(), ..Seen::default() };
        Self { clock, redactor, script, seen: Arc::new(Mutex::new(seen)) }
    }

    /// The way to those that speak `protocol`.
    pub(super) fn connector(&self, protocol: Protocol) -> impl Connector + use<> {
        Fake { hosts: self.clone(), protocol }
    }

    pub(super) fn sent(&self) -> Vec<Sent> {
        self.lock().sent.clone()
    }

    /// What a file holds.
    pub(super) fn file(&self, target: &str, path: &str) -> Option<Vec<u8>> {
        let content = self.lock().files.get(&(target.to_owned(), path.to_owned())).cloned()?;
        let content = self.redactor.redact_bytes(&content);
        Some(match String::from_utf8(content) {
            Ok(text) => text.replace(MASK, SECRET_SHOWN).into_bytes(),
            Err(other) => other.into_bytes(),
        })
    }

    /// Refuses to go on when something was sent that the test does not answer.
    pub(super) fn check(&self) -> Result<()> {
        let unscripted = &self.lock().unscripted;
        match unscripted.as_slice() {
            [] => Ok(()),
            [one] => Err(Error::new(ErrorKind::InvalidInput, one)),
            many => Err(Error::new(ErrorKind::InvalidInput, many.join("\n"))),
        }
    }

    /// What can be shown of a text.
    pub(super) fn shown(&self, text: &str) -> String {
        self.redactor.redact_str(text).replace(MASK, SECRET_SHOWN)
    }

    /// What can be shown of a content.
    pub(super) fn text(&self, bytes: &[u8]) -> String {
        self.shown(&String::from_utf8_lossy(bytes))
    }

    /// Takes note of what a target received.
    pub(super) fn note(&self, target: &str, what: What) {
        self.lock().sent.push(Sent { target: target.to_owned(), at: self.clock.monotonic(), what });
    }

    pub(super) fn lock(&self) -> MutexGuard<'_, Seen> {
        // What was seen is whole after every statement, so a panic elsewhere does not spoil it.
        self.seen.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The answer to `received`, or the error of a step that the test forgot.
    pub(super) fn reply(&self, target: &str, received: Received<'_>) -> Result<Reply> {
        self.script.take(target, received).map_err(|used_up| {
            let (what, call, more) = match received {
                Received::Command(command) => {
                    let command = self.shown(command);
                    (format!("the command {command:?}"), format!("command({command:?})"), "prints(\"...\")")
                }
                Received::Request { method, path } => {
                    let path = self.shown(path);
                    (format!("{method} {path}"), format!("request({method:?}, {path:?})"), "body(\"...\")")
                }
            };
            let why = match used_up {
                true => "once more than the test says what is answered",
                false => "and the test does not say what is answered",
            };
            let sentence =
                format!("`{target}` received {what} {why}; say it with `kit.on({target:?}).{call}.{more}`");
            self.lock().unscripted.push(sentence.clone());
            Error::new(ErrorKind::Unsupported, sentence)
        })
    }
}

struct Fake {
    hosts: Hosts,
    protocol: Protocol,
}

impl fmt::Debug for Fake {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Fake").field("protocol", &self.protocol).finish_non_exhaustive()
    }
}

#[async_trait]
impl Connector for Fake {
    fn protocol(&self) -> Protocol {
        self.protocol
    }

    fn capabilities(&self) -> Capabilities {
        Capabilities { reattach: false, ..Capabilities::all() }
    }

    async fn connect(&self, endpoint: &Endpoint, _: &Credential) -> Result<Box<dyn Session>> {
        self.connect_without_credential(endpoint).await
    }

    async fn connect_without_credential(&self, endpoint: &Endpoint) -> Result<Box<dyn Session>> {
        if self.hosts.script.refuses(&endpoint.target) {
            let error = Error::transport(Layer::Connect, "the host refused the connection");
            return Err(error.with("target", &endpoint.target));
        }
        let target = endpoint.target.clone();
        Ok(Box::new(Host { hosts: self.hosts.clone(), protocol: self.protocol, target }))
    }

    async fn probe(&self, endpoint: &Endpoint, _: &Credential) -> ProbeReport {
        self.probe_without_credential(endpoint).await
    }

    async fn probe_without_credential(&self, endpoint: &Endpoint) -> ProbeReport {
        let details = ProbeDetails { port: endpoint.port, ..ProbeDetails::default() };
        ProbeReport::reached("a host of a test answers", details)
    }
}
