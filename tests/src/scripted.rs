//! A transport whose hosts do what the command says: `print TEXT`, `write PIECE|PIECE`, `blurt TEXT`, `fail N`, `falter N`,
//! `hold`, `cling`, `vanish`.
//!
//! It keeps the promises of the transport seam (dispatch before effect, time-out, cancel), so that scenarios can look at
//! what the engine makes of each answer. The real transport has tests of its own.

use std::{
    sync::{
        Arc, Mutex,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use async_trait::async_trait;
use bytes::Bytes;
use opsconductor_core::{
    Error, ErrorKind, Result,
    error::Layer,
    transport::{
        Control, CopyOutcome, CopyRequest, CopySource, CopyStatus, Endpoint, ExecOutcome, ExecRequest,
        FileSource, Observer, RemoteHandle, Session, Stream,
    },
    vault::credential::Credential,
};
use tokio::sync::{Semaphore, watch};

use crate::plain::plain_connector;

/// Hosts that obey, and what they saw.
#[derive(Clone)]
pub struct Scripted {
    seen: Arc<Seen>,
}

struct Seen {
    /// `target: command`, in the order in which commands were received.
    received: Mutex<Vec<String>>,
    running: AtomicUsize,
    most_running: AtomicUsize,
    stopped: AtomicUsize,
    /// Lets a `hold` go.
    released: Semaphore,
    /// How many `hold`s have begun.
    holding: watch::Sender<usize>,
    /// Connections are held instead of commands.
    stuck: bool,
}

impl Default for Scripted {
    fn default() -> Self {
        Self::new(false)
    }
}

impl Scripted {
    /// Hosts to which every connection hangs: it counts as held, and nothing is ever sent.
    pub fn stuck() -> Self {
        Self::new(true)
    }

    fn new(stuck: bool) -> Self {
        Self {
            seen: Arc::new(Seen {
                received: Mutex::default(),
                running: AtomicUsize::new(0),
                most_running: AtomicUsize::new(0),
                stopped: AtomicUsize::new(0),
                released: Semaphore::new(0),
                holding: watch::Sender::new(0),
                stuck,
            }),
        }
    }
}

impl std::fmt::Debug for Scripted {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Scripted")
    }
}

impl Scripted {
    /// What the hosts received, as `target: command`.
    pub fn received(&self) -> Vec<String> {
        self.seen.received.lock().map(|seen| seen.clone()).unwrap_or_default()
    }

    /// The most commands that ran at one time.
    pub fn most_running(&self) -> usize {
        self.seen.most_running.load(Ordering::SeqCst)
    }

    /// How many commands were stopped by a cancel or a time-out.
    pub fn stopped(&self) -> usize {
        self.seen.stopped.load(Ordering::SeqCst)
    }

    /// Returns when `count` commands in all have begun to hold.
    pub async fn holding(&self, count: usize) {
        let mut holding = self.seen.holding.subscribe();
        // The sender lives as long as self.
        let _ = holding.wait_for(|held| *held >= count).await;
    }

    /// Lets `count` held commands end.
    pub fn release(&self, count: usize) {
        self.seen.released.add_permits(count);
    }

    async fn session(&self, endpoint: &Endpoint, credential: &Credential) -> Result<Box<dyn Session>> {
        if self.seen.stuck {
            self.seen.holding.send_modify(|held| *held += 1);
            std::future::pending::<()>().await;
        }
        if endpoint.host == "away" {
            return Err(Error::transport(Layer::Connect, "the host refused the connection")
                .with("target", &endpoint.target)
                .with_retryable(true));
        }
        let password = credential.secrets().next().map(|secret| secret.expose().clone()).unwrap_or_default();
        Ok(Box::new(Host { target: endpoint.target.clone(), password, seen: Arc::clone(&self.seen) }))
    }
}

plain_connector!(Scripted, "scripted");

struct Host {
    target: String,
    password: String,
    seen: Arc<Seen>,
}

#[async_trait]
impl Session for Host {
    async fn exec(
        &mut self,
        request: ExecRequest,
        observer: &mut dyn Observer,
        control: &Control,
    ) -> Result<ExecOutcome> {
        observer.dispatching(&RemoteHandle::default()).await?;
        if let Ok(mut received) = self.seen.received.lock() {
            received.push(format!("{}: {}", self.target, request.script));
        }
        let running = self.seen.running.fetch_add(1, Ordering::SeqCst) + 1;
        self.seen.most_running.fetch_max(running, Ordering::SeqCst);
        let ended = self.obey(&request.script, observer, control).await;
        self.seen.running.fetch_sub(1, Ordering::SeqCst);
        ended
    }

    async fn copy(
        &mut self,
        request: CopyRequest,
        observer: &mut dyn Observer,
        _: &Control,
    ) -> Result<CopyOutcome> {
        observer.dispatching(&RemoteHandle::default()).await?;
        let CopySource::One(FileSource::Bytes(content)) = request.source else {
            return Err(Error::new(ErrorKind::Unsupported, "a scripted host takes what is in memory"));
        };
        Ok(CopyOutcome::one(CopyStatus::Copied, content.len() as u64, String::new()))
    }

    async fn close(self: Box<Self>) -> Result<()> {
        Ok(())
    }
}

impl Host {
    async fn obey(
        &self,
        script: &str,
        observer: &mut dyn Observer,
        control: &Control,
    ) -> Result<ExecOutcome> {
        let (verb, rest) = script.split_once(' ').unwrap_or((script, ""));
        match verb {
            "print" => {
                for line in rest.split(';') {
                    observer.output(Stream::Stdout, Bytes::from(format!("{line}\n"))).await?;
                }
                Ok(ExecOutcome::new(0))
            }
            "write" => {
                for piece in rest.split('|').filter(|piece| !piece.is_empty()) {
                    observer.output(Stream::Stdout, Bytes::from(piece.to_owned())).await?;
                }
                Ok(ExecOutcome::new(0))
            }
            "betray" => {
                observer
                    .output(Stream::Stderr, Bytes::from(format!("the password is {}", self.password)))
                    .await?;
                Err(Error::transport(Layer::Script, format!("it said {}", self.password)))
            }
            // `blurt TEXT`: it tells in its output and in its error what it was told.
            "blurt" => {
                observer.output(Stream::Stderr, Bytes::from(rest.to_owned())).await?;
                Err(Error::transport(Layer::Script, format!("it said {rest}")))
            }
            "fail" => Ok(ExecOutcome::new(rest.parse().unwrap_or(1))),
            // `falter N`: it fails the first N times.
            "falter" => {
                let own = format!("{}: {script}", self.target);
                let seen = self.seen.received.lock().map(|all| all.iter().filter(|one| **one == own).count());
                let fails = seen.unwrap_or_default() <= rest.parse().unwrap_or_default();
                Ok(ExecOutcome::new(fails.into()))
            }
            "vanish" => {
                let seen = self.seen.received.lock().map(|all| all.len()).unwrap_or_default();
                // `vanish N`: the connection is lost the first N times.
                if seen <= rest.parse().unwrap_or(usize::MAX) {
                    return Err(
                        Error::transport(Layer::Protocol, "the connection was lost").with_outcome_unknown()
                    );
                }
                Ok(ExecOutcome::new(0))
            }
            "hold" => {
                self.seen.holding.send_modify(|held| *held += 1);
                tokio::select! {
                    permit = self.seen.released.acquire() => {
                        if let Ok(permit) = permit {
                            permit.forget();
                        }
                        Ok(ExecOutcome::new(0))
                    }
                    () = control.cancel.cancelled() => Err(self.stopped(ErrorKind::Canceled)),
                    () = tokio::time::sleep(control.timeout.min(Duration::from_secs(3600))) => {
                        Err(self.stopped(ErrorKind::Timeout))
                    }
                }
            }
            // It runs until it is stopped, and then nobody knows whether it was.
            "cling" => {
                self.seen.holding.send_modify(|held| *held += 1);
                control.cancel.cancelled().await;
                Err(Error::new(ErrorKind::Canceled, "the command may still run").with_outcome_unknown())
            }
            _ => Ok(ExecOutcome::new(9009)),
        }
    }

    fn stopped(&self, kind: ErrorKind) -> Error {
        self.seen.stopped.fetch_add(1, Ordering::SeqCst);
        Error::new(kind, "the command was stopped on its host")
    }
}
