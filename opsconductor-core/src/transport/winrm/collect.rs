//! Output that the connector reads itself: what its own scripts report.

use async_trait::async_trait;
use bytes::Bytes;

use crate::{
    Result,
    transport::{Observer, RemoteHandle, Stream},
};

/// More than any of our scripts says.
const BYTES_MAX: usize = 64 * 1024;

/// Collects output, bounded, and passes the dispatch on.
pub(super) struct Collector<'a> {
    outer: Option<&'a mut dyn Observer>,
    stdout: Vec<u8>,
    stderr: Vec<u8>,
}

impl<'a> Collector<'a> {
    pub(super) fn new(outer: Option<&'a mut dyn Observer>) -> Self {
        Self { outer, stdout: Vec::new(), stderr: Vec::new() }
    }

    /// Standard output, line by line.
    pub(super) fn lines(&self) -> impl Iterator<Item = &str> {
        // Lines that are not UTF-8 are none of ours.
        self.stdout.split(|byte| *byte == b'\n').filter_map(text)
    }

    pub(super) fn first_error_line(&self) -> Option<&str> {
        self.stderr.split(|byte| *byte == b'\n').find_map(text)
    }
}

fn text(line: &[u8]) -> Option<&str> {
    std::str::from_utf8(line).ok().map(str::trim).filter(|line| !line.is_empty())
}

#[async_trait]
impl Observer for Collector<'_> {
    async fn dispatching(&mut self, handle: &RemoteHandle) -> Result<()> {
        match &mut self.outer {
            Some(outer) => outer.dispatching(handle).await,
            None => Ok(()),
        }
    }

    async fn output(&mut self, stream: Stream, bytes: Bytes) -> Result<()> {
        let buffer = match stream {
            Stream::Stdout => &mut self.stdout,
            Stream::Stderr => &mut self.stderr,
        };
        let room = BYTES_MAX.saturating_sub(buffer.len());
        buffer.extend_from_slice(&bytes[..bytes.len().min(room)]);
        Ok(())
    }
}
