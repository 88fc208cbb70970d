//! `DeflateStream`, and what moves bytes from one stream to another.

use std::io::{Read as _, Write as _};

use flate2::{Compression, read::DeflateDecoder, write::DeflateEncoder};

use super::native::Native;
use crate::machine::io::READ_BYTES_MAX;
use crate::machine::powershell::error::{ErrorRecord, Result};
use crate::machine::powershell::value::{Value, lock};

/// A stream that packs what is written to it, or unpacks what its base holds.
#[derive(Debug)]
pub(in super::super) struct Deflate {
    base: Value,
    compress: bool,
    plain: Vec<u8>,
    position: usize,
    opened: bool,
}

impl Deflate {
    pub(in super::super) fn new(base: Value, compress: bool) -> Self {
        Self { base, compress, plain: Vec::new(), position: 0, opened: false }
    }

    fn read(&mut self, count: usize) -> Result<Vec<u8>> {
        if self.compress {
            return invalid("Reading from the compression stream is not supported.");
        }
        if !self.opened {
            self.opened = true;
            let packed = read(&self.base, usize::MAX)?.unwrap_or_default();
            let limit = READ_BYTES_MAX as u64;
            if DeflateDecoder::new(&packed[..]).take(limit).read_to_end(&mut self.plain).is_err() {
                return ErrorRecord::new(
                    "System.IO.InvalidDataException",
                    "Block length does not match with its complement.",
                    "InvalidDataException",
                    "NotSpecified",
                )
                .throw();
            }
        }
        let end = self.position.saturating_add(count).min(self.plain.len());
        let bytes = self.plain[self.position..end].to_vec();
        self.position = end;
        Ok(bytes)
    }

    fn write(&mut self, bytes: &[u8]) -> Result<()> {
        if !self.compress {
            return invalid("Writing to the compression stream is not supported.");
        }
        if self.plain.len() + bytes.len() <= READ_BYTES_MAX {
            self.plain.extend_from_slice(bytes);
        }
        Ok(())
    }

    /// Writes what was packed to the base, and closes that as well.
    pub(in super::super) fn close(&mut self) -> Result<()> {
        if self.compress && !self.opened {
            self.opened = true;
            let mut encoder = DeflateEncoder::new(Vec::new(), Compression::default());
            // Writing to memory cannot fail.
            let packed = encoder.write_all(&self.plain).and_then(|()| encoder.finish()).unwrap_or_default();
            write(&self.base, &packed)?;
        }
        if let Some(Native::FileStream(stream)) = self.base.native() {
            lock(stream).close();
        }
        Ok(())
    }
}

/// At most `count` bytes of a stream; none when the value is no stream that can be read at once.
pub(in super::super) fn read(stream: &Value, count: usize) -> Result<Option<Vec<u8>>> {
    Ok(Some(match stream.native() {
        Some(Native::FileStream(stream)) => lock(stream).read(count)?,
        Some(Native::MemoryStream(stream)) => lock(stream).read(count),
        Some(Native::Deflate(stream)) => lock(stream).read(count)?,
        _ => return Ok(None),
    }))
}

/// Writes to a stream; false when the value is none.
pub(in super::super) fn write(stream: &Value, bytes: &[u8]) -> Result<bool> {
    match stream.native() {
        Some(Native::FileStream(stream)) => lock(stream).write(bytes)?,
        Some(Native::MemoryStream(stream)) => lock(stream).write(bytes),
        Some(Native::Deflate(stream)) => lock(stream).write(bytes)?,
        _ => return Ok(false),
    }
    Ok(true)
}

fn invalid<T>(message: &str) -> Result<T> {
    ErrorRecord::new("System.InvalidOperationException", message, "InvalidOperationException", "NotSpecified")
        .throw()
}
