//! `cmd.exe`: command lines with operators, redirections, variables and the built-in commands.

mod builtins;
mod files;
mod parse;
mod tree;

use std::future::Future;
use std::pin::Pin;

use super::io::{Sink, Stdin};
use super::surroundings::Surroundings;
use super::{command_line, programs};
use tree::{Condition, Node, Redirect, Target};

/// The longest line `cmd.exe` takes.
const LINE_CHARS_MAX: usize = 8191;
const TOO_LONG: &str = "The command line is too long.\r\n";
const PIPE_PIECES: usize = 4;

/// What one `cmd.exe` knows besides its surroundings.
#[derive(Debug, Clone)]
struct Session {
    error_level: i32,
    /// What the last command returned; it differs from the error level after an unknown command and after `echo`.
    exit_code: i32,
    exiting: bool,
    echo: bool,
}

/// `cmd.exe /c line`, as the remote shell starts it.
pub(crate) async fn run_command(surroundings: &mut Surroundings, line: &str) -> i32 {
    if line.encode_utf16().count() > LINE_CHARS_MAX {
        surroundings.complain(TOO_LONG).await;
        return 1;
    }
    let mut session = Session { error_level: 0, exit_code: 0, exiting: false, echo: true };
    run_text(surroundings, &mut session, line).await;
    session.exit_code
}

/// `cmd.exe` as a program, with what follows its name.
pub(crate) async fn run_program(surroundings: &mut Surroundings, rest: &str) -> i32 {
    let mut rest = rest.trim_start();
    loop {
        let (switch, after) = match rest.get(..2) {
            Some(switch) if switch.starts_with('/') => (switch.to_ascii_lowercase(), rest[2..].trim_start()),
            _ => return interactive(surroundings).await,
        };
        match switch.as_str() {
            "/c" | "/r" => return run_command(surroundings, strip_quotes(after)).await,
            "/k" => {
                let code = run_command(surroundings, strip_quotes(after)).await;
                interactive(surroundings).await;
                return code;
            }
            // What such a switch changes does not show here: /q, /s, /d, /a, /u, /e:on, /v:on.
            _ => rest = rest[2..].split_once(' ').map_or("", |(_, r)| r).trim_start(),
        }
    }
}

/// Without `/c` the commands come from standard input; the prompts and echoes of a console are left out.
async fn interactive(surroundings: &mut Surroundings) -> i32 {
    let mut session = Session { error_level: 0, exit_code: 0, exiting: false, echo: true };
    let stdin = surroundings.stdin.clone();
    while let Some(line) = stdin.read_line().await {
        let line = super::codepage::decode(surroundings.code_page, &line);
        run_text(surroundings, &mut session, &line).await;
        if session.exiting {
            break;
        }
    }
    session.exit_code
}

/// The rule of `cmd /?`: outer quotes go unless they only hold the name of a program.
fn strip_quotes(line: &str) -> &str {
    let line = line.trim_end();
    let Some(inner) = line.strip_prefix('"') else { return line };
    let quotes = line.matches('"').count();
    if quotes == 2 && line.ends_with('"') && !inner.contains(['&', '<', '>', '(', ')', '@', '^', '|']) {
        let name = &inner[..inner.len() - 1];
        let (first, _) = command_line::program(line);
        if name.to_lowercase().ends_with(".exe") && first == name {
            return line;
        }
    }
    match inner.rfind('"') {
        // Text after the last quote stays; only a quote that ends the line goes in practice.
        Some(end) if end + 1 == inner.len() => &inner[..end],
        _ if quotes % 2 == 1 => inner,
        _ => line,
    }
}

async fn run_text(surroundings: &mut Surroundings, session: &mut Session, line: &str) {
    let line = expand(surroundings, session, line);
    if line.encode_utf16().count() > LINE_CHARS_MAX {
        surroundings.complain(TOO_LONG).await;
        (session.error_level, session.exit_code) = (1, 1);
        return;
    }
    match parse::parse(&line) {
        Ok(Some(node)) => run_node(surroundings, session, &node).await,
        Ok(None) => {}
        Err(token) => {
            let text = if token.is_empty() {
                "The syntax of the command is incorrect.\r\n".to_owned()
            } else {
                format!("{token} was unexpected at this time.\r\n")
            };
            surroundings.complain(&text).await;
            (session.error_level, session.exit_code) = (1, 1);
        }
    }
}

/// Replaces `%NAME%`; what is not defined stays as it stands, as on a command line.
fn expand(surroundings: &Surroundings, session: &Session, line: &str) -> String {
    let mut out = String::with_capacity(line.len());
    let mut rest = line;
    while let Some(open) = rest.find('%') {
        out.push_str(&rest[..open]);
        let after = &rest[open + 1..];
        let found = after.find('%').and_then(|close| {
            let value = variable(surroundings, session, &after[..close])?;
            Some((value, &after[close + 1..]))
        });
        match found {
            Some((value, after)) => {
                out.push_str(&value);
                rest = after;
            }
            None => {
                out.push('%');
                rest = after;
            }
        }
    }
    out.push_str(rest);
    out
}

fn variable(surroundings: &Surroundings, session: &Session, name: &str) -> Option<String> {
    if let Some(value) = surroundings.environment.get(name) {
        return Some(value.to_owned());
    }
    match name.to_ascii_lowercase().as_str() {
        "cd" => Some(surroundings.directory.clone()),
        "errorlevel" => Some(session.error_level.to_string()),
        "date" => Some(chrono::Local::now().format("%a %m/%d/%Y").to_string()),
        "time" => Some(chrono::Local::now().format("%k:%M:%S%.f").to_string().chars().take(11).collect()),
        _ => None,
    }
}

fn run_node<'a>(
    surroundings: &'a mut Surroundings,
    session: &'a mut Session,
    node: &'a Node,
) -> Pin<Box<dyn Future<Output = ()> + Send + 'a>> {
    Box::pin(async move {
        if session.exiting {
            return;
        }
        match node {
            Node::Then(first, second) => {
                run_node(surroundings, session, first).await;
                run_node(surroundings, session, second).await;
            }
            Node::And(first, second) => {
                run_node(surroundings, session, first).await;
                if session.exit_code == 0 {
                    run_node(surroundings, session, second).await;
                }
            }
            Node::Or(first, second) => {
                run_node(surroundings, session, first).await;
                if session.exit_code != 0 {
                    run_node(surroundings, session, second).await;
                }
            }
            Node::Pipe(first, second) => run_pipe(surroundings, session, first, second).await,
            Node::If(condition, yes, no) => {
                let holds = holds(surroundings, session, condition);
                if holds {
                    run_node(surroundings, session, yes).await;
                } else if let Some(no) = no {
                    run_node(surroundings, session, no).await;
                }
            }
            Node::For(variable, values, body) => {
                for value in values.iter() {
                    let line = body.replace(&format!("%{variable}"), &value);
                    match parse::parse(&line) {
                        Ok(Some(node)) => run_node(surroundings, session, &node).await,
                        _ => surroundings.complain("The syntax of the command is incorrect.\r\n").await,
                    }
                    if session.exiting {
                        return;
                    }
                    tokio::task::yield_now().await;
                }
            }
            Node::Group(inner, redirects) => {
                let saved =
                    (surroundings.stdin.clone(), surroundings.stdout.clone(), surroundings.stderr.clone());
                if redirect(surroundings, session, redirects).await {
                    run_node(surroundings, session, inner).await;
                }
                (surroundings.stdin, surroundings.stdout, surroundings.stderr) = saved;
            }
            Node::Command(text, redirects) => {
                let saved =
                    (surroundings.stdin.clone(), surroundings.stdout.clone(), surroundings.stderr.clone());
                if redirect(surroundings, session, redirects).await {
                    run_simple(surroundings, session, text).await;
                }
                (surroundings.stdin, surroundings.stdout, surroundings.stderr) = saved;
            }
        }
    })
}

fn holds(surroundings: &Surroundings, session: &Session, condition: &Condition) -> bool {
    match condition {
        Condition::Not(inner) => !holds(surroundings, session, inner),
        Condition::Exist(path) => {
            let path = surroundings.full_path(path.trim_matches('"'));
            surroundings.machine.state().files.get(&path).is_some()
        }
        Condition::ErrorLevel(level) => session.error_level >= *level,
        Condition::Defined(name) => variable(surroundings, session, name).is_some(),
        Condition::Equal(left, right, ignore_case) => {
            if *ignore_case {
                left.eq_ignore_ascii_case(right)
            } else {
                left == right
            }
        }
    }
}

/// Both sides run at the same time, each with a copy of the surroundings, as `cmd.exe` starts a process for each.
async fn run_pipe(surroundings: &mut Surroundings, session: &mut Session, first: &Node, second: &Node) {
    let (sender, receiver) = tokio::sync::mpsc::channel(PIPE_PIECES);
    let mut left = surroundings.clone();
    let mut right = surroundings.clone();
    left.stdout = Sink::Pipe(sender);
    right.stdin = Stdin::new(receiver);
    let mut left_session = session.clone();
    let mut right_session = session.clone();
    let writer = async {
        run_node(&mut left, &mut left_session, first).await;
        left.stdout = Sink::Nowhere;
    };
    let reader = async {
        run_node(&mut right, &mut right_session, second).await;
        // The writer must not wait for a reader that ended.
        right.stdin = Stdin::empty();
    };
    tokio::join!(writer, reader);
    session.error_level = right_session.error_level;
    session.exit_code = right_session.exit_code;
}

/// Applies redirections; false when a file could not be opened (said on standard error).
async fn redirect(surroundings: &mut Surroundings, session: &mut Session, redirects: &[Redirect]) -> bool {
    for redirect in redirects {
        let sink = match &redirect.target {
            Target::Handle(1) => surroundings.stdout.clone(),
            Target::Handle(_) => surroundings.stderr.clone(),
            Target::Input(file) => {
                let data = surroundings.machine.state().files.read(&surroundings.full_path(file));
                match data {
                    Ok(data) => surroundings.stdin = Stdin::of(&data),
                    Err(_) if file.eq_ignore_ascii_case("nul") => surroundings.stdin = Stdin::empty(),
                    Err(error) => {
                        surroundings.complain(&files::message(error)).await;
                        (session.error_level, session.exit_code) = (1, 1);
                        return false;
                    }
                }
                continue;
            }
            Target::File(file) if file.eq_ignore_ascii_case("nul") => Sink::Nowhere,
            Target::File(file) => {
                let path = surroundings.full_path(file);
                let opened = {
                    let mut state = surroundings.machine.state();
                    if redirect.append {
                        state.files.append(&path, &[])
                    } else {
                        state.files.write(&path, std::sync::Arc::default())
                    }
                };
                if let Err(error) = opened {
                    surroundings.complain(&files::message(error)).await;
                    (session.error_level, session.exit_code) = (1, 1);
                    return false;
                }
                Sink::File(surroundings.machine.clone(), path.into())
            }
        };
        if redirect.handle == 2 {
            surroundings.stderr = sink;
        } else {
            surroundings.stdout = sink;
        }
    }
    true
}

async fn run_simple(surroundings: &mut Surroundings, session: &mut Session, text: &str) {
    let text = text.trim_start().trim_start_matches('@').trim_start();
    if text.is_empty() {
        return;
    }
    if let Some(code) = builtins::run(surroundings, session, text).await {
        if let Some(code) = code {
            (session.error_level, session.exit_code) = (code, code);
        }
        return;
    }
    let (name, rest) = split_program(text);
    let code = match programs::resolve(surroundings, &name) {
        Some(program) => programs::run(surroundings, &program, rest).await,
        None => {
            surroundings
                .complain(&format!(
                    "'{name}' is not recognized as an internal or external command,\r\noperable program or batch file.\r\n"
                ))
                .await;
            (session.error_level, session.exit_code) = (9009, 1);
            return;
        }
    };
    (session.error_level, session.exit_code) = (code, code);
}

/// `cmd.exe` ends a program's name at a space, and at `/` of an option that follows at once.
fn split_program(text: &str) -> (String, &str) {
    if text.starts_with('"') {
        return command_line::program(text);
    }
    let end = text.find([' ', '\t', ',', ';', '=']).unwrap_or(text.len());
    let slash = text[..end].find('/').filter(|&at| at > 0).unwrap_or(end);
    (text[..slash].to_owned(), text[slash..].trim_start_matches([' ', '\t', ',', ';', '=']))
}
