//! `ssh.hosts_50_cold`, `ssh.hosts_50_warm`, `ssh.hosts_50_rss` and `ssh.hosts_50_cpu`: one command on 50 hosts.

use std::{
    fs,
    path::Path,
    process::{Command, Stdio},
    time::Duration,
};

use opsconductor_benches::{Better, statistics::median, subject::Answer};
use serde_json::{Value, json};

use crate::{
    Failure,
    run::{Metric, Run},
    servers::Servers,
    subject::Subject,
};

const COLD: Metric = Metric { name: "ssh.hosts_50_cold", unit: "s", better: Better::Lower };
const WARM: Metric = Metric { name: "ssh.hosts_50_warm", unit: "s", better: Better::Lower };
const RSS: Metric = Metric { name: "ssh.hosts_50_rss", unit: "MiB", better: Better::Lower };
const CPU: Metric = Metric { name: "ssh.hosts_50_cpu", unit: "s", better: Better::Lower };

const LIMIT: Duration = Duration::from_secs(180);
const FORKS: u64 = 50;
/// How often the command is run again while the connections are open.
const AGAIN: u64 = 9;

/// Measures all four and prints them.
pub(crate) fn measure(run: &mut Run, round: u32) -> Result<(), Failure> {
    if !run.wants(&[COLD, WARM, RSS, CPU]) {
        return Ok(());
    }
    let hosts = if run.is_quick() { 15 } else { 50 };
    let servers = Servers::start(hosts)?;
    let mut task = servers.task()?;
    task["task"] = json!("fleet");
    ours(run, task.clone(), hosts as u64, round)?;
    ansible(run, task, hosts as u64, round)
}

/// Cold is a process from its start to its end: engine and store made, hosts and job written down, the command run on each. Warm
/// is a run of the same job by an engine that ran it before, from the call that starts it to its result.
fn ours(run: &mut Run, mut task: Value, hosts: u64, round: u32) -> Result<(), Failure> {
    task["again"] = json!(0);
    let Some(cold) = run.task(Subject::Ours, &task, LIMIT) else { return Ok(()) };
    task["again"] = json!(AGAIN);
    let Some(warm) = run.task(Subject::Ours, &task, LIMIT) else { return Ok(()) };
    let seconds = warm.said["again"].as_array().into_iter().flatten().filter_map(Value::as_f64);
    let seconds = median(&seconds.collect::<Vec<_>>()).ok_or("a subject measured nothing")?;
    print(run, Subject::Ours, (&cold, &warm), seconds, (hosts, round))
}

/// Cold is a process from its start to its end; warm is a second one that finds the connections which the first left open.
fn ansible(run: &mut Run, mut task: Value, hosts: u64, round: u32) -> Result<(), Failure> {
    let control = tempfile::tempdir()?;
    task["forks"] = json!(FORKS);
    task["control"] = json!(control.path());
    if let Some(cold) = run.task(Subject::Ansible, &task, LIMIT)
        && let Some(warm) = run.task(Subject::Ansible, &task, LIMIT)
    {
        let seconds = warm.wall.as_secs_f64();
        print(run, Subject::Ansible, (&cold, &warm), seconds, (hosts, round))?;
    }
    end_masters(control.path())
}

fn print(
    run: &Run,
    subject: Subject,
    (cold, warm): (&Answer, &Answer),
    seconds: f64,
    (hosts, round): (u64, u32),
) -> Result<(), Failure> {
    let cpu = |answer: &Answer, name: &str| answer.said[name].as_f64().ok_or("a subject left out its time");
    // Ours are so many runs in one process; Ansible's second process is one.
    let warm_cpu = if subject == Subject::Ours { cpu(warm, "cpu_again")? } else { cpu(warm, "cpu")? };
    let peak = cold.peak_mib.max(warm.peak_mib);
    let by = (subject, cold);
    run.print(COLD, by, (cold.wall.as_secs_f64(), hosts, round), &[("hosts", json!(hosts))])?;
    run.print(WARM, by, (seconds, hosts, round), &[("hosts", json!(hosts))])?;
    let more = [("hosts", json!(hosts)), ("warm", json!(warm.peak_mib.round()))];
    run.print(RSS, by, (peak, hosts, round), &more)?;
    let more = [("hosts", json!(hosts)), ("warm", json!((warm_cpu * 1e4).round() / 1e4))];
    run.print(CPU, by, (cpu(cold, "cpu")?, hosts, round), &more)
}

/// Ends the connections that Ansible left open.
fn end_masters(control: &Path) -> Result<(), Failure> {
    for socket in fs::read_dir(control)? {
        let way = format!("ControlPath={}", socket?.path().display());
        let mut ssh = Command::new("ssh");
        ssh.args(["-O", "exit", "-o", &way, "host"]).stdout(Stdio::null()).stderr(Stdio::null());
        // One that has ended by itself needs no telling.
        let _ = ssh.status();
    }
    Ok(())
}
