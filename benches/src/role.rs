//! This program again, in another role: a subject that gets a task in one line of JSON and answers in another.

use std::{
    env,
    error::Error,
    io::{self, BufRead as _, Write as _},
    process::Command,
};

use serde_json::Value;

type Failure = Box<dyn Error + Send + Sync>;

const ROLE: &str = "--role=";

/// This program again, in another role.
///
/// # Errors
/// When the system does not say where it is.
pub fn in_role(role: &str) -> io::Result<Command> {
    let mut command = Command::new(env::current_exe()?);
    command.arg(format!("{ROLE}{role}"));
    Ok(command)
}

/// The role this process was started in; none is the harness.
pub fn role() -> Option<String> {
    env::args().find_map(|argument| argument.strip_prefix(ROLE).map(str::to_owned))
}

/// The task, as a subject reads it.
///
/// # Errors
/// When there is none, or it is no JSON.
pub fn task() -> Result<Value, Failure> {
    let mut line = String::new();
    io::stdin().lock().read_line(&mut line)?;
    Ok(serde_json::from_str(&line)?)
}

/// The answer, as a subject gives it.
///
/// # Errors
/// When nobody listens.
pub fn answer(answer: &Value) -> io::Result<()> {
    let mut out = io::stdout().lock();
    writeln!(out, "{answer}")?;
    out.flush()
}

/// A number of the task that must be there.
///
/// # Errors
/// When it is not.
pub fn number(task: &Value, name: &str) -> Result<u64, Failure> {
    task[name].as_u64().ok_or_else(|| format!("the task says no {name}").into())
}

/// A text of the task that must be there.
///
/// # Errors
/// When it is not.
pub fn text<'a>(task: &'a Value, name: &str) -> Result<&'a str, Failure> {
    task[name].as_str().ok_or_else(|| format!("the task says no {name}").into())
}
