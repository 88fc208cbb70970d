//! The `.exe` files of the machine.

mod network;
mod service_control;
mod text;

use std::future::Future;
use std::pin::Pin;

use super::surroundings::Surroundings;
use super::vfs::{file_name, full_path};
use super::{cmd, command_line, powershell};

/// The programs that are there, as they lie in `System32`.
pub(crate) const NAMES: &[&str] = &[
    "cmd",
    "find",
    "findstr",
    "hostname",
    "ipconfig",
    "more",
    "net",
    "ping",
    "powershell",
    "sc",
    "sort",
    "timeout",
    "whoami",
    "where",
];

/// How deep programs may start each other before the machine refuses.
const NESTING_MAX: usize = 24;

/// Whether `name` is a program: one of the machine's own, by name or by path, or a script of `cmd.exe`.
pub(crate) fn resolve(surroundings: &Surroundings, name: &str) -> Option<String> {
    let file = file_name(name);
    let lower = file.to_ascii_lowercase();
    let stem = lower.strip_suffix(".exe").unwrap_or(&lower);
    let is_path = name.contains(['\\', '/', ':']);
    if !is_path {
        return NAMES.contains(&stem).then(|| stem.to_owned());
    }
    let path = full_path(&surroundings.directory, name);
    let state = surroundings.machine.state();
    let there = state.files.is_file(&path) || state.files.is_file(&format!("{path}.exe"));
    (there && NAMES.contains(&stem)).then(|| stem.to_owned())
}

/// Starts a command line without a shell, as `CreateProcess` does.
pub(crate) async fn run_line(surroundings: &mut Surroundings, line: &str) -> i32 {
    let (name, rest) = command_line::program(line);
    match resolve(surroundings, &name) {
        Some(program) => run(surroundings, &program, rest).await,
        None => {
            surroundings.complain("The system cannot find the file specified.\r\n").await;
            1
        }
    }
}

/// Runs one of [`NAMES`] with the rest of its command line.
pub(crate) fn run<'a>(
    surroundings: &'a mut Surroundings,
    program: &'a str,
    rest: &'a str,
) -> Pin<Box<dyn Future<Output = i32> + Send + 'a>> {
    Box::pin(async move {
        if surroundings.depth >= NESTING_MAX {
            surroundings
                .complain("Not enough memory resources are available to process this command.\r\n")
                .await;
            return 1;
        }
        let mut child = surroundings.clone();
        child.depth += 1;
        let arguments = command_line::split(rest);
        match program {
            "cmd" => cmd::run_program(&mut child, rest).await,
            "powershell" => powershell::run_program(child, rest).await,
            "find" => text::find(&child, &arguments, rest).await,
            "findstr" => text::findstr(&child, &arguments).await,
            "more" => text::more(&child, &arguments).await,
            "sort" => text::sort(&child, &arguments).await,
            "hostname" => {
                child.print(&format!("{}\r\n", child.machine.name())).await;
                0
            }
            "whoami" => whoami(&child, &arguments).await,
            "where" => where_is(&child, &arguments).await,
            "ipconfig" => network::ipconfig(&child).await,
            "ping" => network::ping(&child, &arguments).await,
            "timeout" => network::timeout(&child, &arguments).await,
            "net" => service_control::net(&child, &arguments).await,
            "sc" => service_control::sc(&child, &arguments).await,
            _ => 1,
        }
    })
}

async fn whoami(surroundings: &Surroundings, arguments: &[String]) -> i32 {
    if let Some(first) = arguments.first() {
        surroundings
            .complain(&format!(
                "ERROR: Invalid argument/option - '{first}'.\r\nType \"WHOAMI /?\" for usage.\r\n"
            ))
            .await;
        return 1;
    }
    let account = if surroundings.user.contains('\\') {
        surroundings.user.to_lowercase()
    } else {
        format!("{}\\{}", surroundings.machine.name(), surroundings.user).to_lowercase()
    };
    surroundings.print(&format!("{account}\r\n")).await;
    0
}

async fn where_is(surroundings: &Surroundings, arguments: &[String]) -> i32 {
    let mut code = 0;
    for name in arguments {
        match resolve(surroundings, name).as_deref() {
            Some("powershell") => {
                surroundings
                    .print("C:\\Windows\\System32\\WindowsPowerShell\\v1.0\\powershell.exe\r\n")
                    .await;
            }
            Some(program) => surroundings.print(&format!("C:\\Windows\\System32\\{program}.exe\r\n")).await,
            None => {
                surroundings.complain("INFO: Could not find files for the given pattern(s).\r\n").await;
                code = 1;
            }
        }
    }
    code
}
