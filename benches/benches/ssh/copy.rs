//! `ssh.copy_64m`: one file of bytes that do not compress, on a connection that is open.

use std::{fs, time::Duration};

use opsconductor_benches::{Better, content::fill};
use serde_json::json;

use crate::{
    Failure,
    run::{Metric, Run},
    servers::Servers,
    subject::Subject,
};

const COPY: Metric = Metric { name: "ssh.copy_64m", unit: "MB/s", better: Better::Higher };
const LIMIT: Duration = Duration::from_secs(120);
const MIB: u64 = 1024 * 1024;

/// Ours checks what it wrote by its hash and brings it to the disk; `sftp` does neither, and brings it to the disk where it is told so.
const SUBJECTS: [(Subject, &str); 3] =
    [(Subject::Ours, "verified, flushed"), (Subject::Sftp, "plain"), (Subject::Sftp, "flushed")];

/// Measures it and prints it.
pub(crate) fn measure(run: &mut Run, round: u32) -> Result<(), Failure> {
    if !run.wants(&[COPY]) {
        return Ok(());
    }
    let bytes = if run.is_quick() { 4 * MIB } else { 64 * MIB };
    let folder = tempfile::tempdir()?;
    let file = folder.path().join("content");
    fill(&file, bytes)?;
    let servers = Servers::start(1)?;
    let destination = servers.files()?.join("copy");
    let mut task = servers.task()?;
    task["task"] = json!("copy");
    task["file"] = json!(file);
    task["destination"] = json!(destination);
    for (subject, setting) in SUBJECTS {
        task["flush"] = json!(setting == "flushed");
        let Some(done) = run.task(subject, &task, LIMIT) else { continue };
        let written = fs::metadata(&destination)?.len();
        if written != bytes {
            return Err(format!("{} wrote {written} of {bytes} bytes", subject.name()).into());
        }
        fs::remove_file(&destination)?;
        let seconds = done.said["seconds"].as_f64().ok_or("a subject measured nothing")?;
        let more = [
            ("mib", json!(bytes / MIB)),
            ("setting", json!(setting)),
            ("rss_mib", json!(done.peak_mib.round())),
        ];
        run.print(COPY, (subject, &done), (bytes as f64 / 1e6 / seconds, 1, round), &more)?;
    }
    Ok(())
}
