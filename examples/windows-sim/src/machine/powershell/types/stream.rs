//! `FileStream` and `StreamReader` over the virtual files.

use std::sync::Arc;

use crate::machine::Machine;
use crate::machine::powershell::error::{ErrorRecord, Flow, Result};
use crate::machine::vfs::{Sharing, VfsError};

/// An open file. Dropping it closes it, as the end of its process does.
#[derive(Debug)]
pub(in super::super) struct FileStream {
    machine: Arc<Machine>,
    pub(in super::super) path: String,
    handle: Option<u64>,
    pub(in super::super) position: u64,
    pub(in super::super) can_read: bool,
    pub(in super::super) can_write: bool,
    append_from: Option<u64>,
}

impl Drop for FileStream {
    fn drop(&mut self) {
        self.close();
    }
}

/// What the exception for a failed file operation says.
pub(in super::super) fn io_error(error: VfsError, path: &str) -> ErrorRecord {
    let (type_name, message) = match error {
        VfsError::FileNotFound => {
            ("System.IO.FileNotFoundException", format!("Could not find file '{path}'."))
        }
        VfsError::PathNotFound => {
            ("System.IO.DirectoryNotFoundException", format!("Could not find a part of the path '{path}'."))
        }
        VfsError::AccessDenied => {
            ("System.UnauthorizedAccessException", format!("Access to the path '{path}' is denied."))
        }
        VfsError::Exists => ("System.IO.IOException", format!("The file '{path}' already exists.")),
        VfsError::InUse => (
            "System.IO.IOException",
            format!(
                "The process cannot access the file '{path}' because it is being used by another process."
            ),
        ),
        VfsError::DiskFull => {
            ("System.IO.IOException", "There is not enough space on the disk.\r\n".to_owned())
        }
        VfsError::PathTooLong => (
            "System.IO.PathTooLongException",
            "The specified path, file name, or both are too long. The fully qualified file name must be less than 260 characters, and the directory name must be less than 248 characters.".to_owned(),
        ),
        VfsError::IllegalPath => ("System.ArgumentException", "Illegal characters in path.".to_owned()),
        VfsError::PathFormat => {
            ("System.NotSupportedException", "The given path's format is not supported.".to_owned())
        }
        VfsError::NotEmpty => ("System.IO.IOException", "The directory is not empty.\r\n".to_owned()),
    };
    let id = type_name.rsplit('.').next().unwrap_or_default();
    ErrorRecord::new(type_name, message, id, "NotSpecified")
}

fn thrown(error: VfsError, path: &str) -> Flow {
    Flow::Throw(Box::new(io_error(error, path)))
}

impl FileStream {
    /// `new FileStream(path, mode, access, share)`.
    pub(in super::super) fn open(
        machine: &Arc<Machine>,
        path: &str,
        mode: &str,
        access: &str,
        share: &str,
    ) -> Result<Self> {
        crate::machine::vfs::check(path).map_err(|e| thrown(e, path))?;
        let can_read = access.contains("Read");
        let can_write = access.contains("Write");
        let sharing = Sharing {
            read: can_read,
            write: can_write,
            share_read: share.contains("Read"),
            share_write: share.contains("Write"),
        };
        let mut state = machine.state();
        let files = &mut state.files;
        if files.is_directory(path) {
            return Err(thrown(VfsError::AccessDenied, path));
        }
        let exists = files.get(path).is_some();
        let create = match mode {
            "CreateNew" if exists => return Err(thrown(VfsError::Exists, path)),
            "Open" | "Truncate" => false,
            _ => !exists,
        };
        if create {
            files.write(path, Arc::default()).map_err(|e| thrown(e, path))?;
        }
        let handle = files.open(path, sharing).map_err(|e| thrown(e, path))?;
        if matches!(mode, "Create" | "Truncate") && exists {
            files.set_len(path, 0).map_err(|e| thrown(e, path))?;
        }
        let length = files.get(path).map_or(0, |n| n.len());
        let appending = mode == "Append";
        Ok(Self {
            machine: machine.clone(),
            path: path.to_owned(),
            handle: Some(handle),
            position: if appending { length } else { 0 },
            can_read,
            can_write,
            append_from: appending.then_some(length),
        })
    }

    pub(in super::super) fn close(&mut self) {
        if let Some(handle) = self.handle.take() {
            self.machine.state().files.close(&self.path, handle);
        }
    }

    fn check(&self) -> Result<()> {
        if self.handle.is_some() {
            return Ok(());
        }
        ErrorRecord::new(
            "System.ObjectDisposedException",
            "Cannot access a closed file.",
            "ObjectDisposedException",
            "NotSpecified",
        )
        .throw()
    }

    pub(in super::super) fn len(&self) -> Result<u64> {
        self.check()?;
        Ok(self.machine.state().files.get(&self.path).map_or(0, |n| n.len()))
    }

    pub(in super::super) fn write(&mut self, bytes: &[u8]) -> Result<()> {
        self.check()?;
        if !self.can_write {
            return not_supported("Stream does not support writing.");
        }
        let written = self.machine.state().files.write_at(&self.path, self.position, bytes);
        written.map_err(|e| thrown(e, &self.path))?;
        self.position += bytes.len() as u64;
        Ok(())
    }

    /// At most `count` bytes from the position on.
    pub(in super::super) fn read(&mut self, count: usize) -> Result<Vec<u8>> {
        self.check()?;
        if !self.can_read {
            return not_supported("Stream does not support reading.");
        }
        let state = self.machine.state();
        let Some(data) = state.files.get(&self.path).and_then(|n| n.data.as_ref()) else {
            return Ok(Vec::new());
        };
        let start = usize::try_from(self.position).unwrap_or(usize::MAX).min(data.len());
        let end = start.saturating_add(count).min(data.len());
        let bytes = data[start..end].to_vec();
        drop(state);
        self.position += bytes.len() as u64;
        Ok(bytes)
    }

    pub(in super::super) fn seek(&mut self, offset: i64, origin: &str) -> Result<u64> {
        let base = match origin {
            "Current" => self.position,
            "End" => self.len()?,
            _ => 0,
        };
        let position = base.checked_add_signed(offset);
        match position {
            Some(position) if self.append_from.is_none_or(|from| position >= from) => {
                self.position = position;
                Ok(position)
            }
            _ => ErrorRecord::new(
                "System.IO.IOException",
                "An attempt was made to move the file pointer before the beginning of the file.",
                "IOException",
                "NotSpecified",
            )
            .throw(),
        }
    }

    pub(in super::super) fn set_len(&mut self, length: u64) -> Result<()> {
        self.check()?;
        if !self.can_write {
            return not_supported("Stream does not support writing.");
        }
        let done = self.machine.state().files.set_len(&self.path, length);
        done.map_err(|e| thrown(e, &self.path))?;
        self.position = self.position.min(length);
        Ok(())
    }
}

fn not_supported<T>(message: &str) -> Result<T> {
    ErrorRecord::new("System.NotSupportedException", message, "NotSupportedException", "NotSpecified").throw()
}

/// A `StreamReader` over text that was read before.
#[derive(Debug)]
pub(in super::super) struct Reader {
    pub(in super::super) text: String,
    pub(in super::super) at: usize,
}

impl Reader {
    pub(in super::super) fn line(&mut self) -> Option<String> {
        let rest = &self.text[self.at..];
        if rest.is_empty() {
            return None;
        }
        let end = rest.find('\n');
        let line = end.map_or(rest, |end| &rest[..end]);
        let line = line.strip_suffix('\r').unwrap_or(line).to_owned();
        self.at += end.map_or(rest.len(), |end| end + 1);
        Some(line)
    }
}
