//! The conversation about files.

use std::time::Duration;

use bytes::{BufMut as _, BytesMut};
use russh::{Channel, ChannelMsg, client::Msg};
use russh_sftp::{
    client::{Config, RawSftpSession, error::Error as Failure},
    extensions::FSYNC,
    protocol::{FileAttributes, OpenFlags, Packet, StatusCode},
};
use tokio::time::timeout;

use crate::{Error, ErrorKind, Result, error::Layer};

/// How long the host may take to begin the conversation.
const BEGIN: Duration = Duration::from_secs(20);

/// How long one answer may take: many wait in line behind a slow connection.
const ANSWER_SECS: u64 = 60;

/// What every server takes in one message.
pub(super) const PIECE_BYTES: usize = 32 * 1024;

/// How many messages are on their way at a time.
pub(super) const PIECES_MAX: usize = 64;

/// A rename that replaces what is there, in one step.
const POSIX_RENAME: &str = "posix-rename@openssh.com";

/// The bits of a mode that are permissions.
const PERMISSIONS: u32 = 0o7777;

pub(super) struct Sftp {
    raw: RawSftpSession,
    renames: bool,
    flushes: bool,
}

/// What is at a path.
#[derive(Debug, Clone, Copy)]
pub(super) struct Found {
    pub(super) kind: Kind,
    pub(super) length: u64,
    /// Permissions, where the host gives them.
    pub(super) mode: Option<u32>,
    pub(super) modified: Option<u32>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    File,
    Folder,
    Link,
    Other,
}

impl Sftp {
    /// Begins the conversation on a fresh channel.
    pub(super) async fn open(mut channel: Channel<Msg>) -> Result<Self> {
        let refused = || {
            let message = "the host has no SFTP (Subsystem sftp in its sshd_config)";
            Error::transport(Layer::Shell, message)
        };
        let lost = |_| lost();
        channel.request_subsystem(true, "sftp").await.map_err(lost)?;
        let begun = async {
            loop {
                match channel.wait().await {
                    Some(ChannelMsg::Success) => return Ok(()),
                    Some(ChannelMsg::Failure | ChannelMsg::Close) => return Err(refused()),
                    Some(_) => {}
                    None => return Err(self::lost()),
                }
            }
        };
        let late = |_| Error::transport(Layer::Shell, "the host does not begin SFTP");
        timeout(BEGIN, begun).await.map_err(late)??;
        let config = Config { request_timeout_secs: ANSWER_SECS, ..Config::default() };
        let raw = RawSftpSession::new_with_config(channel.into_stream(), config);
        let version = raw.init().await.map_err(|failure| match failure {
            Failure::Timeout => Error::transport(Layer::Shell, "the host does not begin SFTP"),
            _ => refused(),
        })?;
        let has = |name: &str| version.extensions.contains_key(name);
        Ok(Self { renames: has(POSIX_RENAME), flushes: has(FSYNC), raw })
    }

    /// What is at `path` itself, which may be a link.
    pub(super) async fn look(&self, path: &str) -> Result<Option<Found>> {
        match self.raw.lstat(path).await {
            Ok(attrs) => Ok(Some(found(&attrs.attrs))),
            Err(failure) if is(&failure, StatusCode::NoSuchFile) => Ok(None),
            Err(failure) => Err(explain(failure, "the host does not say what is there")),
        }
    }

    /// What is at `path`, or where the links there lead.
    pub(super) async fn look_through(&self, path: &str) -> Result<Option<Found>> {
        match self.raw.stat(path).await {
            Ok(attrs) => Ok(Some(found(&attrs.attrs))),
            Err(failure) if is(&failure, StatusCode::NoSuchFile) => Ok(None),
            Err(failure) => Err(explain(failure, "the host does not say what is there")),
        }
    }

    /// Where `path` leads, without links.
    pub(super) async fn resolve(&self, path: &str) -> Result<String> {
        let named = self.raw.realpath(path).await;
        let named =
            named.map_err(|failure| explain(failure, "the host does not say where the link leads"))?;
        named.files.into_iter().next().map(|file| file.filename).ok_or_else(unexpected)
    }

    /// Makes a file that must not be there; `private` lets nobody else read it while it is written.
    pub(super) async fn create(&self, path: &str, private: bool) -> Result<String> {
        let flags = OpenFlags::CREATE | OpenFlags::EXCLUDE | OpenFlags::WRITE;
        let mut attrs = FileAttributes::empty();
        attrs.permissions = private.then_some(0o600);
        match self.raw.open(path, flags, attrs).await {
            Ok(handle) => Ok(handle.handle),
            Err(failure) if is(&failure, StatusCode::NoSuchFile) => {
                let message = "the destination's folder is not on the host";
                Err(Error::new(ErrorKind::NotFound, message))
            }
            Err(failure) => Err(explain(failure, "the host does not let a file be written in this folder")),
        }
    }

    pub(super) async fn open_to_read(&self, path: &str) -> Result<String> {
        match self.raw.open(path, OpenFlags::READ, FileAttributes::empty()).await {
            Ok(handle) => Ok(handle.handle),
            Err(failure) if is(&failure, StatusCode::NoSuchFile) => {
                Err(Error::new(ErrorKind::NotFound, "the host has no such file"))
            }
            Err(failure) => Err(explain(failure, "the host does not let the file be read")),
        }
    }

    pub(super) async fn write(&self, handle: &str, offset: u64, bytes: Vec<u8>) -> Result<()> {
        let written = self.raw.write(handle, offset, bytes).await;
        written
            .map(drop)
            .map_err(|failure| explain(failure, "the host did not write the file; is its disk full?"))
    }

    /// The bytes at `offset`, as many as the host gives; `None` at the end.
    pub(super) async fn read(&self, handle: &str, offset: u64, length: u32) -> Result<Option<Vec<u8>>> {
        match self.raw.read(handle, offset, length).await {
            Ok(data) if data.data.is_empty() => Ok(None),
            Ok(data) => Ok(Some(data.data)),
            Err(failure) if is(&failure, StatusCode::Eof) => Ok(None),
            Err(failure) => Err(explain(failure, "the host did not read the file")),
        }
    }

    pub(super) async fn set_mode(&self, handle: &str, mode: u32) -> Result<()> {
        let mut attrs = FileAttributes::empty();
        attrs.permissions = Some(mode & PERMISSIONS);
        let set = self.raw.fsetstat(handle, attrs).await;
        set.map(drop).map_err(|failure| explain(failure, "the host did not set the file's permissions"))
    }

    pub(super) async fn set_mode_of(&self, path: &str, mode: u32) -> Result<()> {
        let mut attrs = FileAttributes::empty();
        attrs.permissions = Some(mode & PERMISSIONS);
        let set = self.raw.setstat(path, attrs).await;
        set.map(drop).map_err(|failure| explain(failure, "the host did not set the file's permissions"))
    }

    /// Brings what was written to the disk, where the host can be asked to.
    pub(super) async fn flush(&self, handle: &str) -> Result<()> {
        if !self.flushes {
            return Ok(());
        }
        let flushed = self.raw.fsync(handle).await;
        flushed.map(drop).map_err(|failure| explain(failure, "the host did not bring the file to its disk"))
    }

    pub(super) async fn close(&self, handle: String) -> Result<()> {
        let closed = self.raw.close(handle).await;
        closed.map(drop).map_err(|failure| explain(failure, "the host did not close the file"))
    }

    pub(super) async fn make_folder(&self, path: &str) -> Result<()> {
        let made = self.raw.mkdir(path, FileAttributes::empty()).await;
        made.map(drop).map_err(|failure| explain(failure, "the host did not make the folder"))
    }

    pub(super) async fn remove(&self, path: &str) -> Result<()> {
        self.raw
            .remove(path)
            .await
            .map(drop)
            .map_err(|failure| explain(failure, "the host did not remove the file"))
    }

    /// Puts a file in the place of another, in one step.
    pub(super) async fn replace(&self, from: &str, to: &str) -> Result<()> {
        if !self.renames {
            // Where nothing is there, the plain rename does as well.
            return self.rename(from, to).await;
        }
        let mut names = BytesMut::with_capacity(from.len() + to.len() + 8);
        for name in [from, to] {
            names.put_u32(u32::try_from(name.len()).map_err(|_| unexpected())?);
            names.put_slice(name.as_bytes());
        }
        match self.raw.extended(POSIX_RENAME, names.to_vec()).await {
            Ok(Packet::Status(status)) if status.status_code == StatusCode::Ok => Ok(()),
            Ok(Packet::Status(status)) => Err(explain(Failure::Status(status), NOT_PLACED)),
            Ok(_) => Err(unexpected()),
            Err(failure) => Err(explain(failure, NOT_PLACED)),
        }
    }

    /// Gives a file another name, which must not be there.
    pub(super) async fn rename(&self, from: &str, to: &str) -> Result<()> {
        self.raw.rename(from, to).await.map(drop).map_err(|failure| explain(failure, NOT_PLACED))
    }
}

const NOT_PLACED: &str = "the host did not put the file in its place";

fn found(attrs: &FileAttributes) -> Found {
    // The type is a number in the upper bits, not a set of flags.
    let kind = match attrs.permissions.map(|mode| mode & 0o170_000) {
        Some(0o100_000) | None => Kind::File,
        Some(0o040_000) => Kind::Folder,
        Some(0o120_000) => Kind::Link,
        Some(_) => Kind::Other,
    };
    Found {
        kind,
        length: attrs.size.unwrap_or(0),
        mode: attrs.permissions.map(|mode| mode & PERMISSIONS),
        modified: attrs.mtime,
    }
}

fn is(failure: &Failure, code: StatusCode) -> bool {
    matches!(failure, Failure::Status(status) if status.status_code == code)
}

fn explain(failure: Failure, what: &str) -> Error {
    match failure {
        Failure::Status(status) if status.status_code == StatusCode::PermissionDenied => {
            Error::transport(Layer::Script, format!("{what}: permission denied"))
        }
        Failure::Status(status) => {
            let said: String = status.error_message.chars().filter(|c| !c.is_control()).take(200).collect();
            Error::transport(Layer::Script, format!("{what}: {said}"))
        }
        Failure::Timeout => Error::transport(Layer::Script, format!("{what}: it did not answer in time")),
        Failure::Limited(_) | Failure::UnexpectedPacket => unexpected(),
        Failure::IO(_) | Failure::UnexpectedBehavior(_) => lost(),
    }
}

/// The connection is gone. Files are in their places or they are not, which whoever waits for that says.
pub(super) fn lost() -> Error {
    Error::transport(Layer::Connect, "the connection was lost while files were moved")
}

fn unexpected() -> Error {
    Error::transport(Layer::Protocol, "the host's answer is not one of SFTP")
}
