//! Files to the machine and back.

use std::{fs, sync::Arc, time::Duration};

use opsconductor_core::{
    Error, ErrorKind, Result,
    error::Layer,
    transport::{
        Control, CopyOutcome, CopyRequest, CopySource, CopyStatus, FetchOutcome, FetchRequest, FileSource,
        Observer, RemoteHandle,
    },
};
use sha2::{Digest as _, Sha256};
use tokio::time::sleep;

use super::{
    Flaw,
    host::{Host, lock},
    session::Conversation,
};

/// How much goes at a time, and how long that takes.
const PIECE: usize = 128 * 1024;
const PIECE_TIME: Duration = Duration::from_millis(15);

pub(super) async fn copy(
    session: &mut Conversation,
    request: CopyRequest,
    observer: &mut dyn Observer,
    control: &Control,
) -> Result<CopyOutcome> {
    session.announce(observer, &RemoteHandle::default()).await?;
    let host = Arc::clone(&session.host);
    let CopySource::Many(entries) = request.source else {
        let CopySource::One(source) = request.source else {
            return Err(Error::new(ErrorKind::Unsupported, "the model knows one file and many"));
        };
        let (status, length, hash) =
            copy_one(session, &host, &request.dest_path, source, request.overwrite, control).await?;
        return Ok(CopyOutcome::one(status, length, hash));
    };
    let (mut written, mut total, count) = (0, 0, entries.len() as u64);
    for entry in entries {
        let path = format!("{}/{}", request.dest_path, entry.path);
        let (status, length, _) =
            copy_one(session, &host, &path, entry.source, request.overwrite, control).await?;
        written += u64::from(status == CopyStatus::Copied);
        total += length;
    }
    Ok(CopyOutcome::many(count, written, total))
}

async fn copy_one(
    session: &Conversation,
    host: &Host,
    path: &str,
    source: FileSource,
    overwrite: bool,
    control: &Control,
) -> Result<(CopyStatus, u64, String)> {
    let mut content = match source {
        FileSource::Bytes(bytes) => bytes.to_vec(),
        FileSource::Path(path) => fs::read(path).unwrap(),
        _ => return Err(Error::new(ErrorKind::Unsupported, "the model knows bytes and files")),
    };
    let path = if session.has(Flaw::ManglesNames) { path.replace(['\'', '$'], "_") } else { path.to_owned() };
    let hash = hex(&content);
    let old = lock(&host.files).get(&path).cloned();
    if !overwrite && old.is_some() && !session.has(Flaw::AlwaysOverwrites) {
        return Err(Error::new(ErrorKind::Conflict, "the file is there").with("path", path));
    }
    let status = match old {
        Some(old) if old == content && !session.has(Flaw::AlwaysCopied) => CopyStatus::Unchanged,
        _ => CopyStatus::Copied,
    };
    if session.has(Flaw::LosesLastByte) {
        content.pop();
    }
    let length = content.len() as u64;
    if status == CopyStatus::Copied {
        let mut arrived = Vec::new();
        for piece in content.chunks(PIECE) {
            carry(session, control).await?;
            arrived.extend_from_slice(piece);
            if session.has(Flaw::WritesInPlace) {
                lock(&host.files).insert(path.clone(), arrived.clone());
            }
        }
        lock(&host.files).insert(path, arrived);
    }
    Ok((status, length, hash))
}

pub(super) async fn fetch(
    session: &mut Conversation,
    request: FetchRequest,
    observer: &mut dyn Observer,
    control: &Control,
) -> Result<FetchOutcome> {
    if !request.overwrite && request.dest.exists() && !session.has(Flaw::FetchOverwrites) {
        return Err(Error::new(ErrorKind::Conflict, "the local file is there"));
    }
    session.announce(observer, &RemoteHandle::default()).await?;
    let found = lock(&session.host.files).get(&request.src_path).cloned();
    let found = found.or_else(|| session.has(Flaw::FetchesNothing).then(Vec::new));
    let Some(mut content) = found else {
        return Err(Error::new(ErrorKind::NotFound, "there is no such file").with("path", request.src_path));
    };
    if content.len() as u64 > request.bytes_max && !session.has(Flaw::FetchesAnything) {
        return Err(
            Error::new(ErrorKind::InvalidInput, "the file is too large").with("path", request.src_path)
        );
    }
    let hash = hex(&content);
    if session.has(Flaw::LosesLastByte) {
        content.pop();
    }
    let mut arrived = Vec::new();
    for piece in content.chunks(PIECE) {
        carry(session, control).await?;
        arrived.extend_from_slice(piece);
        if session.has(Flaw::WritesInPlace) {
            fs::write(&request.dest, &arrived).unwrap();
        }
    }
    fs::write(&request.dest, &arrived).unwrap();
    Ok(FetchOutcome::new(arrived.len() as u64, hash))
}

/// The time that a piece takes, unless the call ends before.
async fn carry(session: &Conversation, control: &Control) -> Result<()> {
    tokio::select! {
        biased;
        () = control.cancel.cancelled() => return Err(Error::new(ErrorKind::Canceled, "the transfer was canceled")),
        () = sleep(PIECE_TIME) => {}
    }
    if session.is_cut() {
        return Err(Error::transport(Layer::Protocol, "the connection broke"));
    }
    Ok(())
}

fn hex(bytes: &[u8]) -> String {
    Sha256::digest(bytes).iter().map(|byte| format!("{byte:02x}")).collect()
}
