//! A content on its way into lines: read, packed and encoded on a thread of its own, a little ahead of the sending.

use std::{
    io::{self, Write as _},
    ops::Range,
    sync::Arc,
};

use base64::{Engine as _, engine::general_purpose::STANDARD};
use flate2::{Compression, write::DeflateEncoder};
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
pub(super) fn chunks(
    segments: Vec<Segment>,
    bytes_max: usize,
) -> mpsc::Receiver<Result<Chunk, crate::Error>> {
    let (give, chunks) = mpsc::channel(AHEAD);
    spawn_blocking(move || {
        if let Err(error) = produce(segments, bytes_max, &give) {
            // A sender that went away wants to know nothing more.
            let _ = give.blocking_send(Err(error));
        }
    });
    chunks
}

fn produce(
    segments: Vec<Segment>,
    bytes_max: usize,
    give: &mpsc::Sender<Result<Chunk, crate::Error>>,
) -> Result<(), crate::Error> {
    let mut packer = Packer::new(bytes_max);
    let mut trial = vec![0; TRIAL_BYTES];
    let count = Stream::new(segments.clone()).fill(&mut trial)?;
    packer.try_on(&trial[..count]);
    drop(trial);
    let mut stream = Stream::new(segments);
    let mut buffer = vec![0; packer.wanted()];
    loop {
        buffer.resize(packer.wanted(), 0);
        let count = stream.fill(&mut buffer)?;
        let mut rest = &buffer[..count];
        while !rest.is_empty() {
            let (chunk, taken) = packer.chunk(rest);
            rest = &rest[taken..];
            // A sender that went away wants no more.
            if give.blocking_send(Ok(chunk)).is_err() {
                return Ok(());
            }
        }
        if count < buffer.len() {
            return Ok(());
        }
    }
}

/// How much is packed to see whether packing is worth it, and the most that one line unpacks to.
const TRIAL_BYTES: usize = 1024 * 1024;

/// Makes lines, packed where the content has shown that it becomes smaller.
struct Packer {
    bytes_max: usize,
    /// How many bytes of content are put into a packed line; none when packing is not worth it.
    packing: Option<usize>,
}

impl Packer {
    fn new(bytes_max: usize) -> Self {
        Self { bytes_max, packing: None }
    }

    /// Packs a sample, and packs from then on when that made it smaller than nine tenths.
    fn try_on(&mut self, sample: &[u8]) {
        let packed = pack(sample);
        if packed.len() < sample.len() / 10 * 9 {
            self.packing = Some(self.fitting(sample.len(), packed.len()));
        }
    }

    /// How much content fits a line when `packed` bytes came of `length`, with some room to spare.
    fn fitting(&self, length: usize, packed: usize) -> usize {
        let fitting = self.bytes_max as u64 * length as u64 / (packed.max(1) as u64) / 10 * 9;
        usize::try_from(fitting).unwrap_or(usize::MAX).clamp(self.bytes_max, TRIAL_BYTES.max(self.bytes_max))
    }

    fn wanted(&self) -> usize {
        self.packing.unwrap_or(self.bytes_max)
    }

    /// A line of as much of `bytes` as it holds, and how much that is.
    fn chunk(&mut self, bytes: &[u8]) -> (Chunk, usize) {
        if self.packing.is_some() {
            let packed = pack(bytes);
            self.packing = Some(self.fitting(bytes.len(), packed.len()));
            if packed.len() < self.bytes_max && packed.len() < bytes.len() {
                return (line("~", &packed, bytes.len()), bytes.len());
            }
        }
        let taken = bytes.len().min(self.bytes_max);
        (line("", &bytes[..taken], taken), taken)
    }
}

fn pack(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = DeflateEncoder::new(Vec::with_capacity(bytes.len() / 2), Compression::fast());
    // Writing to memory cannot fail.
    let _ = encoder.write_all(bytes);
    encoder.finish().unwrap_or_default()
}

fn line(mark: &str, bytes: &[u8], length: usize) -> Chunk {
    let mut line = String::with_capacity(bytes.len() / 3 * 4 + 8);
    line.push_str(mark);
    STANDARD.encode_string(bytes, &mut line);
    line.push('\n');
    Chunk { length: length as u64, encoded: STANDARD.encode(line) }
}

struct Stream {
    segments: std::vec::IntoIter<Segment>,
    current: Option<(Arc<Source>, super::source::Reader, u64)>,
}

impl Stream {
    fn new(segments: Vec<Segment>) -> Self {
        Self { segments: segments.into_iter(), current: None }
    }

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
                let shorter =
                    io::Error::new(io::ErrorKind::UnexpectedEof, "it became shorter while it was sent");
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

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test may panic")]

    use std::{io::Read as _, sync::Arc};

    use base64::{Engine as _, engine::general_purpose::STANDARD};
    use flate2::read::DeflateDecoder;

    use super::{super::source::Source, chunks, line_bytes_max};
    use crate::transport::FileSource;

    async fn sent(content: Vec<u8>, bytes_max: usize) -> (Vec<u8>, usize, usize) {
        let source = Arc::new(Source::measure(FileSource::Bytes(content.into())).await.unwrap());
        let (mut all, mut wire, mut packed) = (Vec::new(), 0, 0);
        let mut chunks = chunks(vec![(Arc::clone(&source), 0..source.length)], bytes_max);
        while let Some(chunk) = chunks.recv().await {
            let chunk = chunk.unwrap();
            wire += chunk.encoded.len();
            assert!(chunk.encoded.len() < bytes_max / 9 * 16 + 64, "a chunk fits its envelope");
            let line = String::from_utf8(STANDARD.decode(chunk.encoded).unwrap()).unwrap();
            let line = line.strip_suffix('\n').unwrap();
            let before = all.len();
            match line.strip_prefix('~') {
                Some(line) => {
                    packed += 1;
                    let bytes = STANDARD.decode(line).unwrap();
                    DeflateDecoder::new(&bytes[..]).read_to_end(&mut all).unwrap();
                }
                None => all.extend(STANDARD.decode(line).unwrap()),
            }
            assert_eq!(chunk.length as usize, all.len() - before);
        }
        (all, wire, packed)
    }

    #[tokio::test]
    async fn what_becomes_smaller_is_packed_and_the_rest_is_not() {
        let noise: Vec<u8> =
            (0..2_000_000_u64).map(|n| (n.wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 56) as u8).collect();
        let mut state = 1_u64;
        let noise: Vec<u8> = noise
            .iter()
            .map(|byte| {
                state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
                byte ^ (state >> 33) as u8
            })
            .collect();
        let text = b"The quick brown fox jumps over the lazy dog. ".repeat(50_000);
        let mixed = [&text[..], &noise[..]].concat();
        for bytes_max in [line_bytes_max(500 * 1024), 9_000] {
            let (all, _, packed) = sent(noise.clone(), bytes_max).await;
            assert!(all == noise && packed == 0);
            let (all, wire, packed) = sent(text.clone(), bytes_max).await;
            assert!(all == text && packed > 0 && wire < text.len() / 4, "{wire}");
            let (all, _, packed) = sent(mixed.clone(), bytes_max).await;
            assert!(all == mixed && packed > 0);
        }
    }

    #[tokio::test]
    async fn nothing_is_no_chunk() {
        assert_eq!(sent(Vec::new(), 9_000).await, (Vec::new(), 0, 0));
    }

    #[test]
    fn a_line_fits_its_envelope() {
        assert!((280_000..=286_500).contains(&line_bytes_max(500 * 1024)));
        assert!((84_000..=86_000).contains(&line_bytes_max(150 * 1024)));
    }
}
