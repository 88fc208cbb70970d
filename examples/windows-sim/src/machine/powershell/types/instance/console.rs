//! `[Console]` and its streams.

use super::super::native::{Console, Native};
use super::streams::fill;
use crate::machine::codepage;
use crate::machine::powershell::error::Result;
use crate::machine::powershell::eval::{Interpreter, format_operator};
use crate::machine::powershell::value::Value;

pub(super) async fn console_method(
    ps: &mut Interpreter,
    console: Console,
    method: &str,
    arguments: &[Value],
) -> Result<Option<Value>> {
    let text = match arguments {
        [] => String::new(),
        [one] => one.to_text(),
        [format, rest @ ..] => format_operator(&format.to_text(), rest)?,
    };
    let error = matches!(console, Console::Error | Console::ErrorStream);
    Ok(Some(match (console, method) {
        (Console::In, "readline") => match ps.around.stdin.read_line().await {
            Some(line) => codepage::decode(ps.input_code_page, &line).into(),
            None => Value::Null,
        },
        (Console::In, "readtoend") => {
            let bytes = ps.around.stdin.read_to_end().await;
            codepage::decode(ps.input_code_page, &bytes).into()
        }
        (Console::In, "read") => match ps.around.stdin.read_up_to(1).await.first() {
            Some(byte) => Value::Int(i32::from(*byte)),
            None => Value::Int(-1),
        },
        (Console::InputStream, "read") if arguments.len() == 3 => {
            let count = arguments[2].as_long().and_then(|n| usize::try_from(n).ok()).unwrap_or(0);
            let at = arguments[1].as_long().and_then(|n| usize::try_from(n).ok()).unwrap_or(0);
            let piece = ps.around.stdin.read_up_to(count).await;
            fill(&arguments[0], at, &piece)?
        }
        (Console::Out | Console::Error, "write" | "writeline") => {
            let end = if method == "writeline" { "\r\n" } else { "" };
            let bytes = codepage::encode(ps.around.code_page, &format!("{text}{end}"));
            ps.raw_write(error, &bytes).await;
            Value::Null
        }
        (Console::OutputStream | Console::ErrorStream, "write") if arguments.len() == 3 => {
            let bytes = arguments[0].as_bytes().unwrap_or_default();
            let at = arguments[1].as_long().and_then(|n| usize::try_from(n).ok()).unwrap_or(0);
            let count = arguments[2].as_long().and_then(|n| usize::try_from(n).ok()).unwrap_or(0);
            ps.raw_write(error, bytes.get(at..at.saturating_add(count)).unwrap_or_default()).await;
            Value::Null
        }
        (_, "flush" | "dispose" | "close") => Value::Null,
        _ => return Ok(None),
    }))
}

/// `[Console]::WriteLine` and its like.
pub(in super::super::super) async fn console_static(
    ps: &mut Interpreter,
    method: &str,
    arguments: &[Value],
) -> Result<Option<Value>> {
    let stream = |console| Value::object("System.IO.__ConsoleStream", Vec::new(), Native::Console(console));
    match method.to_ascii_lowercase().as_str() {
        name @ ("write" | "writeline") => console_method(ps, Console::Out, name, arguments).await,
        name @ ("readline" | "read") => console_method(ps, Console::In, name, arguments).await,
        "openstandardinput" => Ok(Some(stream(Console::InputStream))),
        "openstandardoutput" => Ok(Some(stream(Console::OutputStream))),
        "openstandarderror" => Ok(Some(stream(Console::ErrorStream))),
        "setout" | "seterror" => Ok(None),
        _ => Ok(None),
    }
}
