//! `winrm.copy_64m` and `winrm.copy_16m_50ms`: one file of bytes that do not compress, to a host near and to one far away.

use std::time::Duration;

use opsconductor_benches::{Better, content::fill};
use serde_json::json;

use crate::{
    Failure,
    farm::Shape,
    run::{Metric, Run},
    subject::Subject,
};

const NEAR: Metric = Metric { name: "winrm.copy_64m", unit: "MB/s", better: Better::Higher };
const FAR: Metric = Metric { name: "winrm.copy_16m_50ms", unit: "MB/s", better: Better::Higher };
const LATENCY_MS: u64 = 50;
const LIMIT: Duration = Duration::from_secs(180);

const KIB: u64 = 1024;
const MIB: u64 = 1024 * KIB;

/// How much each subject copies, near and far: what it bears within seconds. winrm-rs starts a PowerShell for every 2,000
/// bytes, winrmcp a command for every few thousand.
const SUBJECTS: [(Subject, u64, u64); 4] = [
    (Subject::Ours, 64 * MIB, 16 * MIB),
    (Subject::Pypsrp, 64 * MIB, 16 * MIB),
    (Subject::WinrmRs, MIB, 64 * KIB),
    (Subject::Winrmcp, 256 * KIB, 32 * KIB),
];

/// Measures both and prints them.
pub(crate) fn measure(run: &mut Run, round: u32) -> Result<(), Failure> {
    let folder = tempfile::tempdir()?;
    for (subject, near, far) in SUBJECTS {
        for (metric, bytes, latency_ms) in [(NEAR, near, 0), (FAR, far, LATENCY_MS)] {
            if !run.wants(metric.name) {
                continue;
            }
            let bytes = if run.is_quick() { (bytes / 16).max(16 * KIB) } else { bytes };
            let path = folder.path().join(format!("{bytes}.bin"));
            if !path.exists() {
                fill(&path, bytes)?;
            }
            let task = json!({"task": "copy", "file": path, "destination": r"C:\Windows\Temp\bench.bin"});
            let shape = Shape { hosts: 1, latency_ms, https: subject == Subject::Winrmcp };
            let Some((done, _)) = run.task(subject, shape, &task, LIMIT, None)? else { continue };
            let seconds = done.said["seconds"].as_f64().ok_or("a subject measured nothing")?;
            let speed = bytes as f64 / 1e6 / seconds;
            let more = [("kib", json!(bytes / KIB)), ("rss_mib", json!(done.peak_mib.round()))];
            run.print(metric, (subject, &done), (speed, 1, round), &more)?;
        }
    }
    Ok(())
}
