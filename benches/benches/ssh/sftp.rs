//! The role of OpenSSH's `sftp`: the program itself, told to copy when it is logged on.

use std::{
    io::{BufRead as _, BufReader, Write as _},
    path::Path,
    process::{ChildStdout, Command, Stdio},
    time::Instant,
};

use opsconductor_benches::role;
use serde_json::{Value, json};

use crate::Failure;

/// Does the task that stands on standard input.
pub(crate) fn run() -> Result<(), Failure> {
    let task = role::task()?;
    role::answer(&json!({"seconds": copy(&task)?, "version": version()?}))?;
    Ok(())
}

/// Seconds from the command to its end.
fn copy(task: &Value) -> Result<f64, Failure> {
    let host = &task["hosts"][0];
    let mut sftp = Command::new("sftp")
        .args(["-q", "-b", "-", "-i", role::text(task, "key")?])
        .args(["-P", &role::number(host, "port")?.to_string()])
        .args(["-o", &format!("UserKnownHostsFile={}", role::text(task, "known_hosts")?)])
        .args(["-o", "StrictHostKeyChecking=yes", "-o", "IdentitiesOnly=yes"])
        .arg(format!("{}@{}", role::text(task, "user")?, role::text(host, "address")?))
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()?;
    let (Some(mut input), Some(output)) = (sftp.stdin.take(), sftp.stdout.take()) else {
        return Err("sftp has no pipes".into());
    };
    let mut output = BufReader::new(output);
    // It runs what follows `!` itself, in its turn.
    writeln!(input, "!echo ready")?;
    until(&mut output, "ready")?;
    let put = if task["flush"].as_bool() == Some(true) { "put -f" } else { "put" };
    let (file, destination) = (role::text(task, "file")?, role::text(task, "destination")?);
    let started = Instant::now();
    writeln!(input, "{put} \"{file}\" \"{destination}\"\n!echo done")?;
    until(&mut output, "done")?;
    let seconds = started.elapsed().as_secs_f64();
    drop(input);
    if !sftp.wait()?.success() || !Path::new(destination).is_file() {
        return Err("sftp failed".into());
    }
    Ok(seconds)
}

/// Reads on to a line.
fn until(output: &mut BufReader<ChildStdout>, wanted: &str) -> Result<(), Failure> {
    let mut line = String::new();
    while line.trim_end() != wanted {
        line.clear();
        if output.read_line(&mut line)? == 0 {
            return Err(format!("sftp ended before it was {wanted}").into());
        }
    }
    Ok(())
}

/// Such as `OpenSSH_9.2p1`.
fn version() -> Result<String, Failure> {
    let said = Command::new("ssh").arg("-V").output()?;
    let said = String::from_utf8_lossy(&said.stderr).into_owned();
    Ok(said.split([' ', ',']).next().unwrap_or_default().to_owned())
}
