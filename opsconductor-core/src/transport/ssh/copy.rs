//! Writing files: beside their places, verified there, and put in place in one step.

use std::{
    collections::HashSet,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use futures_util::{StreamExt as _, stream::FuturesUnordered};
use sha2::{Digest as _, Sha256};
use tokio::{sync::mpsc, task::spawn_blocking, time::timeout};

use super::{
    launch::token,
    session::SshSession,
    sftp::{Kind, PIECE_BYTES, PIECES_MAX, Sftp},
    transfer::{Transfer, check_path},
};
use crate::{
    Error, ErrorKind, Result,
    error::Layer,
    transport::{
        CopyEntry, CopyOutcome, CopyRequest, CopySource, CopyStatus, Observer,
        limits::Limits,
        source::{Source, hex},
    },
};

/// How long the rest of a copy that came to nothing may take to be removed.
const CLEAN_UP: Duration = Duration::from_secs(2);

/// How every file of a copy is written.
struct How {
    overwrite: bool,
    mode: Option<u32>,
}

/// What is known of a file on its way, whatever becomes of the call.
#[derive(Default)]
struct Progress {
    /// The host was told to put a file in its place and has not answered.
    placing: AtomicBool,
    /// What to remove if nothing comes of it.
    part: std::sync::Mutex<Option<String>>,
}

/// Writes `request`.
pub(super) async fn copy(
    session: &mut SshSession,
    request: CopyRequest,
    observer: &mut dyn Observer,
    limits: &Limits<'_>,
) -> Result<CopyOutcome> {
    let host = Arc::clone(&session.host);
    let CopyRequest { dest_path, source, overwrite, mode } = request;
    let about = |error: Error| error.with("path", &dest_path);
    check_path(&dest_path, "destination")?;
    if mode.is_some_and(|mode| mode > 0o7777) {
        let message = "the mode is not one of permissions: write it in octal digits, such as 640";
        return Err(about(Error::new(ErrorKind::InvalidInput, message)));
    }
    let how = How { overwrite, mode };
    let source = match source {
        CopySource::One(source) => Ok(limits.within(Source::size(source)).await?),
        CopySource::Many(entries) => Err(entries),
    };
    let mut transfer = Transfer::open(session, observer, limits).await?;
    let progress = Progress::default();
    let copying = async {
        match source {
            Ok(source) => {
                let (status, sha256) = copy_one(&mut transfer, &progress, &dest_path, &source, &how).await?;
                Ok(CopyOutcome::one(status, source.length, sha256))
            }
            Err(entries) => copy_many(&mut transfer, &progress, &dest_path, entries, &how).await,
        }
    };
    let outcome = limits.within(copying).await;
    outcome
        .map_err(|error| {
            let error = host.about(about(error));
            match progress.placing.load(Ordering::Acquire) {
                true => error.with_outcome_unknown(),
                false => error,
            }
        })
        .inspect_err(|_| clean_up(session, transfer, &progress))
}

/// Removes what a copy that came to nothing left beside its place, in the background.
fn clean_up(session: &SshSession, transfer: Transfer, progress: &Progress) {
    let part = progress.part.lock().unwrap_or_else(std::sync::PoisonError::into_inner).take();
    let Some(part) = part else { return };
    let cleaning = async move {
        // Of what cannot be removed the next copy knows nothing, and it is in nobody's way.
        let _ = timeout(CLEAN_UP, transfer.sftp.remove(&part)).await;
    };
    if let Ok(runtime) = tokio::runtime::Handle::try_current() {
        session.pool.tracker.spawn_on(cleaning, &runtime);
    }
}

async fn copy_many(
    transfer: &mut Transfer,
    progress: &Progress,
    base: &str,
    entries: Vec<CopyEntry>,
    how: &How,
) -> Result<CopyOutcome> {
    let base = match base.trim_end_matches('/') {
        "" => "/",
        base => base,
    };
    let (mut files, mut written, mut length) = (0, 0, 0);
    let mut made = HashSet::new();
    make_folders(&transfer.sftp, base, &mut made).await?;
    for entry in entries {
        let at = |error: Error| error.with("file", &entry.path);
        let climbs = |part: &str| part.is_empty() || part == "." || part == "..";
        if entry.path.split('/').any(climbs) {
            let message = "a file's path below the destination is not a plain one";
            return Err(at(Error::new(ErrorKind::InvalidInput, message)));
        }
        let source = Source::size(entry.source).await.map_err(at)?;
        let path = format!("{}/{}", base.trim_end_matches('/'), entry.path);
        check_path(&path, "destination").map_err(at)?;
        if let Some((folder, _)) = path.rsplit_once('/') {
            make_folders(&transfer.sftp, folder, &mut made).await.map_err(at)?;
        }
        let status = copy_one(transfer, progress, &path, &source, how).await;
        let (status, _) = status.map_err(|error| match written {
            0 => at(error),
            // Some files are new and others are not; each is whole.
            _ => at(error).with("files written before", written).with_retryable(true),
        })?;
        files += 1;
        written += u64::from(status == CopyStatus::Copied);
        length += source.length;
    }
    Ok(CopyOutcome::many(files, written, length))
}

/// Makes a folder and those above it, as far as they are not there.
async fn make_folders(sftp: &Sftp, folder: &str, made: &mut HashSet<String>) -> Result<()> {
    if folder.is_empty() || made.contains(folder) {
        return Ok(());
    }
    match sftp.look_through(folder).await? {
        Some(found) if found.kind == Kind::Folder => {}
        Some(_) => {
            let message = "a file stands where a folder is to be";
            return Err(Error::new(ErrorKind::Conflict, message).with("folder", folder));
        }
        None => {
            if let Some((above, _)) = folder.rsplit_once('/') {
                Box::pin(make_folders(sftp, above, made)).await?;
            }
            if let Err(error) = sftp.make_folder(folder).await {
                // Somebody else may have been quicker.
                let found = sftp.look_through(folder).await?;
                if found.is_none_or(|found| found.kind != Kind::Folder) {
                    return Err(error.with("folder", folder));
                }
            }
        }
    }
    made.insert(folder.to_owned());
    Ok(())
}

/// Writes one file, and answers with the hash that it has on the host.
async fn copy_one(
    transfer: &mut Transfer,
    progress: &Progress,
    dest: &str,
    source: &Source,
    how: &How,
) -> Result<(CopyStatus, String)> {
    let Transfer { sftp, hasher } = transfer;
    let mut dest = dest.to_owned();
    let mut found = sftp.look(&dest).await?;
    if found.is_some_and(|found| found.kind == Kind::Link) {
        // What the link leads to is written, and the link stays.
        if let Some(through) = sftp.look_through(&dest).await? {
            dest = sftp.resolve(&dest).await?;
            found = Some(through);
        }
    }
    if let Some(found) = found {
        match found.kind {
            Kind::File => {}
            Kind::Folder => {
                let message = "the destination is a folder; name the file in it";
                return Err(Error::new(ErrorKind::InvalidInput, message));
            }
            Kind::Link | Kind::Other => {
                let message = "the destination is neither a file nor a folder";
                return Err(Error::new(ErrorKind::InvalidInput, message));
            }
        }
        if found.length == source.length {
            // Only what may be there already is read before it is sent.
            let (there, here) =
                tokio::join!(hasher.sha256(sftp, &dest, source.length), source.prefix_sha256(source.length));
            let (there, here) = (there?, here?);
            if there == here {
                return match how.mode {
                    Some(mode) if how.overwrite && found.mode != Some(mode) => {
                        sftp.set_mode_of(&dest, mode).await?;
                        Ok((CopyStatus::Copied, here))
                    }
                    _ => Ok((CopyStatus::Unchanged, here)),
                };
            }
        }
        if !how.overwrite {
            return Err(exists());
        }
    }
    let (folder, _) = dest.rsplit_once('/').map_or(("", ""), |(folder, name)| (&dest[..=folder.len()], name));
    let part = format!("{folder}.{}.part", token()?);
    let mode = how.mode.or(found.and_then(|found| found.mode));
    let handle = sftp.create(&part, mode.is_some()).await?;
    *progress.part.lock().unwrap_or_else(std::sync::PoisonError::into_inner) = Some(part.clone());
    let sent = send(sftp, &handle, source).await?;
    if let Some(mode) = mode {
        sftp.set_mode(&handle, mode).await?;
    }
    // What has been written can be read before it is on the disk.
    let (arrived, flushed) = tokio::join!(hasher.sha256(sftp, &part, source.length), sftp.flush(&handle));
    flushed?;
    sftp.close(handle).await?;
    if arrived? != sent.sha256 || sent.has_changed {
        let message = "what arrived on the host is not what was sent; did the file change while it was read?";
        return Err(Error::transport(Layer::Script, message));
    }
    progress.placing.store(true, Ordering::Release);
    let placed = match how.overwrite {
        true => sftp.replace(&part, &dest).await,
        false => sftp.rename(&part, &dest).await,
    };
    match placed {
        Ok(()) => {}
        // Without an answer, nobody knows.
        Err(error) if error.layer() == Some(Layer::Connect) => return Err(error),
        Err(error) => {
            progress.placing.store(false, Ordering::Release);
            let there = !how.overwrite && sftp.look(&dest).await?.is_some();
            return Err(if there { exists() } else { error });
        }
    }
    progress.placing.store(false, Ordering::Release);
    progress.part.lock().unwrap_or_else(std::sync::PoisonError::into_inner).take();
    Ok((CopyStatus::Copied, sent.sha256))
}

/// A content that was sent.
struct Sent {
    sha256: String,
    /// Whether the file is another than it was before.
    has_changed: bool,
}

/// Sends a content, many pieces on their way at a time, and hashes it meanwhile.
async fn send(sftp: &Sftp, handle: &str, source: &Source) -> Result<Sent> {
    let (give, mut pieces) = mpsc::channel::<Vec<u8>>(PIECES_MAX);
    let reading = source.clone();
    let reader = spawn_blocking(move || {
        let mut reader = reading.open(0..reading.length)?;
        let mut hash = Sha256::new();
        loop {
            let mut piece = vec![0; PIECE_BYTES];
            let count = reader.read_full(&mut piece)?;
            piece.truncate(count);
            hash.update(&piece);
            // Whoever takes no more says why.
            if count == 0 || give.blocking_send(piece).is_err() || count < PIECE_BYTES {
                let sha256 = hex(&hash.finalize());
                return Ok(Sent { sha256, has_changed: reading.has_changed() });
            }
        }
    });
    let mut sent = FuturesUnordered::new();
    let mut offset = 0;
    while let Some(piece) = pieces.recv().await {
        if sent.len() >= PIECES_MAX
            && let Some(answer) = sent.next().await
        {
            answer?;
        }
        let length = piece.len() as u64;
        sent.push(sftp.write(handle, offset, piece));
        offset += length;
        // The messages leave when they are asked about.
        while let Some(Some(answer)) = futures_util::FutureExt::now_or_never(sent.next()) {
            answer?;
        }
    }
    while let Some(answer) = sent.next().await {
        answer?;
    }
    let read = reader.await.unwrap_or_else(|error| Err(std::io::Error::other(error)));
    read.map_err(|error| source.unreadable(error))
}

fn exists() -> Error {
    let message = "the file exists with another content and overwrite is false; nothing was touched";
    Error::new(ErrorKind::Conflict, message)
}
