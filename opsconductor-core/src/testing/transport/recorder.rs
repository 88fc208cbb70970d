//! [`Recorder`]: an observer that remembers, and that can be told to be difficult.

use std::{sync::Arc, time::Duration};

use async_trait::async_trait;
use bytes::Bytes;
use tokio::{
    sync::{Semaphore, watch},
    time::timeout,
};

use crate::{
    Error, ErrorKind, Result,
    transport::{Observer, RemoteHandle, Stream},
};

/// What an observer was told.
#[derive(Debug, Clone, Default)]
pub struct Heard {
    /// The handles that were announced; one, when all is well.
    pub handles: Vec<RemoteHandle>,
    /// Standard output so far.
    pub stdout: Vec<u8>,
    /// Standard error so far.
    pub stderr: Vec<u8>,
    /// How many pieces of output came.
    pub pieces: usize,
    /// Output came before the dispatch had been announced and had returned.
    pub early: bool,
    /// The dispatch has been announced and has returned.
    pub dispatched: bool,
}

/// An observer that remembers. Clones share what was heard, so that a case can look while a call runs.
#[derive(Debug, Clone)]
pub struct Recorder {
    heard: Arc<watch::Sender<Heard>>,
    refusal: Option<Refusal>,
    /// Where the dispatch waits for a permit.
    gate: Option<Arc<Semaphore>>,
    pause: Duration,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Refusal {
    Dispatch,
    Output,
}

impl Default for Recorder {
    fn default() -> Self {
        Self {
            heard: Arc::new(watch::Sender::new(Heard::default())),
            refusal: None,
            gate: None,
            pause: Duration::ZERO,
        }
    }
}

impl Recorder {
    /// The kind of error that a recorder refuses with.
    pub const REFUSAL: ErrorKind = ErrorKind::LeaseLost;

    /// One that refuses the dispatch.
    pub fn refusing_dispatch() -> Self {
        Self { refusal: Some(Refusal::Dispatch), ..Self::default() }
    }

    /// One that refuses the first piece of output.
    pub fn refusing_output() -> Self {
        Self { refusal: Some(Refusal::Output), ..Self::default() }
    }

    /// One whose dispatch does not return before [`Recorder::open`].
    pub fn holding_dispatch() -> Self {
        Self { gate: Some(Arc::new(Semaphore::new(0))), ..Self::default() }
    }

    /// One that takes that long over each piece of output.
    pub fn slow(pause: Duration) -> Self {
        Self { pause, ..Self::default() }
    }

    /// Lets a dispatch that is held return.
    pub fn open(&self) {
        if let Some(gate) = &self.gate {
            gate.add_permits(1);
        }
    }

    /// What was heard so far.
    pub fn heard(&self) -> Heard {
        self.heard.borrow().clone()
    }

    /// Returns once `enough` holds; `false` when it does not within `limit`.
    pub async fn until(&self, limit: Duration, enough: impl FnMut(&Heard) -> bool) -> bool {
        let mut heard = self.heard.subscribe();
        timeout(limit, heard.wait_for(enough)).await.is_ok_and(|seen| seen.is_ok())
    }

    /// Standard output as text.
    pub fn stdout(&self) -> String {
        text(&self.heard.borrow().stdout, "standard output")
    }

    /// Standard error as text.
    pub fn stderr(&self) -> String {
        text(&self.heard.borrow().stderr, "standard error")
    }
}

fn text(bytes: &[u8], stream: &str) -> String {
    match std::str::from_utf8(bytes) {
        Ok(text) => text.to_owned(),
        Err(error) => panic!("{stream} is not UTF-8 from byte {}", error.valid_up_to()),
    }
}

#[async_trait]
impl Observer for Recorder {
    async fn dispatching(&mut self, handle: &RemoteHandle) -> Result<()> {
        self.heard.send_modify(|heard| heard.handles.push(handle.clone()));
        if let Some(gate) = &self.gate {
            // The recorder holds the semaphore, so it is never closed.
            gate.acquire().await.unwrap().forget();
        }
        if self.refusal == Some(Refusal::Dispatch) {
            return Err(Error::new(Self::REFUSAL, "someone else holds the task"));
        }
        self.heard.send_modify(|heard| heard.dispatched = true);
        Ok(())
    }

    async fn output(&mut self, stream: Stream, bytes: Bytes) -> Result<()> {
        if !self.pause.is_zero() {
            tokio::time::sleep(self.pause).await;
        }
        self.heard.send_modify(|heard| {
            heard.early |= !heard.dispatched;
            heard.pieces += 1;
            match stream {
                Stream::Stdout => heard.stdout.extend_from_slice(&bytes),
                Stream::Stderr => heard.stderr.extend_from_slice(&bytes),
            }
        });
        if self.refusal == Some(Refusal::Output) {
            return Err(Error::new(Self::REFUSAL, "someone else holds the task"));
        }
        Ok(())
    }
}
