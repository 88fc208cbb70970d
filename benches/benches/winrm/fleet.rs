//! `winrm.hosts_200_wall`, `winrm.hosts_200_rss` and `winrm.hosts_1000_50ms_ratio`: one command on many hosts.

use std::time::Duration;

use opsconductor_benches::Better;
use serde_json::json;

use crate::{
    Failure,
    farm::Shape,
    run::{Metric, Run},
    subject::Subject,
};

const WALL: Metric = Metric { name: "winrm.hosts_200_wall", unit: "s", better: Better::Lower };
const RSS: Metric = Metric { name: "winrm.hosts_200_rss", unit: "MiB", better: Better::Lower };
const RATIO: Metric = Metric { name: "winrm.hosts_1000_50ms_ratio", unit: "", better: Better::Lower };

const SUBJECTS: [Subject; 3] = [Subject::Ours, Subject::Pywinrm, Subject::Ansible];
const LIMIT: Duration = Duration::from_secs(300);
const LATENCY_MS: u64 = 50;

/// Measures all three and prints them.
pub(crate) fn measure(run: &mut Run, round: u32) -> Result<(), Failure> {
    many(run, round)?;
    far(run, round)
}

/// From the start of the client's process to its end: engine and store made, hosts and job written down, the command
/// run on each, shells deleted.
fn many(run: &mut Run, round: u32) -> Result<(), Failure> {
    if !run.wants(WALL.name) && !run.wants(RSS.name) {
        return Ok(());
    }
    let hosts = if run.is_quick() { 20 } else { 200 };
    let task = json!({"task": "fleet", "threads": 32, "forks": 50});
    let shape = Shape { hosts, ..Shape::default() };
    for subject in SUBJECTS {
        let Some((done, _)) = run.task(subject, shape, &task, LIMIT, Some(hosts))? else { continue };
        let more = [("hosts", json!(hosts))];
        run.print(WALL, (subject, &done), (done.wall.as_secs_f64(), hosts, round), &more)?;
        run.print(RSS, (subject, &done), (done.peak_mib, hosts, round), &more)?;
    }
    Ok(())
}

/// What a thousand distant hosts take, against the round trips that one of them takes when nothing else is to be done.
fn far(run: &mut Run, round: u32) -> Result<(), Failure> {
    if !run.wants(RATIO.name) {
        return Ok(());
    }
    let hosts = if run.is_quick() { 50 } else { 1000 };
    let shape = Shape { hosts: 1, latency_ms: LATENCY_MS, https: false };
    // The way of one cold command: a round trip for the connection, and one for each request until the result is there.
    let task = json!({"task": "fleet"});
    let Some((one, books)) = run.task(Subject::Ours, shape, &task, LIMIT, Some(1))? else { return Ok(()) };
    let round_trips = books.connections + books.requests - AFTERWARDS;
    let Some((done, _)) = run.task(Subject::Ours, Shape { hosts, ..shape }, &task, LIMIT, Some(hosts))?
    else {
        return Ok(());
    };
    let seconds = done.said["seconds"].as_f64().ok_or("a subject measured nothing")?;
    let ideal = round_trips as f64 * LATENCY_MS as f64 / 1e3;
    let more = [
        ("hosts", json!(hosts)),
        ("round_trips", json!(round_trips)),
        ("seconds", json!(seconds)),
        ("one_host_seconds", one.said["seconds"].clone()),
    ];
    run.print(RATIO, (Subject::Ours, &done), (seconds / ideal, hosts, round), &more)
}

/// Requests that nobody waits for before the result is there: the last signal, and the deletion of the shell.
const AFTERWARDS: u64 = 2;
