//! Bringing one file.

use std::sync::Arc;

use tokio::{sync::mpsc, task::spawn_blocking};

use super::{
    hash::Pieces,
    session::SshSession,
    sftp::Kind,
    transfer::{Transfer, check_path},
};
use crate::{
    Error, ErrorKind, Result,
    error::Layer,
    transport::{FetchOutcome, FetchRequest, Observer, limits::Limits, local::Local},
};

/// Pieces that wait to be written.
const PIECES_MAX: usize = 16;

/// Brings the file of `request`.
pub(super) async fn fetch(
    session: &mut SshSession,
    request: FetchRequest,
    observer: &mut dyn Observer,
    limits: &Limits<'_>,
) -> Result<FetchOutcome> {
    let host = Arc::clone(&session.host);
    check_path(&request.src_path, "source")?;
    let local = Local::create(&request.dest, request.overwrite).await?;
    let mut transfer = Transfer::open(session, observer, limits).await?;
    let local = limits.within(receive(&mut transfer, &request, local)).await;
    let local = local.map_err(|error| host.about(error.with("path", &request.src_path)))?;
    let (length, sha256) = local.put(&request.dest, request.overwrite).await?;
    Ok(FetchOutcome::new(length, sha256))
}

/// The local file with all of the content, which is what the host has.
async fn receive(transfer: &mut Transfer, request: &FetchRequest, local: Local) -> Result<Local> {
    let Transfer { sftp, hasher } = transfer;
    let path = &request.src_path;
    let missing = || Error::new(ErrorKind::NotFound, "the host has no such file");
    let before = sftp.look_through(path).await?.ok_or_else(missing)?;
    if before.kind != Kind::File {
        return Err(Error::new(ErrorKind::InvalidInput, "what the path names on the host is no file"));
    }
    let large = |length: u64| {
        let message = format!("the file has {length} bytes, more than the {} allowed", request.bytes_max);
        Error::new(ErrorKind::InvalidInput, message)
    };
    if before.length > request.bytes_max {
        return Err(large(before.length));
    }
    let handle = sftp.open_to_read(path).await?;
    let (give, pieces) = mpsc::channel(PIECES_MAX);
    let writer = spawn_blocking(move || local.write_pieces(pieces));
    let mut length = 0;
    let read = async {
        let mut pieces = Pieces::new(sftp, &handle, Some(before.length));
        while let Some(bytes) = pieces.next().await? {
            length += bytes.len() as u64;
            if length > request.bytes_max {
                return Err(large(length));
            }
            // The writer says itself why it takes no more.
            give.send(bytes).await.map_err(|_| writer_lost())?;
        }
        Ok(())
    };
    let read = read.await;
    drop(give);
    let local = writer.await.unwrap_or_else(|_| Err(writer_lost()))?;
    read?;
    sftp.close(handle).await?;
    let sha256 = hasher.sha256(sftp, path, length).await?;
    let after = sftp.look_through(path).await?.ok_or_else(missing)?;
    if !local.check(length, &sha256) || after.modified != before.modified {
        let message = "the file changed on the host while it was read; fetch it when nobody writes it";
        return Err(Error::transport(Layer::Script, message));
    }
    Ok(local)
}

fn writer_lost() -> Error {
    Error::new(ErrorKind::Internal, "the task that writes the local file did not end well")
}
