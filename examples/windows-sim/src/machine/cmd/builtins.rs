//! The commands inside `cmd.exe`.

use super::Session;
use super::files;
use crate::machine::command_line;
use crate::machine::surroundings::Surroundings;

/// Runs a built-in command. None when there is none of that name; inside, the new error level, when it sets one.
pub(super) async fn run(
    surroundings: &mut Surroundings,
    session: &mut Session,
    text: &str,
) -> Option<Option<i32>> {
    let end = text.find(|c: char| !c.is_alphanumeric()).unwrap_or(text.len());
    let name = text[..end].to_ascii_lowercase();
    let rest = &text[end..];
    // `echo.x` and `cd..` are the commands; `echo-x.exe` and `dir:x` are programs.
    let separated = rest.is_empty() || rest.starts_with([' ', '\t', ',', ';', '=', '/', '\\', '"']);
    if !separated && !(matches!(name.as_str(), "echo" | "cd" | "chdir") && rest.starts_with(['.', ':', '(']))
    {
        return None;
    }
    let arguments = command_line::split(rest);
    let code = match name.as_str() {
        "echo" => echo(surroundings, session, rest).await,
        "set" => set(surroundings, rest).await,
        "cd" | "chdir" => change_directory(surroundings, rest).await,
        "exit" => {
            session.exiting = true;
            let code = arguments.iter().find(|a| !a.eq_ignore_ascii_case("/b")).and_then(|a| a.parse().ok());
            return Some(Some(code.unwrap_or(session.exit_code)));
        }
        "ver" => {
            surroundings.print("\r\nMicrosoft Windows [Version 10.0.20348.2700]\r\n").await;
            Some(0)
        }
        "vol" => {
            surroundings
                .print(" Volume in drive C has no label.\r\n Volume Serial Number is 5C1D-2A4B\r\n")
                .await;
            Some(0)
        }
        "date" | "time" if arguments.iter().any(|a| a.eq_ignore_ascii_case("/t")) => {
            let format = if name == "date" { "%a %m/%d/%Y \r\n" } else { "%I:%M %p\r\n" };
            surroundings.print(&chrono::Local::now().format(format).to_string()).await;
            Some(0)
        }
        "cls" | "title" | "color" | "setlocal" | "endlocal" => Some(0),
        "chcp" => change_code_page(surroundings, &arguments).await,
        "type" => files::show(surroundings, &arguments).await,
        "dir" => files::list(surroundings, &arguments).await,
        "copy" => files::copy(surroundings, &arguments).await,
        "move" => files::rename(surroundings, &arguments, true).await,
        "ren" | "rename" => files::rename(surroundings, &arguments, false).await,
        "del" | "erase" => files::delete(surroundings, &arguments).await,
        "mkdir" | "md" => files::make_directories(surroundings, &arguments).await,
        "rmdir" | "rd" => files::remove_directories(surroundings, &arguments).await,
        "call" => {
            // The line behind `call` is expanded a second time, which is what people use it for.
            Box::pin(super::run_text(surroundings, session, rest.trim_start())).await;
            None
        }
        "pause" => {
            surroundings.print("Press any key to continue . . . \r\n").await;
            let _key = surroundings.stdin.read_up_to(1).await;
            Some(0)
        }
        _ => return None,
    };
    Some(code)
}

async fn echo(surroundings: &Surroundings, session: &mut Session, rest: &str) -> Option<i32> {
    let text = if rest.is_empty() { rest } else { &rest[1..] };
    match text.trim().to_ascii_lowercase().as_str() {
        "" if !rest.starts_with(['.', ':', '(', '/']) => {
            let state = if session.echo { "on" } else { "off" };
            surroundings.print(&format!("ECHO is {state}.\r\n")).await;
        }
        "on" => session.echo = true,
        "off" => session.echo = false,
        _ => surroundings.print(&format!("{text}\r\n")).await,
    }
    None
}

async fn set(surroundings: &mut Surroundings, rest: &str) -> Option<i32> {
    let rest = rest.trim_start();
    let unquoted = rest.strip_prefix('"').and_then(|r| r.rfind('"').map(|end| &r[..end])).unwrap_or(rest);
    let Some((name, value)) = unquoted.split_once('=') else {
        let wanted = unquoted.trim().to_lowercase();
        let shown: String = surroundings
            .environment
            .iter()
            .filter(|(n, _)| n.to_lowercase().starts_with(&wanted) && !n.starts_with("__"))
            .map(|(n, v)| format!("{n}={v}\r\n"))
            .collect();
        if shown.is_empty() {
            surroundings.complain(&format!("Environment variable {unquoted} not defined\r\n")).await;
            return Some(1);
        }
        surroundings.print(&shown).await;
        return Some(0);
    };
    if name.is_empty() || name.starts_with('/') {
        surroundings.complain("The syntax of the command is incorrect.\r\n").await;
        return Some(1);
    }
    if value.is_empty() {
        surroundings.environment.remove(name);
    } else {
        surroundings.environment.set(name, value);
    }
    Some(0)
}

async fn change_directory(surroundings: &mut Surroundings, rest: &str) -> Option<i32> {
    let mut path = rest.trim();
    if path.get(..2).is_some_and(|p| p.eq_ignore_ascii_case("/d")) {
        path = path[2..].trim();
    }
    let path = path.trim_matches('"');
    if path.is_empty() {
        surroundings.print(&format!("{}\r\n", surroundings.directory)).await;
        return Some(0);
    }
    let full = surroundings.full_path(path);
    let found = surroundings.machine.state().files.get(&full).map(|n| (n.is_directory(), n.path.clone()));
    match found {
        Some((true, path)) => {
            surroundings.directory = path;
            Some(0)
        }
        Some((false, _)) => {
            surroundings.complain("The directory name is invalid.\r\n").await;
            Some(1)
        }
        None => {
            surroundings.complain("The system cannot find the path specified.\r\n").await;
            Some(1)
        }
    }
}

async fn change_code_page(surroundings: &mut Surroundings, arguments: &[String]) -> Option<i32> {
    match arguments.first() {
        None => {}
        Some(page) => match page.parse().ok().filter(|p| crate::machine::codepage::is_known(*p)) {
            Some(page) => surroundings.code_page = page,
            None => {
                surroundings.complain("Invalid code page\r\n").await;
                return Some(1);
            }
        },
    }
    surroundings.print(&format!("Active code page: {}\r\n", surroundings.code_page)).await;
    Some(0)
}
