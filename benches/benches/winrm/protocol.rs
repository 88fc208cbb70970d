//! How the harness and its subjects talk: one line of JSON in, one line out.

use std::{
    env,
    io::{self, BufRead as _, Write as _},
    path::Path,
    process::Command,
};

use serde_json::Value;

use crate::Failure;

/// The account of every simulated host. The password guards nothing.
pub(crate) const USER: &str = "Administrator";
pub(crate) const PASSWORD: &str = "correct horse battery";

const ROLE: &str = "--role=";

/// This program again, in another role.
pub(crate) fn in_role(role: &str) -> io::Result<Command> {
    let mut command = Command::new(env::current_exe()?);
    command.arg(format!("{ROLE}{role}"));
    Ok(command)
}

/// The role this process was started in; none is the harness.
pub(crate) fn role() -> Option<String> {
    env::args().find_map(|argument| argument.strip_prefix(ROLE).map(str::to_owned))
}

/// The task, as a subject reads it.
pub(crate) fn task() -> Result<Value, Failure> {
    let mut line = String::new();
    io::stdin().lock().read_line(&mut line)?;
    Ok(serde_json::from_str(&line)?)
}

/// The answer, as a subject gives it.
pub(crate) fn answer(answer: &Value) -> io::Result<()> {
    let mut out = io::stdout().lock();
    writeln!(out, "{answer}")?;
    out.flush()
}

/// A number of the task that must be there.
pub(crate) fn number(task: &Value, name: &str) -> Result<u64, Failure> {
    task[name].as_u64().ok_or_else(|| format!("the task says no {name}").into())
}

/// A text of the task that must be there.
pub(crate) fn text<'a>(task: &'a Value, name: &str) -> Result<&'a str, Failure> {
    task[name].as_str().ok_or_else(|| format!("the task says no {name}").into())
}

/// Where the hosts listen.
pub(crate) fn ports(task: &Value) -> Result<Vec<u16>, Failure> {
    let ports = task["ports"].as_array().ok_or("the task says no ports")?;
    let port = |value: &Value| value.as_u64().and_then(|port| u16::try_from(port).ok());
    ports.iter().map(|value| port(value).ok_or_else(|| "a port of the task is none".into())).collect()
}

/// Where the peers' programs lie.
pub(crate) fn peers() -> &'static Path {
    Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/peers/winrm"))
}
