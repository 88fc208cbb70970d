//! Standard streams: where a program reads from and writes to.

use std::sync::{Arc, Mutex, PoisonError};

use bytes::{Bytes, BytesMut};
use memchr::memchr;
use tokio::sync::mpsc;

use super::Machine;
use super::process::StreamName;

/// The longest line a reader takes; a longer one ends there.
const LINE_BYTES_MAX: usize = 64 * 1024 * 1024;
/// The most a reader takes as one value.
pub(crate) const READ_BYTES_MAX: usize = 512 * 1024 * 1024;
/// The largest piece written at once.
const PIECE_BYTES: usize = 16 * 1024;
/// The most a captured output holds.
const CAPTURE_BYTES_MAX: usize = 256 * 1024 * 1024;

/// Standard input, shared with the programs started below.
#[derive(Debug, Clone)]
pub(crate) struct Stdin(Arc<tokio::sync::Mutex<Reader>>);

#[derive(Debug)]
struct Reader {
    pieces: Option<mpsc::Receiver<Bytes>>,
    buffer: BytesMut,
    /// How much of the buffer is known to hold no line feed.
    searched: usize,
}

impl Stdin {
    pub(crate) fn new(pieces: mpsc::Receiver<Bytes>) -> Self {
        Self::from_parts(Some(pieces), BytesMut::new())
    }

    pub(crate) fn empty() -> Self {
        Self::from_parts(None, BytesMut::new())
    }

    pub(crate) fn of(bytes: &[u8]) -> Self {
        Self::from_parts(None, BytesMut::from(bytes))
    }

    fn from_parts(pieces: Option<mpsc::Receiver<Bytes>>, buffer: BytesMut) -> Self {
        Self(Arc::new(tokio::sync::Mutex::new(Reader { pieces, buffer, searched: 0 })))
    }

    /// The next line without its end (`\n`, `\r\n` or `\r` before `\n`); none at the end of input.
    pub(crate) async fn read_line(&self) -> Option<Bytes> {
        let mut reader = self.0.lock().await;
        loop {
            let from = reader.searched;
            if let Some(at) = memchr(b'\n', &reader.buffer[from..]) {
                let mut line = reader.buffer.split_to(from + at + 1);
                reader.searched = 0;
                line.truncate(line.len() - 1);
                if line.last() == Some(&b'\r') {
                    line.truncate(line.len() - 1);
                }
                return Some(line.freeze());
            }
            reader.searched = reader.buffer.len();
            if reader.buffer.len() >= LINE_BYTES_MAX || !reader.fill().await {
                reader.searched = 0;
                let mut rest = reader.buffer.split();
                if rest.last() == Some(&b'\r') {
                    rest.truncate(rest.len() - 1);
                }
                return (!rest.is_empty()).then(|| rest.freeze());
            }
        }
    }

    /// At most `count` bytes, at least one unless at the end of input.
    pub(crate) async fn read_up_to(&self, count: usize) -> Bytes {
        let mut reader = self.0.lock().await;
        if reader.buffer.is_empty() {
            reader.fill().await;
        }
        reader.searched = 0;
        let count = count.min(reader.buffer.len());
        reader.buffer.split_to(count).freeze()
    }

    /// All that comes until the end of input.
    pub(crate) async fn read_to_end(&self) -> Bytes {
        let mut reader = self.0.lock().await;
        while reader.buffer.len() < READ_BYTES_MAX && reader.fill().await {}
        reader.searched = 0;
        reader.buffer.split().freeze()
    }
}

impl Reader {
    async fn fill(&mut self) -> bool {
        let Some(pieces) = &mut self.pieces else { return false };
        match pieces.recv().await {
            Some(piece) => {
                self.buffer.extend_from_slice(&piece);
                true
            }
            None => {
                self.pieces = None;
                false
            }
        }
    }
}

/// Where a stream goes.
#[derive(Debug, Clone)]
pub(crate) enum Sink {
    /// To the parent of the process.
    Parent(StreamName, mpsc::Sender<(StreamName, Bytes)>),
    /// Into the next program of a pipe.
    Pipe(mpsc::Sender<Bytes>),
    /// Into memory.
    Capture(Arc<Mutex<Vec<u8>>>),
    /// Onto the end of a file.
    File(Arc<Machine>, Arc<str>),
    /// Nowhere (`NUL`).
    Nowhere,
}

impl Sink {
    pub(crate) fn capture() -> (Self, Arc<Mutex<Vec<u8>>>) {
        let bytes = Arc::new(Mutex::new(Vec::new()));
        (Self::Capture(bytes.clone()), bytes)
    }

    /// Writes all, waiting while the reader is behind. A reader that went away is no error, as for a console program.
    pub(crate) async fn write(&self, bytes: &[u8]) {
        match self {
            Self::Nowhere => {}
            Self::Capture(captured) => {
                let mut captured = captured.lock().unwrap_or_else(PoisonError::into_inner);
                let room = CAPTURE_BYTES_MAX.saturating_sub(captured.len());
                captured.extend_from_slice(&bytes[..bytes.len().min(room)]);
            }
            Self::File(machine, path) => {
                // The file was opened for this stream; that it went away since is what Windows would not allow.
                let _gone = machine.state().files.append(path, bytes);
            }
            Self::Parent(stream, parent) => {
                for piece in bytes.chunks(PIECE_BYTES) {
                    if parent.send((*stream, Bytes::copy_from_slice(piece))).await.is_err() {
                        return;
                    }
                }
            }
            Self::Pipe(next) => {
                for piece in bytes.chunks(PIECE_BYTES) {
                    if next.send(Bytes::copy_from_slice(piece)).await.is_err() {
                        return;
                    }
                }
            }
        }
    }
}

/// What was captured.
pub(crate) fn captured(bytes: &Mutex<Vec<u8>>) -> Vec<u8> {
    std::mem::take(&mut *bytes.lock().unwrap_or_else(PoisonError::into_inner))
}
