//! One file: a script that says what is there, takes what is missing, and puts the whole in its place.

use std::{sync::Arc, time::Instant};

use base64::{Engine as _, engine::general_purpose::STANDARD};
use bytes::{BufMut as _, Bytes, BytesMut};
use serde::Serialize;

use super::{
    super::{
        host::Host,
        process::{Process, Sent},
    },
    Copying,
    chunks::{Chunk, Segment, chunks},
    ranges,
    report::{self, Report},
    source::Source,
    tries::Tries,
};
use crate::{Error, Result, error::Layer, transport::CopyStatus};

const SCRIPT: &str = concat!(include_str!("common.ps1"), include_str!("one.ps1"));

/// A content up to this length goes along with the script, which saves asking what is there.
const INLINE_BYTES_MAX: u64 = 48 * 1024;

/// The smallest chunk that a host may bring us to.
const CHUNK_BYTES_MIN: usize = 4 * 1024;

/// What the script needs to know.
#[derive(Serialize)]
struct Parameters<'a> {
    dest: &'a str,
    overwrite: bool,
    /// The folders above the destination are made.
    folders: bool,
    length: u64,
    sha256: &'a str,
    /// The content follows at once.
    inline: bool,
}

/// Copies one file, beginning anew where it was when the connection is lost.
pub(super) async fn copy_one(
    copying: &mut Copying<'_>,
    dest: &str,
    source: &Arc<Source>,
    overwrite: bool,
    folders: bool,
) -> Result<CopyStatus> {
    let inline = source.length <= INLINE_BYTES_MAX;
    let parameters =
        Parameters { dest, overwrite, folders, length: source.length, sha256: &source.sha256, inline };
    let mut tries = Tries::default();
    // Whether an earlier try may have put the file in its place without our hearing of it.
    let mut committing = false;
    loop {
        let mut written = Upload { committing, ..Upload::default() };
        let result = attempt(copying, &parameters, source, &mut written).await;
        tries.reached(written.done_before + written.reached);
        let earlier = std::mem::replace(&mut committing, written.committing);
        let error = match result {
            // What was put there unheard by an earlier try was written by this copy all the same.
            Ok(CopyStatus::Unchanged) if earlier => return Ok(CopyStatus::Copied),
            Ok(status) => return Ok(status),
            Err(error) => error,
        };
        if let Err(error) = tries.again(error, copying.transfer.limits).await {
            return Err(if committing { error.with_outcome_unknown() } else { error });
        }
    }
}

/// How far an attempt came.
#[derive(Default)]
pub(super) struct Upload {
    /// How many bytes were there before.
    pub(super) done_before: u64,
    /// How many bytes were sent and taken.
    pub(super) reached: u64,
    /// The last byte was sent, and what the script did with it is not known.
    pub(super) committing: bool,
}

async fn attempt(
    copying: &mut Copying<'_>,
    parameters: &Parameters<'_>,
    source: &Arc<Source>,
    written: &mut Upload,
) -> Result<CopyStatus> {
    let inline = parameters.inline;
    let content = if inline { whole(source)? } else { Bytes::new() };
    let started = copying.transfer.start(SCRIPT, parameters, &content).await;
    // A script that has the whole content may act from its start.
    written.committing |= inline && copying.transfer.is_announced();
    let mut process = started?;
    let limits = copying.transfer.limits;
    let result = limits.within(converse(copying, &mut process, parameters, source, written)).await;
    match result {
        Ok(status) => {
            copying.transfer.finish(process).await;
            Ok(status)
        }
        Err(error) => Err(copying.transfer.abandon(process, error, written.committing).await),
    }
}

async fn converse(
    copying: &mut Copying<'_>,
    process: &mut Process,
    parameters: &Parameters<'_>,
    source: &Arc<Source>,
    written: &mut Upload,
) -> Result<CopyStatus> {
    let host = Arc::clone(&copying.transfer.lane.host);
    if !parameters.inline {
        let part = format!("{}.{}.part", parameters.dest, &source.sha256[..16]);
        process.ready_feed().await?;
        let line = process.report().await?;
        match Report::read(&line) {
            Some(Report::Part { length, sha256 }) => {
                let from = resume_at(source, length, sha256.as_deref()).await?;
                tracing::debug!(target = host.target, from, length = source.length, "sending the content");
                written.done_before = from;
                let plan = STANDARD.encode(format!("{from}\n"));
                let begun = Instant::now();
                if process.send(&plan).await? == Sent::Taken {
                    let left = source.length - from;
                    let bytes_min = host.settings.parallel_copy_bytes_min;
                    if copying.ranges && ranges::are_worth_it(left, bytes_min, begun.elapsed()) {
                        ranges::upload(copying, process, &part, source, from, written).await?;
                    } else {
                        let rest = vec![(Arc::clone(source), from..source.length)];
                        upload(copying, process, rest, written, true).await?;
                    }
                }
            }
            report => return ended(report, &host, &line, written),
        }
    }
    let line = process.report().await?;
    ended(Report::read(&line), &host, &line, written)
}

/// What the last report says. After it nothing is in doubt.
fn ended(report: Option<Report>, host: &Host, line: &str, written: &mut Upload) -> Result<CopyStatus> {
    written.committing &= report.is_none();
    match report {
        Some(Report::Done) => Ok(CopyStatus::Copied),
        Some(Report::Same) => Ok(CopyStatus::Unchanged),
        Some(Report::Exists(_)) => Err(report::exists(host)),
        Some(Report::Failed(failed)) => Err(failed.into_error(host, "the file was not written")),
        _ => Err(report::unexpected(host, line)),
    }
}

/// Where to go on: after what is there, if that is how the content begins.
async fn resume_at(source: &Source, length: u64, sha256: Option<&str>) -> Result<u64> {
    let Some(sha256) = sha256.filter(|_| (1..=source.length).contains(&length)) else { return Ok(0) };
    let own =
        if length == source.length { source.sha256.clone() } else { source.prefix_sha256(length).await? };
    Ok(if own == sha256 { length } else { 0 })
}

/// Sends `segments` as one stream, unless the script has something to say first.
pub(super) async fn upload(
    copying: &mut Copying<'_>,
    process: &mut Process,
    segments: Vec<Segment>,
    written: &mut Upload,
    last: bool,
) -> Result<()> {
    let whole: u64 = segments.iter().map(|(_, range)| range.end - range.start).sum();
    loop {
        let mut chunks = chunks(after(&segments, written.reached), copying.chunk_bytes);
        loop {
            let Some(chunk) = chunks.recv().await else { return Ok(()) };
            let Chunk { length, encoded } = chunk?;
            written.committing |= last && written.reached + length == whole;
            match process.send(&encoded).await? {
                Sent::Taken => written.reached += length,
                Sent::Interrupted => return Ok(()),
                Sent::TooLarge if copying.chunk_bytes > CHUNK_BYTES_MIN => {
                    copying.chunk_bytes /= 2;
                    tracing::debug!(bytes = copying.chunk_bytes, "the host takes smaller messages alone");
                    break;
                }
                Sent::TooLarge => return Err(too_small(&copying.transfer.lane.host)),
            }
        }
    }
}

/// What is left of `segments` after so many bytes.
fn after(segments: &[Segment], mut skip: u64) -> Vec<Segment> {
    let mut left = Vec::new();
    for (source, range) in segments {
        let skipped = skip.min(range.end - range.start);
        skip -= skipped;
        if range.start + skipped < range.end {
            left.push((Arc::clone(source), range.start + skipped..range.end));
        }
    }
    left
}

pub(super) fn too_small(host: &Host) -> Error {
    let message = "the host takes no message of a useful size; raise its MaxEnvelopeSizekb";
    host.about(Error::transport(Layer::Protocol, message)).with_code(413)
}

/// A small content as one line.
fn whole(source: &Source) -> Result<Bytes> {
    let mut content = vec![0; source.length as usize];
    let mut reader = source.open(0..source.length).map_err(|error| source.unreadable(error))?;
    let count = reader.read_full(&mut content).map_err(|error| source.unreadable(error))?;
    if count < content.len() {
        return Err(source.unreadable(std::io::ErrorKind::UnexpectedEof.into()));
    }
    let mut line = BytesMut::with_capacity(content.len() / 3 * 4 + 8);
    line.put_slice(STANDARD.encode(&content).as_bytes());
    line.put_u8(b'\n');
    Ok(line.freeze())
}
