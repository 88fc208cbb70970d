//! Bringing one file: a script reads it out in lines of base64 and says its hash at the end.

use std::sync::Arc;

use serde::Serialize;
use tokio::{sync::mpsc, task::spawn_blocking};

use super::{
    copy::{
        report::{self, Report},
        tries::Tries,
    },
    host::Host,
    lane::Lane,
    limits::Limits,
    local::Local,
    process::{Line, Process},
    transfer::{Transfer, check_path},
};
use crate::{
    Error, ErrorKind, Result,
    error::Layer,
    transport::{Control, FetchOutcome, FetchRequest, Observer},
};

const SCRIPT: &str = concat!(include_str!("copy/common.ps1"), include_str!("fetch.ps1"));

/// Lines that wait to be written.
const LINES_MAX: usize = 4;

/// What the script needs to know.
#[derive(Serialize)]
struct Parameters<'a> {
    src: &'a str,
    max: u64,
    /// How much is here already.
    from: u64,
}

/// Brings the file of `request` over `lane`.
pub(super) async fn fetch(
    lane: &mut Lane,
    request: FetchRequest,
    observer: &mut dyn Observer,
    control: &Control,
) -> Result<FetchOutcome> {
    check_path(&request.src_path, "source")?;
    let limits = Limits::new(control, None);
    let about = |error: Error| error.with("path", &request.src_path);
    let mut transfer = Transfer::new(lane, observer, &limits);
    let mut local = Local::create(&request.dest, request.overwrite).await?;
    let mut tries = Tries::default();
    loop {
        let (taken, result) = attempt(&mut transfer, &request, local).await;
        let error = match (taken, result) {
            (Some(taken), Ok(())) => {
                let (length, sha256) = taken.put(&request.dest, request.overwrite).await?;
                return Ok(FetchOutcome::new(length, sha256));
            }
            (Some(taken), Err(error)) => {
                tries.reached(taken.length());
                local = taken;
                error
            }
            (None, result) => return Err(about(result.err().unwrap_or_else(writer_lost))),
        };
        tries.again(error, &limits).await.map_err(about)?;
    }
}

/// One try. Gives the local file back, unless it could not be written.
async fn attempt(
    transfer: &mut Transfer<'_>,
    request: &FetchRequest,
    local: Local,
) -> (Option<Local>, Result<()>) {
    let from = local.length();
    let parameters = Parameters { src: &request.src_path, max: request.bytes_max, from };
    let mut process = match transfer.start(SCRIPT, &parameters, &[]).await {
        Ok(process) => process,
        Err(error) => return (Some(local), Err(error)),
    };
    let (give, lines) = mpsc::channel(LINES_MAX);
    let writer = spawn_blocking(move || local.write_lines(lines));
    let host = Arc::clone(&transfer.lane.host);
    let result = transfer.limits.within(receive(&mut process, &host, request, from, give)).await;
    let written = writer.await.unwrap_or_else(|_| Err(writer_lost()));
    let result = match (written, result) {
        (Ok(local), Ok(expected)) => {
            let matches = local.check(expected.0, &expected.1);
            (Some(local), if matches { Ok(()) } else { Err(host.about(changed())) })
        }
        (Ok(local), Err(error)) => (Some(local), Err(error)),
        (Err(error), _) => (None, Err(error)),
    };
    match result {
        (local, Ok(())) => {
            transfer.finish(process).await;
            (local, Ok(()))
        }
        (local, Err(error)) => (local, Err(transfer.abandon(process, error, false).await)),
    }
}

/// Takes the lines up to the end; the length and the hash that the host gives.
async fn receive(
    process: &mut Process,
    host: &Host,
    request: &FetchRequest,
    from: u64,
    give: mpsc::Sender<bytes::Bytes>,
) -> Result<(u64, String)> {
    loop {
        let line = match process.line().await? {
            Line::Data(line) => {
                // The writer says itself why it takes no more.
                if give.send(line).await.is_err() {
                    return Err(writer_lost());
                }
                continue;
            }
            Line::Report(line) => line,
        };
        match Report::read(&line) {
            Some(Report::Length(length)) if length < from => return Err(host.about(changed())),
            Some(Report::Length(length)) => {
                tracing::debug!(target = host.target, length, from, "taking the content");
            }
            Some(Report::End { length, sha256 }) => return Ok((length, sha256)),
            Some(Report::Missing) => {
                return Err(host.about(Error::new(ErrorKind::NotFound, "the host has no such file")));
            }
            Some(Report::Large(length)) => {
                let message =
                    format!("the file has {length} bytes, more than the {} allowed", request.bytes_max);
                return Err(host.about(Error::new(ErrorKind::InvalidInput, message)));
            }
            Some(Report::Failed(failed)) => return Err(failed.into_error(host, "the file was not read")),
            _ => return Err(report::unexpected(host, &line)),
        }
    }
}

fn changed() -> Error {
    let message = "the file changed on the host while it was read; fetch it when nobody writes it";
    Error::transport(Layer::Script, message)
}

fn writer_lost() -> Error {
    Error::new(ErrorKind::Internal, "the task that writes the local file did not end well")
}
