//! The recorder: what a remote call tells while it runs goes through it into the store.

use std::{sync::Arc, time::Duration};

use async_trait::async_trait;
use bytes::Bytes;
use tokio_util::sync::CancellationToken;

use super::{
    Inner,
    lease::{Holding, Stop},
};
use crate::{
    Error, ErrorKind, Result,
    run::{output::StreamText, redact::Redactor},
    store::{CHUNK_BYTES_MAX, OutputChunk, OutputPiece},
    transport::{Observer, RemoteHandle, Stream},
};

/// How long output waits before it is offered again to a store that was away.
const APPEND_AGAIN: Duration = Duration::from_millis(200);

/// Commits the dispatch intent and stores output of one task, redacted and bounded.
pub(super) struct Recorder {
    inner: Arc<Inner>,
    holding: Arc<Holding>,
    stdout: StreamText,
    stderr: StreamText,
    next_seq: u32,
    room: u64,
    limit: u64,
    /// Output was dropped, and the mark that says so is stored.
    cut: bool,
}

impl Recorder {
    pub(super) fn new(inner: Arc<Inner>, holding: Arc<Holding>, redactor: &Redactor, limit: u64) -> Self {
        Self {
            inner,
            holding,
            stdout: StreamText::new(redactor),
            stderr: StreamText::new(redactor),
            next_seq: 1,
            room: limit,
            limit,
            cut: false,
        }
    }

    /// Takes a piece that this attempt stored before, under a worker that stopped: counting goes on behind it.
    pub(super) fn recall(&mut self, chunk: &OutputChunk) {
        self.stream(chunk.stream).recall(&chunk.text);
        self.next_seq = self.next_seq.max(chunk.seq + 1);
        let length = chunk.text.len() as u64;
        // Only the mark goes beyond the limit.
        self.cut |= length > self.room;
        self.room = self.room.saturating_sub(length);
    }

    /// Whether the intent to act was committed.
    pub(super) fn dispatched(&self) -> bool {
        self.holding.was_dispatched()
    }

    /// Stores what was held back and gives the ends of both streams.
    pub(super) async fn finish(mut self) -> Result<(String, String)> {
        for stream in [Stream::Stdout, Stream::Stderr] {
            let text = self.stream(stream).finish();
            self.store(stream, text).await?;
        }
        Ok((self.stdout.into_tail(), self.stderr.into_tail()))
    }

    fn stream(&mut self, stream: Stream) -> &mut StreamText {
        match stream {
            Stream::Stdout => &mut self.stdout,
            Stream::Stderr => &mut self.stderr,
        }
    }

    async fn store(&mut self, stream: Stream, text: String) -> Result<()> {
        let text = self.within_limit(text);
        self.write(stream, &text).await
    }

    async fn write(&mut self, stream: Stream, text: &str) -> Result<()> {
        if text.is_empty() {
            return Ok(());
        }
        let mut pieces = Vec::new();
        let mut rest = text;
        while !rest.is_empty() {
            let (piece, after) = rest.split_at(rest.floor_char_boundary(CHUNK_BYTES_MAX));
            let text = Bytes::copy_from_slice(piece.as_bytes());
            pieces.push(OutputPiece { lease: self.holding.lease, seq: self.next_seq, stream, text });
            self.next_seq += 1;
            rest = after;
        }
        if self.append(pieces).await?.iter().all(|written| *written) { Ok(()) } else { Err(self.lost()) }
    }

    /// Appends, again and again while the store is away: its absence is no reason to stop a command that runs well. A
    /// repeat writes nothing twice, and the fence ends the wait before the lease does.
    async fn append(&self, pieces: Vec<OutputPiece>) -> Result<Vec<bool>> {
        loop {
            match self.inner.store.append_output(pieces.clone()).await {
                Err(error) if error.is_retryable() && self.holding.why().is_none() => {
                    tracing::warn!(error = %error.report(), task = %self.holding.lease.task, "output waits for the store");
                    self.inner.clock.sleep(APPEND_AGAIN).await;
                }
                answer => return answer,
            }
        }
    }

    /// Cuts at the task's limit, with a line that says so; what comes later is dropped.
    fn within_limit(&mut self, mut text: String) -> String {
        let length = text.len() as u64;
        if length <= self.room {
            self.room -= length;
            return text;
        }
        if self.cut {
            return String::new();
        }
        let keep = usize::try_from(self.room).unwrap_or(usize::MAX);
        text.truncate(text.floor_char_boundary(keep));
        text.push_str(&format!("\n[output cut: the step's limit of {} bytes is reached]\n", self.limit));
        (self.room, self.cut) = (0, true);
        text
    }

    fn lost(&self) -> Error {
        self.holding.stop(Stop::LeaseLost);
        Error::new(ErrorKind::LeaseLost, "the lease was lost: another worker may hold the task")
    }
}

#[async_trait]
impl Observer for Recorder {
    async fn dispatching(&mut self, handle: &RemoteHandle) -> Result<()> {
        match self.holding.why() {
            None => {}
            Some(Stop::LeaseLost) => return Err(self.lost()),
            Some(_) => return Err(Error::new(ErrorKind::Canceled, "stopped before anything was sent")),
        }
        let recorded = self.inner.store.record_dispatch(&self.holding.lease, handle).await;
        if recorded.as_ref().is_err_and(|error| error.kind() == ErrorKind::Canceled) {
            // The store says so before anybody told this worker.
            self.holding.stop(Stop::Canceled);
        }
        recorded?;
        self.holding.set_dispatched();
        Ok(())
    }

    async fn dispatched(&mut self, handle: &RemoteHandle) -> Result<()> {
        loop {
            match self.inner.store.record_dispatch(&self.holding.lease, handle).await {
                // The command has been started: a store that is away is no reason to stop it.
                Err(error) if error.is_retryable() && self.holding.why().is_none() => {
                    tracing::warn!(error = %error.report(), task = %self.holding.lease.task, "a command's name waits for the store");
                    self.inner.clock.sleep(APPEND_AGAIN).await;
                }
                Err(error) if error.kind() == ErrorKind::LeaseLost => return Err(self.lost()),
                answer => return answer,
            }
        }
    }

    async fn output(&mut self, stream: Stream, bytes: Bytes) -> Result<()> {
        let text = self.stream(stream).push(&bytes);
        self.store(stream, text).await
    }

    /// Both streams are concerned; one line says so.
    async fn gap(&mut self, reason: &str) -> Result<()> {
        self.stderr.discard();
        let line = format!("[opsconductor: output may be missing here: {reason}]");
        let text = self.stdout.interrupt(&line);
        // Behind the cut nothing is kept, so nothing is missing there.
        if self.cut { Ok(()) } else { self.write(Stream::Stdout, &text).await }
    }

    fn released(&self) -> Option<CancellationToken> {
        self.holding.is_resumable().then(|| self.holding.released.clone())
    }
}
