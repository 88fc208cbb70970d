//! What the host says a file's content is: SHA-256, computed there by a command, or here from what is read back.

use std::time::Duration;

use futures_util::{StreamExt as _, future::BoxFuture, stream::FuturesOrdered};
use russh::{Channel, ChannelMsg, ChannelReadHalf, ChannelWriteHalf, client::Msg};
use sha2::{Digest as _, Sha256};
use tokio::time::timeout;

use super::{
    launch::token,
    sftp::{PIECE_BYTES, PIECES_MAX, Sftp},
};
use crate::{Result, transport::source::hex};

/// How long the command may take to begin.
const BEGIN: Duration = Duration::from_secs(5);

/// From which length on a file is hashed by `openssl` where there is one: it knows the processor's own instructions, which
/// `sha256sum` often does not, and takes longer to begin.
const LARGE: u64 = 4 * 1024 * 1024;

/// More than a line of ours ever has.
const LINE_BYTES_MAX: usize = 16 * 1024;

/// Hashes files on the host, one after another.
pub(super) struct Hasher {
    command: Option<Command>,
}

struct Command {
    read: ChannelReadHalf,
    write: ChannelWriteHalf<Msg>,
    held: Vec<u8>,
}

impl Hasher {
    /// Starts the command that hashes what it is told to; where there is none, files are read back.
    pub(super) async fn start(channel: Option<Channel<Msg>>) -> Self {
        let command = match channel {
            Some(channel) => timeout(BEGIN, Command::start(channel)).await.ok().flatten(),
            None => None,
        };
        Self { command }
    }

    /// The hash of a file that is likely to be `length` long, in lower-case hex.
    pub(super) async fn sha256(&mut self, sftp: &Sftp, path: &str, length: u64) -> Result<String> {
        if let Some(command) = &mut self.command {
            // The command reads one path a line.
            let asked = if path.contains(['\n', '\r']) { None } else { command.ask(path, length).await };
            match asked {
                Some(Some(sha256)) => return Ok(sha256),
                // It sees other files than SFTP does, or may not read this one.
                Some(None) => {}
                None if path.contains(['\n', '\r']) => {}
                None => self.command = None,
            }
        }
        read_back(sftp, path).await
    }
}

impl Command {
    async fn start(channel: Channel<Msg>) -> Option<Self> {
        let (read, write) = channel.split();
        let token = token().ok()?;
        let line = format!(
            "exec /bin/sh -c 'if command -v sha256sum >/dev/null; then h() {{ sha256sum; }}; \
             elif command -v shasum >/dev/null; then h() {{ shasum -a 256; }}; \
             elif command -v openssl >/dev/null; then h() {{ openssl dgst -sha256 -r; }}; else exit 1; fi; \
             if command -v openssl >/dev/null; then l() {{ openssl dgst -sha256 -r; }}; else l() {{ h; }}; fi; \
             echo {token}; while IFS= read -r r; do p=${{r#?}}; \
             if [ -f \"$p\" ] && [ -r \"$p\" ]; then \
             case $r in l*) l <\"$p\" || echo -;; *) h <\"$p\" || echo -;; esac; else echo -; fi; done'"
        );
        let mut command = Self { read, write, held: Vec::new() };
        command.write.exec(true, line).await.ok()?;
        // Login scripts may say something first.
        while command.line().await? != token {}
        Some(command)
    }

    /// The hash; `Some(None)` when the command has none, `None` when it has ended.
    async fn ask(&mut self, path: &str, length: u64) -> Option<Option<String>> {
        let how = if length >= LARGE { 'l' } else { 'h' };
        self.write.data_bytes(format!("{how}{path}\n").into_bytes()).await.ok()?;
        let line = self.line().await?;
        let sha256 = line.get(..64).filter(|hash| hash.bytes().all(|byte| byte.is_ascii_hexdigit()));
        Some(sha256.map(str::to_ascii_lowercase))
    }

    async fn line(&mut self) -> Option<String> {
        loop {
            if let Some(end) = self.held.iter().position(|byte| *byte == b'\n') {
                let line: Vec<u8> = self.held.drain(..=end).collect();
                return Some(String::from_utf8_lossy(&line).trim_end().to_owned());
            }
            match self.read.wait().await? {
                ChannelMsg::Data { data } => self.held.extend_from_slice(&data),
                ChannelMsg::Failure | ChannelMsg::Close | ChannelMsg::Eof => return None,
                _ => {}
            }
            if self.held.len() > LINE_BYTES_MAX {
                return None;
            }
        }
    }
}

/// Reads a file and hashes it here.
async fn read_back(sftp: &Sftp, path: &str) -> Result<String> {
    let handle = sftp.open_to_read(path).await?;
    let mut hasher = Sha256::new();
    let mut pieces = Pieces::new(sftp, &handle, None);
    while let Some(bytes) = pieces.next().await? {
        hasher.update(&bytes);
    }
    drop(pieces);
    sftp.close(handle).await?;
    Ok(hex(&hasher.finalize()))
}

/// A file that is read to its end, many pieces on their way at a time, given in order.
pub(super) struct Pieces<'a> {
    sftp: &'a Sftp,
    handle: &'a str,
    asked: FuturesOrdered<BoxFuture<'a, Result<Option<Vec<u8>>>>>,
    asked_max: usize,
    /// Where the next question begins.
    next: u64,
    /// Where the next piece to be given begins, and where the one that was asked for there ends.
    at: u64,
    until: u64,
}

impl<'a> Pieces<'a> {
    /// Begins at the start. `length` is how long the file is likely to be.
    pub(super) fn new(sftp: &'a Sftp, handle: &'a str, length: Option<u64>) -> Self {
        // A short file needs few questions; the last one hears of the end.
        let likely = length.and_then(|length| usize::try_from(length / PIECE_BYTES as u64 + 2).ok());
        let asked_max = likely.unwrap_or(PIECES_MAX).min(PIECES_MAX);
        Self { sftp, handle, asked: FuturesOrdered::new(), asked_max, next: 0, at: 0, until: 0 }
    }

    /// The next piece; `None` at the end.
    pub(super) async fn next(&mut self) -> Result<Option<Vec<u8>>> {
        // A host may give less than it was asked for, in the middle as well.
        let bytes = if self.at < self.until {
            let rest = u32::try_from(self.until - self.at).unwrap_or(u32::MAX);
            self.sftp.read(self.handle, self.at, rest).await?
        } else {
            while self.asked.len() < self.asked_max {
                let (sftp, handle, offset) = (self.sftp, self.handle, self.next);
                self.asked.push_back(Box::pin(sftp.read(handle, offset, PIECE_BYTES as u32)));
                self.next += PIECE_BYTES as u64;
            }
            self.until += PIECE_BYTES as u64;
            self.asked.next().await.transpose()?.flatten()
        };
        if let Some(bytes) = &bytes {
            self.at += bytes.len() as u64;
        }
        Ok(bytes)
    }
}
