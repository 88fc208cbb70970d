//! A local file that is written beside its place, verified, and put there in one step.

use std::{
    fs::{self, File, OpenOptions},
    io::{self, Write as _},
    path::{Path, PathBuf},
};

use base64::{Engine as _, engine::general_purpose::STANDARD};
use bytes::Bytes;
use sha2::{Digest as _, Sha256};
use tokio::{sync::mpsc, task::spawn_blocking};

use super::source::hex;
use crate::{Error, ErrorKind, Result};

/// A file on its way. Dropped before it is put in its place, it is gone.
pub(super) struct Local {
    path: PathBuf,
    file: File,
    hasher: Sha256,
    length: u64,
    placed: bool,
}

impl Local {
    /// Creates an empty file beside `dest`, whose folder is there.
    pub(super) async fn create(dest: &Path, overwrite: bool) -> Result<Self> {
        let dest = dest.to_owned();
        blocking(move || {
            check_dest(&dest, overwrite)?;
            let name = dest.file_name().ok_or_else(|| {
                Error::new(ErrorKind::InvalidInput, "the local path names no file")
                    .with("dest", dest.display())
            })?;
            let mut part = name.to_owned();
            part.push(format!(".{}.part", uuid::Uuid::now_v7().simple()));
            let path = dest.with_file_name(part);
            let file = OpenOptions::new().write(true).create_new(true).open(&path);
            let file = file.map_err(|error| unwritable(&dest, error))?;
            Ok(Self { path, file, hasher: Sha256::new(), length: 0, placed: false })
        })
        .await
    }

    pub(super) fn length(&self) -> u64 {
        self.length
    }

    /// Writes what comes until there is no more. It blocks.
    #[cfg(feature = "ssh")]
    pub(super) fn write_pieces(mut self, mut pieces: mpsc::Receiver<Vec<u8>>) -> Result<Self> {
        while let Some(piece) = pieces.blocking_recv() {
            self.write(&piece)?;
        }
        Ok(self)
    }

    /// Writes what comes, each line in base64, until there is no more. It blocks.
    pub(super) fn write_lines(mut self, mut lines: mpsc::Receiver<Bytes>) -> Result<Self> {
        let mut bytes = Vec::new();
        while let Some(line) = lines.blocking_recv() {
            bytes.clear();
            STANDARD.decode_vec(&line, &mut bytes).map_err(|error| {
                let message = "the host sent a line that is not base64";
                Error::transport(crate::error::Layer::Script, message).with_source(error)
            })?;
            self.write(&bytes)?;
        }
        Ok(self)
    }

    fn write(&mut self, bytes: &[u8]) -> Result<()> {
        self.file.write_all(bytes).map_err(|error| unwritable(&self.path, error))?;
        self.hasher.update(bytes);
        self.length += bytes.len() as u64;
        Ok(())
    }

    /// Whether what was written is what it should be.
    pub(super) fn check(&self, length: u64, sha256: &str) -> bool {
        self.length == length && hex(&self.hasher.clone().finalize()) == sha256
    }

    /// Puts the file in its place; its length and hash.
    pub(super) async fn put(mut self, dest: &Path, overwrite: bool) -> Result<(u64, String)> {
        let dest = dest.to_owned();
        blocking(move || {
            self.file.sync_all().map_err(|error| unwritable(&dest, error))?;
            check_dest(&dest, overwrite)?;
            let placed = if overwrite { fs::rename(&self.path, &dest) } else { link(&self.path, &dest) };
            match placed {
                Ok(()) => {}
                Err(error) if error.kind() == io::ErrorKind::AlreadyExists => check_dest(&dest, overwrite)?,
                Err(error) => return Err(unwritable(&dest, error)),
            }
            self.placed = overwrite;
            // The name, too, is to outlive a power cut; not every file system lets a folder be flushed.
            if let Some(Ok(folder)) = dest.parent().map(File::open) {
                let _ = folder.sync_all();
            }
            Ok((self.length, hex(&self.hasher.clone().finalize())))
        })
        .await
    }
}

impl Drop for Local {
    fn drop(&mut self) {
        if !self.placed {
            // Of a file that cannot be removed nobody is left to be told.
            let _ = fs::remove_file(&self.path);
        }
    }
}

/// Gives a file a second name, which must not be there; the first goes when the file is dropped. Where a file has one
/// name alone, it is copied.
fn link(from: &Path, to: &Path) -> io::Result<()> {
    match fs::hard_link(from, to) {
        Err(error) if error.kind() != io::ErrorKind::AlreadyExists => {
            let mut source = File::open(from)?;
            let mut dest = OpenOptions::new().write(true).create_new(true).open(to)?;
            let copied = io::copy(&mut source, &mut dest).and_then(|_| dest.sync_all());
            if copied.is_err() {
                let _ = fs::remove_file(to);
            }
            copied
        }
        other => other,
    }
}

async fn blocking<T: Send + 'static>(work: impl FnOnce() -> Result<T> + Send + 'static) -> Result<T> {
    spawn_blocking(work).await.unwrap_or_else(|error| {
        Err(Error::new(ErrorKind::Internal, "a task on a file did not end well").with_source(error))
    })
}

fn unwritable(dest: &Path, error: io::Error) -> Error {
    let message = "the local file cannot be written";
    Error::new(ErrorKind::InvalidInput, message).with("dest", dest.display()).with_source(error)
}

/// Whether there is something at `path` that must not be replaced.
fn check_dest(path: &Path, overwrite: bool) -> Result<()> {
    match path.symlink_metadata() {
        Ok(found) if found.is_dir() => {
            Err(Error::new(ErrorKind::InvalidInput, "the local path is a folder")
                .with("dest", path.display()))
        }
        Ok(_) if !overwrite => {
            let message = "the local file exists and overwrite is false; nothing was touched";
            Err(Error::new(ErrorKind::Conflict, message).with("dest", path.display()))
        }
        _ => Ok(()),
    }
}
