//! A command of a shell: its standard input, its output and its end.

use std::{collections::VecDeque, sync::Arc, time::Duration};

use bytes::{Buf as _, Bytes, BytesMut};
use tokio::sync::{Mutex, mpsc, oneshot, watch};

use crate::{
    machine::{Process, ProcessControl, STDIN_PIECE_BYTES, StreamName},
    soap::{fault::Fault, request::Input, response::guid},
};

/// What one Receive brings back.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Received {
    /// Output, in order.
    pub(crate) pieces: Vec<(StreamName, Bytes)>,
    /// The exit code, once there is no more output.
    pub(crate) exit_code: Option<i32>,
}

/// A command that was started.
pub(crate) struct Command {
    pub(crate) id: String,
    /// Locked while a Send is being written; `None` after the end of input.
    stdin: Arc<Mutex<Option<mpsc::Sender<Bytes>>>>,
    /// Locked while a Receive waits.
    output: Mutex<Output>,
    control: ProcessControl,
    ended: watch::Sender<bool>,
}

impl Command {
    pub(crate) fn new(process: Process) -> Self {
        let output = Output {
            pipe: process.output,
            exit: Some(process.exit),
            waiting: VecDeque::new(),
            closed: false,
            exit_code: None,
        };
        Self {
            id: guid(),
            stdin: Arc::new(Mutex::new(process.stdin)),
            output: Mutex::new(output),
            control: process.control,
            ended: watch::Sender::new(false),
        }
    }

    /// Writes to standard input and waits until the pipe has taken it. After the time-out the writing goes on: the data
    /// was taken.
    pub(crate) async fn send(&self, input: Input, timeout: Duration) -> Result<(), Fault> {
        let mut stdin = Arc::clone(&self.stdin).try_lock_owned().map_err(|_| Fault::busy())?;
        if *self.ended.borrow() {
            return Err(Fault::aborted());
        }
        let sender = stdin.clone().ok_or_else(Fault::pipe_closing)?;
        let mut data = Bytes::from(input.data);
        // Mostly there is room at once; who has to wait must not take the rest along when the client goes away.
        while !data.is_empty() {
            let piece = data.slice(..data.len().min(STDIN_PIECE_BYTES));
            match sender.try_send(piece) {
                Ok(()) => data.advance(data.len().min(STDIN_PIECE_BYTES)),
                Err(mpsc::error::TrySendError::Full(_)) => break,
                Err(mpsc::error::TrySendError::Closed(_)) => {
                    *stdin = None;
                    return Err(Fault::pipe_closing());
                }
            }
        }
        if data.is_empty() {
            if input.end {
                *stdin = None;
            }
            return Ok(());
        }
        let writing = tokio::spawn(async move {
            while !data.is_empty() {
                let piece = data.split_to(data.len().min(STDIN_PIECE_BYTES));
                if sender.send(piece).await.is_err() {
                    *stdin = None;
                    return Err(Fault::pipe_closing());
                }
            }
            if input.end {
                *stdin = None;
            }
            Ok(())
        });
        let written = async { writing.await.unwrap_or_else(|_| Err(Fault::aborted())) };
        self.unless_ended(timeout, written).await?
    }

    /// Waits for output or the end, and takes what there is: pieces of at most `piece_max` bytes while `budget` allows.
    pub(crate) async fn receive(
        &self,
        timeout: Duration,
        piece_max: usize,
        budget: Budget,
    ) -> Result<Received, Fault> {
        let mut output = self.output.try_lock().map_err(|_| Fault::busy())?;
        self.unless_ended(timeout, output.ready()).await?;
        Ok(output.take(piece_max, budget))
    }

    /// `ctrl_c` and `ctrl_break`.
    pub(crate) fn interrupt(&self) {
        self.control.interrupt();
    }

    /// Kills the process and aborts what waits for it.
    pub(crate) fn end(&self) {
        self.control.terminate();
        self.ended.send_replace(true);
    }

    async fn unless_ended<T>(&self, timeout: Duration, work: impl Future<Output = T>) -> Result<T, Fault> {
        let mut ended = self.ended.subscribe();
        let ended = ended.wait_for(|ended| *ended);
        tokio::select! {
            biased;
            _ = ended => Err(Fault::aborted()),
            done = tokio::time::timeout(timeout, work) => done.map_err(|_| Fault::timed_out()),
        }
    }
}

/// How much a response may still hold.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Budget(usize);

impl Budget {
    /// What the elements around a piece take in the envelope.
    const PIECE_OVERHEAD: usize = 160;
    /// What the rest of the envelope takes.
    const ENVELOPE_OVERHEAD: usize = 2048;
    /// However small the client's envelope, a little output fits.
    const LEAST: usize = 1024;

    /// The room for output in an envelope of that size.
    pub(crate) fn of_envelope(bytes: usize) -> Self {
        Self(bytes.saturating_sub(Self::ENVELOPE_OVERHEAD).max(Self::LEAST))
    }

    /// How many bytes of output still fit into one more piece.
    fn piece(self) -> usize {
        self.0.saturating_sub(Self::PIECE_OVERHEAD) / 4 * 3
    }

    fn spend(&mut self, bytes: usize) {
        self.0 = self.0.saturating_sub(bytes.div_ceil(3) * 4 + Self::PIECE_OVERHEAD);
    }
}

struct Output {
    pipe: mpsc::Receiver<(StreamName, Bytes)>,
    exit: Option<oneshot::Receiver<i32>>,
    waiting: VecDeque<(StreamName, Bytes)>,
    closed: bool,
    exit_code: Option<i32>,
}

impl Output {
    /// Waits until there is something to say. Safe to drop while it waits.
    async fn ready(&mut self) {
        while self.waiting.is_empty() {
            if self.closed {
                if let Some(exit) = &mut self.exit {
                    self.exit_code = Some(exit.await.unwrap_or(1));
                    self.exit = None;
                }
                return;
            }
            match self.pipe.recv().await {
                Some(piece) => self.waiting.push_back(piece),
                None => self.closed = true,
            }
        }
    }

    fn take(&mut self, piece_max: usize, mut budget: Budget) -> Received {
        let mut pieces = Vec::new();
        loop {
            let limit = piece_max.min(budget.piece());
            let piece = if limit == 0 { None } else { self.next(limit) };
            let Some(piece) = piece else { break };
            budget.spend(piece.1.len());
            pieces.push(piece);
        }
        if self.waiting.is_empty()
            && self.closed
            && let Some(Ok(code)) = self.exit.as_mut().map(oneshot::Receiver::try_recv)
        {
            self.exit_code = Some(code);
            self.exit = None;
        }
        let done = self.waiting.is_empty() && self.closed;
        Received { pieces, exit_code: self.exit_code.filter(|_| done) }
    }

    /// The next piece: what the process wrote to one stream in a row, up to the limit, wherever that cuts.
    fn next(&mut self, limit: usize) -> Option<(StreamName, Bytes)> {
        let (stream, mut data) = self.pull()?;
        let rest = data.split_off(data.len().min(limit));
        if !rest.is_empty() {
            self.waiting.push_front((stream, rest));
            return Some((stream, data));
        }
        let mut whole = BytesMut::from(data);
        while whole.len() < limit {
            match self.pull() {
                Some((next, mut more)) if next == stream => {
                    let rest = more.split_off(more.len().min(limit - whole.len()));
                    whole.extend_from_slice(&more);
                    if !rest.is_empty() {
                        self.waiting.push_front((stream, rest));
                    }
                }
                Some(other) => {
                    self.waiting.push_front(other);
                    break;
                }
                None => break,
            }
        }
        Some((stream, whole.freeze()))
    }

    /// What waits, or what the pipe has at once.
    fn pull(&mut self) -> Option<(StreamName, Bytes)> {
        if let Some(waiting) = self.waiting.pop_front() {
            return Some(waiting);
        }
        match self.pipe.try_recv() {
            Ok(piece) => Some(piece),
            Err(mpsc::error::TryRecvError::Disconnected) => {
                self.closed = true;
                None
            }
            Err(mpsc::error::TryRecvError::Empty) => None,
        }
    }
}
