//! What is asked of a session that moves files, and what it answers.

use std::{fmt, path::PathBuf};

use bytes::Bytes;
use serde::{Deserialize, Serialize};

/// Files to write.
#[derive(Debug, Clone)]
pub struct CopyRequest {
    /// The path on the host: of the file, or of the directory below which [`CopySource::Many`] goes.
    pub dest_path: String,
    /// What is written.
    pub source: CopySource,
    /// Whether a file that exists with another content is replaced.
    pub overwrite: bool,
    /// The permission bits of each file, such as `0o640`, on hosts that have them. Without it a file that is replaced keeps
    /// its own, and a new one gets those that the host gives new files.
    pub mode: Option<u32>,
}

impl CopyRequest {
    /// One file with `content`, which replaces what is there.
    pub fn bytes(dest_path: impl Into<String>, content: impl Into<Bytes>) -> Self {
        let source = CopySource::One(FileSource::Bytes(content.into()));
        Self { dest_path: dest_path.into(), source, overwrite: true, mode: None }
    }

    /// One file with the content of a file of this machine, which replaces what is there.
    pub fn path(dest_path: impl Into<String>, source: impl Into<PathBuf>) -> Self {
        let source = CopySource::One(FileSource::Path(source.into()));
        Self { dest_path: dest_path.into(), source, overwrite: true, mode: None }
    }
}

/// One file or many.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub enum CopySource {
    /// One file.
    One(FileSource),
    /// Files below one directory, in one stream.
    Many(Vec<CopyEntry>),
}

/// One of many files.
#[derive(Debug, Clone)]
pub struct CopyEntry {
    /// Where it goes below the destination: relative, its parts separated by `/`, none of them `.` or `..`.
    pub path: String,
    /// What it holds.
    pub source: FileSource,
}

/// Where a content comes from.
#[derive(Clone)]
#[non_exhaustive]
pub enum FileSource {
    /// From memory. It may be secret, so it is not part of `Debug`.
    Bytes(Bytes),
    /// From a file of this machine, read piece by piece while it is sent.
    Path(PathBuf),
}

impl fmt::Debug for FileSource {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Bytes(bytes) => f.debug_struct("Bytes").field("len", &bytes.len()).finish(),
            Self::Path(path) => f.debug_tuple("Path").field(path).finish(),
        }
    }
}

/// What a copy did.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
#[non_exhaustive]
pub enum CopyStatus {
    /// At least one file was written.
    Copied,
    /// Every file had its content already.
    Unchanged,
}

/// How a copy ended.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct CopyOutcome {
    /// What was done.
    pub status: CopyStatus,
    /// How many files were asked for.
    pub files: u64,
    /// How many of them were written; the others had their content already.
    pub files_written: u64,
    /// The length of all of them, in bytes.
    pub length: u64,
    /// SHA-256 of the content as the host computed it, lower-case hex; none for many files.
    pub sha256: Option<String>,
}

impl CopyOutcome {
    /// A copy of one file that ended.
    pub fn one(status: CopyStatus, length: u64, sha256: String) -> Self {
        let files_written = u64::from(status == CopyStatus::Copied);
        Self { status, files: 1, files_written, length, sha256: Some(sha256) }
    }

    /// A copy of many files that ended.
    pub fn many(files: u64, files_written: u64, length: u64) -> Self {
        let status = if files_written > 0 { CopyStatus::Copied } else { CopyStatus::Unchanged };
        Self { status, files, files_written, length, sha256: None }
    }
}

/// A file to bring.
#[derive(Debug, Clone)]
pub struct FetchRequest {
    /// The path on the host.
    pub src_path: String,
    /// The path on this machine; its directory is there already.
    pub dest: PathBuf,
    /// Whether a local file that exists is replaced.
    pub overwrite: bool,
    /// The largest file that is brought, in bytes.
    pub bytes_max: u64,
}

/// How a fetch ended.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct FetchOutcome {
    /// The length in bytes.
    pub length: u64,
    /// SHA-256 as the host computed it, and as the local file has it; lower-case hex.
    pub sha256: String,
}

impl FetchOutcome {
    /// A fetch that ended.
    pub fn new(length: u64, sha256: String) -> Self {
        Self { length, sha256 }
    }
}
