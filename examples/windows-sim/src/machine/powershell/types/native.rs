//! What is behind an object that is more than its properties.

use std::sync::{Arc, Mutex};
use std::time::Instant;

use super::encoding::Encoding;
use super::stream::{FileStream, Reader};
use crate::machine::powershell::error::{ErrorRecord, Exception};
use crate::machine::powershell::value::{Value, lock};

#[derive(Debug)]
pub(in super::super) enum Native {
    None,
    Error(Box<ErrorRecord>),
    Exception(Arc<Exception>),
    /// `ArrayList` and `List<T>`.
    List(Mutex<Vec<Value>>),
    Encoding(Encoding),
    FileStream(Mutex<FileStream>),
    MemoryStream(Mutex<MemoryStream>),
    Hasher(Mutex<Hasher>),
    StringBuilder(Mutex<String>),
    File(String),
    Directory(String),
    Service(&'static str),
    Reader(Mutex<Reader>),
    /// A `StreamReader` over standard input.
    InputReader(Encoding),
    Deflate(Mutex<super::deflate::Deflate>),
    /// A file being written as text, and its encoding.
    Writer(Mutex<FileStream>, Encoding),
    Console(Console),
    Regex(fancy_regex::Regex, String),
    Version(Vec<i32>),
    Stopwatch(Mutex<Stopwatch>),
    Random,
    NullString,
    /// `$ExecutionContext` and the objects below it, by name.
    Context(&'static str),
    /// Text that `Format-Table` and its like already laid out.
    Formatted(String),
    /// A captured `Write-Warning` and its like, when a stream is merged into the output.
    Message(String),
}

/// The console's ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in super::super) enum Console {
    In,
    Out,
    Error,
    InputStream,
    OutputStream,
    ErrorStream,
}

#[derive(Debug, Default)]
pub(in super::super) struct MemoryStream {
    pub(in super::super) bytes: Vec<u8>,
    pub(in super::super) position: usize,
}

impl MemoryStream {
    /// At most `count` bytes from the position on.
    pub(in super::super) fn read(&mut self, count: usize) -> Vec<u8> {
        let start = self.position.min(self.bytes.len());
        let end = start.saturating_add(count).min(self.bytes.len());
        self.position = end;
        self.bytes[start..end].to_vec()
    }

    pub(in super::super) fn write(&mut self, piece: &[u8]) {
        let end = self.position + piece.len();
        if self.bytes.len() < end {
            self.bytes.resize(end, 0);
        }
        self.bytes[self.position..end].copy_from_slice(piece);
        self.position = end;
    }
}

#[derive(Debug)]
pub(in super::super) struct Stopwatch {
    pub(in super::super) started: Option<Instant>,
    pub(in super::super) elapsed: std::time::Duration,
}

/// A hash algorithm at work.
#[derive(Clone)]
pub(in super::super) enum Hasher {
    Sha256(sha2::Sha256),
    Sha384(sha2::Sha384),
    Sha512(sha2::Sha512),
}

impl std::fmt::Debug for Hasher {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Hasher")
    }
}

impl Hasher {
    pub(in super::super) fn new(algorithm: &str) -> Option<Self> {
        Some(match algorithm.to_ascii_uppercase().as_str() {
            "SHA256" => Self::Sha256(sha2::Digest::new()),
            "SHA384" => Self::Sha384(sha2::Digest::new()),
            "SHA512" => Self::Sha512(sha2::Digest::new()),
            _ => return None,
        })
    }

    pub(in super::super) fn update(&mut self, bytes: &[u8]) {
        use sha2::Digest;
        match self {
            Self::Sha256(h) => h.update(bytes),
            Self::Sha384(h) => h.update(bytes),
            Self::Sha512(h) => h.update(bytes),
        }
    }

    /// The digest; the hasher starts anew.
    pub(in super::super) fn finish(&mut self) -> Vec<u8> {
        use sha2::Digest;
        match self {
            Self::Sha256(h) => h.finalize_reset().to_vec(),
            Self::Sha384(h) => h.finalize_reset().to_vec(),
            Self::Sha512(h) => h.finalize_reset().to_vec(),
        }
    }
}

impl Native {
    /// The items, when a pipeline takes the object apart.
    pub(in super::super) fn items(&self) -> Option<Vec<Value>> {
        match self {
            Self::List(items) => Some(lock(items).clone()),
            _ => None,
        }
    }
}
