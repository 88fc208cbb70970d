//! Many files: one script that says which of them it needs, and their contents as one stream.
//!
//! A file that is large is worth a conversation of its own, in which it is resumed where it was.

use std::{collections::HashSet, sync::Arc};

use base64::{Engine as _, engine::general_purpose::STANDARD};
use serde::Serialize;

use super::{
    super::{host::Host, process::Process},
    Copying,
    chunks::Segment,
    one::{self, Upload},
    report::{self, Report},
    source::Source,
    tries::Tries,
};
use crate::{
    Error, ErrorKind, Result,
    transport::{CopyEntry, CopyOutcome, CopyStatus},
};

const SCRIPT: &str = concat!(include_str!("common.ps1"), include_str!("many.ps1"));

/// How many files one copy may have.
const FILES_MAX: usize = 100_000;

/// How many files one script takes.
const BATCH_MAX: usize = 5_000;

/// From this length on a file goes by itself.
const LARGE_BYTES: u64 = 8 * 1024 * 1024;

/// What the script needs to know.
#[derive(Serialize)]
struct Parameters<'a> {
    dest: &'a str,
    overwrite: bool,
    files: usize,
}

struct Entry {
    path: String,
    source: Arc<Source>,
}

/// Copies `entries` below `dest`.
pub(super) async fn copy_many(
    copying: &mut Copying<'_>,
    dest: &str,
    entries: Vec<CopyEntry>,
    overwrite: bool,
) -> Result<CopyOutcome> {
    check(&entries)?;
    let (count, mut length, mut written) = (entries.len() as u64, 0, 0);
    let mut small = Vec::new();
    let mut large = Vec::new();
    for CopyEntry { path, source } in entries {
        let source = Arc::new(copying.transfer.limits.within(Source::measure(source)).await?);
        length += source.length;
        let list = if source.length < LARGE_BYTES { &mut small } else { &mut large };
        list.push(Entry { path, source });
    }
    for batch in small.chunks(BATCH_MAX) {
        written += copy_batch(copying, dest, batch, overwrite).await?;
    }
    for Entry { path, source } in large {
        let one = format!("{}\\{}", dest.trim_end_matches(['\\', '/']), path.replace('/', "\\"));
        let status = one::copy_one(copying, &one, &source, overwrite, true).await;
        let status = status.map_err(|error| error.with("file", &path))?;
        written += u64::from(status == CopyStatus::Copied);
    }
    Ok(CopyOutcome::many(count, written, length))
}

/// What the paths must be, for none may lead out of the destination or mean the same file as another.
fn check(entries: &[CopyEntry]) -> Result<()> {
    let invalid = |message: &str| Error::new(ErrorKind::InvalidInput, message);
    if entries.is_empty() {
        return Err(invalid("there is no file to copy"));
    }
    if entries.len() > FILES_MAX {
        return Err(invalid("one copy takes at most 100,000 files"));
    }
    let mut seen = HashSet::new();
    for entry in entries {
        let parts = entry.path.split('/');
        // Windows takes both separators, drops dots and spaces at the end of a name, and a colon names a stream.
        let bad =
            |part: &str| part.trim_end_matches(['.', ' ']).is_empty() || part.contains(['\\', ':', '\0']);
        if parts.clone().any(bad) {
            return Err(
                invalid("a file to copy has a path that Windows cannot keep").with("file", &entry.path)
            );
        }
        let folded: Vec<_> = parts.map(|part| part.trim_end_matches(['.', ' ']).to_lowercase()).collect();
        if !seen.insert(folded) {
            return Err(invalid("two files to copy have the same name for Windows").with("file", &entry.path));
        }
    }
    Ok(())
}

/// Copies what one script takes; how many files it wrote.
async fn copy_batch(copying: &mut Copying<'_>, dest: &str, batch: &[Entry], overwrite: bool) -> Result<u64> {
    let mut manifest = String::new();
    for Entry { path, source } in batch {
        manifest.push_str(&format!("{} {} {}\n", STANDARD.encode(path), source.length, source.sha256));
    }
    let parameters = Parameters { dest, overwrite, files: batch.len() };
    let mut tries = Tries::default();
    // How many were wanted at first: what was put in place unheard counts as written.
    let mut wanted = None;
    loop {
        let mut upload = Upload::default();
        let mut process = match copying.transfer.start(SCRIPT, &parameters, manifest.as_bytes()).await {
            Ok(process) => process,
            Err(error) => {
                tries.again(error, copying.transfer.limits).await?;
                continue;
            }
        };
        let limits = copying.transfer.limits;
        let result = limits.within(converse(copying, &mut process, batch, &mut upload, &mut wanted)).await;
        let error = match result {
            Ok(()) => {
                copying.transfer.finish(process).await;
                return Ok(wanted.unwrap_or_default());
            }
            // Every file has been put in its place, or not, by itself: what is in doubt is only how many.
            Err(error) => copying.transfer.abandon(process, error, upload.reached > 0).await,
        };
        tries.reached(upload.done_before + upload.reached);
        tries.again(error, limits).await?;
    }
}

async fn converse(
    copying: &mut Copying<'_>,
    process: &mut Process,
    batch: &[Entry],
    upload: &mut Upload,
    wanted: &mut Option<u64>,
) -> Result<()> {
    let host = Arc::clone(&copying.transfer.lane.host);
    process.ready_feed().await?;
    let line = process.report().await?;
    let states = match Report::read(&line) {
        Some(Report::Need(states)) if states.len() == batch.len() => states,
        report => return ended(report, &host, &line),
    };
    let needed = || batch.iter().zip(&states).filter(|(_, needed)| **needed).map(|(entry, _)| entry);
    wanted.get_or_insert(needed().count() as u64);
    let missing: u64 = needed().map(|entry| entry.source.length).sum();
    upload.done_before = batch.iter().map(|entry| entry.source.length).sum::<u64>() - missing;
    let segments: Vec<Segment> =
        needed().map(|entry| (Arc::clone(&entry.source), 0..entry.source.length)).collect();
    if missing > 0 {
        one::upload(copying, process, segments, upload, true).await?;
    }
    let line = process.report().await?;
    ended(Report::read(&line), &host, &line)
}

fn ended(report: Option<Report>, host: &Host, line: &str) -> Result<()> {
    match report {
        Some(Report::Done | Report::Same) => Ok(()),
        Some(Report::Exists(path)) => Err(report::exists(host).with("file", path.unwrap_or_default())),
        Some(Report::Failed(failed)) => {
            let path = failed.path.clone();
            Err(failed.into_error(host, "not every file was written").with("file", path))
        }
        _ => Err(report::unexpected(host, line)),
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test may panic")]

    use super::check;
    use crate::transport::{CopyEntry, FileSource};

    #[test]
    fn no_path_leads_out_and_no_two_mean_the_same() {
        let entries = |paths: &[&str]| -> Vec<CopyEntry> {
            let entry =
                |path: &&str| CopyEntry { path: (*path).to_owned(), source: FileSource::Bytes("x".into()) };
            paths.iter().map(entry).collect()
        };
        check(&entries(&["a", "b/c.txt", "b/d e.txt"])).unwrap();
        for bad in [
            &["../a"][..],
            &["a/./b"],
            &["/a"],
            &["a//b"],
            &["C:/a"],
            &["a\\b"],
            &["..  "],
            &[],
            &["A", "a"],
            &["a.", "a"],
        ] {
            assert!(check(&entries(bad)).is_err(), "{bad:?}");
        }
    }
}
