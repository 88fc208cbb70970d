//! A content on its way into lines: read, packed and encoded on a thread of its own, a little ahead of the sending.

use std::{io, ops::Range, sync::Arc};

use base64::{Engine as _, engine::general_purpose::STANDARD};
use tokio::{sync::mpsc, task::spawn_blocking};

use super::source::Source;

/// How many chunks wait for the sender.
const AHEAD: usize = 2;

/// A part of a content.
pub(super) type Segment = (Arc<Source>, Range<u64>);

/// What one message carries.
pub(super) struct Chunk {
    /// How many bytes of content it holds.
    pub(super) length: u64,
    /// The line in base64, as it stands in the message.
    pub(super) encoded: String,
}

/// How many bytes of content a line may hold, so that its message fits an envelope. The line is base64, the message has
/// that in base64 once more, and the headers take their own.
pub(super) fn line_bytes_max(envelope_bytes_max: usize) -> usize {
    // A multiple of 9 needs no padding, neither in the line nor in the message.
    (envelope_bytes_max.saturating_sub(3 * 1024) / 16 * 9).max(9)
}

/// Reads `segments` one after the other, as one stream. It ends early, with an error, when one is shorter than it was.
pub(super) fn chunks(segments: Vec<Segment>, bytes_max: usize) -> mpsc::Receiver<Result<Chunk, crate::Error>> {
    let (give, chunks) = mpsc::channel(AHEAD);
    spawn_blocking(move || {
        let mut stream = Stream { segments: segments.into_iter(), current: None };
        let mut buffer = vec![0; bytes_max];
        loop {
            let chunk = stream.fill(&mut buffer).map(|count| chunk(&buffer[..count]));
            let done = chunk.as_ref().map_or(true, |chunk| chunk.length == 0);
            // A sender that went away wants no more.
            if chunk.as_ref().is_ok_and(|chunk| chunk.length == 0) || give.blocking_send(chunk).is_err() || done {
                return;
            }
        }
    });
    chunks
}

fn chunk(bytes: &[u8]) -> Chunk {
    let mut line = String::with_capacity(bytes.len() / 3 * 4 + 8);
    STANDARD.encode_string(bytes, &mut line);
    line.push('\n');
    Chunk { length: bytes.len() as u64, encoded: STANDARD.encode(line) }
}

struct Stream {
    segments: std::vec::IntoIter<Segment>,
    current: Option<(Arc<Source>, super::source::Reader, u64)>,
}

impl Stream {
    /// Fills `buffer` as far as there is content.
    fn fill(&mut self, buffer: &mut [u8]) -> Result<usize, crate::Error> {
        let mut count = 0;
        while count < buffer.len() {
            let Some((source, reader, left)) = &mut self.current else {
                let Some((source, range)) = self.segments.next() else { break };
                let left = range.end - range.start;
                let reader = source.open(range).map_err(|error| source.unreadable(error))?;
                self.current = Some((source, reader, left));
                continue;
            };
            let wanted = usize::try_from(*left).unwrap_or(usize::MAX).min(buffer.len() - count);
            let more = reader
                .read_full(&mut buffer[count..count + wanted])
                .map_err(|error| source.unreadable(error))?;
            if more < wanted {
                let shorter = io::Error::new(io::ErrorKind::UnexpectedEof, "it became shorter while it was sent");
                return Err(source.unreadable(shorter));
            }
            count += more;
            *left -= more as u64;
            if *left == 0 {
                self.current = None;
            }
        }
        Ok(count)
    }
}
