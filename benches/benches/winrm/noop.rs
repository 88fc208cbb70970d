//! `winrm.noop_p50` and `winrm.noop_concurrent`: a command that does nothing, in a shell that is open.

use std::time::Duration;

use opsconductor_benches::{Better, statistics::median};
use serde_json::{Value, json};

use crate::{
    Failure,
    farm::Shape,
    run::{Metric, Run},
    subject::Subject,
};

const P50: Metric = Metric { name: "winrm.noop_p50", unit: "ms", better: Better::Lower };
const CONCURRENT: Metric =
    Metric { name: "winrm.noop_concurrent", unit: "commands/s", better: Better::Higher };

const SUBJECTS: [Subject; 5] =
    [Subject::Ours, Subject::Limit, Subject::Pywinrm, Subject::Pypsrp, Subject::WinrmRs];
const SHAPE: Shape = Shape { hosts: 1, latency_ms: 0, https: false };
const LIMIT: Duration = Duration::from_secs(120);
const AT_ONCE: u64 = 8;

/// Measures both and prints them.
pub(crate) fn measure(run: &mut Run, round: u32) -> Result<(), Failure> {
    let (warm, commands) = if run.is_quick() { (5, 40) } else { (50, 600) };
    if run.wants(P50.name) {
        let task = json!({"task": "noop", "warm": warm, "commands": commands});
        for subject in SUBJECTS {
            let Some((done, _)) = run.task(subject, SHAPE, &task, LIMIT, Some(warm + commands))? else {
                continue;
            };
            let times = done.said["ms"].as_array().into_iter().flatten().filter_map(Value::as_f64);
            let times: Vec<f64> = times.collect();
            let p50 = median(&times).ok_or("a subject measured nothing")?;
            run.print(P50, (subject, &done), (p50, times.len() as u64, round), &[])?;
        }
    }
    if run.wants(CONCURRENT.name) {
        let (warm, commands) = (warm / 5 * AT_ONCE, commands * 2);
        let task = json!({"task": "noop_concurrent", "at_once": AT_ONCE, "warm": warm, "commands": commands});
        for subject in SUBJECTS {
            let Some((done, _)) = run.task(subject, SHAPE, &task, LIMIT, Some(warm + commands))? else {
                continue;
            };
            let seconds = done.said["seconds"].as_f64().ok_or("a subject measured nothing")?;
            run.print(CONCURRENT, (subject, &done), (commands as f64 / seconds, commands, round), &[])?;
        }
    }
    Ok(())
}
