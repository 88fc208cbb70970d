//! Static members: `[type]::name` and `[type]::name(arguments)`; the methods of small types stand here.

mod conversion;
mod files;
mod math;
mod paths;
mod properties;

use std::sync::Mutex;
use std::time::Instant;

use super::convert::cast;
use super::encoding::Encoding;
use super::native::{Native, Stopwatch};
use super::objects::{encoding, hasher};
use super::{objects, time};
use crate::machine::powershell::error::{ErrorRecord, Result};
use crate::machine::powershell::eval::Interpreter;
use crate::machine::powershell::value::{Value, lock};
use conversion::convert;
use files::file_method;
use math::math;
use paths::path_method;

pub(in super::super) use properties::{get, set};

/// Calls a static method; none when there is no such method with so many arguments.
pub(in super::super) fn invoke(
    ps: &mut Interpreter,
    full: &str,
    method: &str,
    arguments: &[Value],
) -> Result<Option<Value>> {
    let lower = method.to_ascii_lowercase();
    if lower == "new" {
        return objects::construct(ps, full, arguments);
    }
    match full {
        "System.IO.File" | "System.IO.Directory" => {
            return file_method(ps, full == "System.IO.File", &lower, arguments);
        }
        "System.IO.Path" => return path_method(ps, &lower, arguments),
        "System.Math" => return Ok(math(&lower, arguments)),
        "System.Convert" => return convert(&lower, arguments),
        _ => {}
    }
    let text = |i: usize| arguments.get(i).map(Value::to_text).unwrap_or_default();
    let count = arguments.len();
    Ok(Some(match (full, lower.as_str(), count) {
        ("System.BitConverter", "tostring", 1..) => match arguments[0].as_bytes() {
            Some(bytes) => bytes.iter().map(|b| format!("{b:02X}")).collect::<Vec<_>>().join("-").into(),
            None => return Ok(None),
        },
        ("System.BitConverter", "toint32", 2) => {
            let bytes = arguments[0].as_bytes().unwrap_or_default();
            let at = arguments[1].as_long().and_then(|n| usize::try_from(n).ok()).unwrap_or(usize::MAX);
            match bytes.get(at..at.saturating_add(4)).and_then(|b| <[u8; 4]>::try_from(b).ok()) {
                Some(four) => Value::Int(i32::from_le_bytes(four)),
                None => {
                    return argument(
                        "Destination array is not long enough to copy all the items in the collection.",
                    );
                }
            }
        }
        ("System.BitConverter", "getbytes", 1) => match &arguments[0] {
            Value::Long(n) => Value::bytes(n.to_le_bytes().to_vec()),
            other => Value::bytes((other.as_long().unwrap_or(0) as i32).to_le_bytes().to_vec()),
        },
        ("System.Security.Cryptography.SHA256", "create", 0) => hasher("SHA256"),
        ("System.Security.Cryptography.SHA384", "create", 0) => hasher("SHA384"),
        ("System.Security.Cryptography.SHA512", "create", 0) => hasher("SHA512"),
        ("System.Security.Cryptography.HashAlgorithm", "create", 1) => hasher(&text(0)),
        ("System.Text.Encoding", "getencoding", 1) => match Encoding::parse(&text(0)) {
            Some(found) => encoding(found),
            None => return argument(&format!("'{}' is not a supported encoding name.", text(0))),
        },
        ("System.String", "isnullorempty", 1) => Value::Bool(text(0).is_empty()),
        ("System.String", "isnullorwhitespace", 1) => Value::Bool(text(0).trim().is_empty()),
        ("System.String", "join", 2..) => {
            let items = if count == 2 { arguments[1].items() } else { arguments[1..].to_vec() };
            items.iter().map(Value::to_text).collect::<Vec<_>>().join(&text(0)).into()
        }
        ("System.String", "format", 1..) => {
            let items = if count == 2 { arguments[1].items() } else { arguments[1..].to_vec() };
            crate::machine::powershell::eval::format_operator(&text(0), &items)?.into()
        }
        ("System.String", "concat", _) => {
            arguments.iter().flat_map(Value::items).map(|v| v.to_text()).collect::<String>().into()
        }
        ("System.String", "compare", 2..) => {
            Value::Int(text(0).to_lowercase().cmp(&text(1).to_lowercase()) as i32)
        }
        ("System.String", "equals", 2..) => Value::Bool(if count > 2 && text(2).contains("IgnoreCase") {
            text(0).eq_ignore_ascii_case(&text(1))
        } else {
            text(0) == text(1)
        }),
        ("System.Environment", "getenvironmentvariable", 1..) => {
            ps.around.environment.get(&text(0)).map_or(Value::Null, Value::from)
        }
        ("System.Environment", "setenvironmentvariable", 2..) => {
            let (name, value) = (text(0), text(1));
            if value.is_empty() {
                ps.around.environment.remove(&name)
            } else {
                ps.around.environment.set(&name, &value)
            }
            Value::Null
        }
        ("System.Environment", "exit", 1) => {
            return Err(crate::machine::powershell::error::Flow::Exit(
                arguments[0].as_long().unwrap_or(0) as i32
            ));
        }
        ("System.Environment", "getfolderpath", 1) => match text(0).to_ascii_lowercase().as_str() {
            "windows" => "C:\\Windows".into(),
            "system" => "C:\\Windows\\system32".into(),
            "commonapplicationdata" => "C:\\ProgramData".into(),
            "userprofile" => ps.around.environment.get("USERPROFILE").unwrap_or_default().into(),
            _ => "".into(),
        },
        ("System.Guid", "newguid", 0) => new_guid(ps).into(),
        ("System.GC", "collect", _) => Value::Null,
        ("System.Int32", "parse", 1) => cast(&text(0).into(), "int")?,
        ("System.Int64", "parse", 1) => cast(&text(0).into(), "long")?,
        ("System.Double", "parse", 1..) => cast(&text(0).into(), "double")?,
        ("System.Version", "parse", 1) => objects::version(&text(0))?,
        ("System.DateTime", "parse" | "parseexact", 1..) => cast(&text(0).into(), "datetime")?,
        ("System.DateTime", "isleapyear", 1) => {
            let year = arguments[0].as_long().unwrap_or(0);
            Value::Bool(year % 4 == 0 && (year % 100 != 0 || year % 400 == 0))
        }
        ("System.TimeSpan", "fromseconds", 1) => span(&arguments[0], 1e7),
        ("System.TimeSpan", "frommilliseconds", 1) => span(&arguments[0], 1e4),
        ("System.TimeSpan", "fromminutes", 1) => span(&arguments[0], 6e8),
        ("System.TimeSpan", "fromhours", 1) => span(&arguments[0], 36e9),
        ("System.TimeSpan", "fromdays", 1) => span(&arguments[0], 864e9),
        ("System.TimeSpan", "parse", 1) => time::parse_span(&text(0)).map_or(Value::Null, Value::Span),
        ("System.Diagnostics.Stopwatch", "startnew", 0) => Value::object(
            full,
            Vec::new(),
            Native::Stopwatch(Mutex::new(Stopwatch {
                started: Some(Instant::now()),
                elapsed: std::time::Duration::ZERO,
            })),
        ),
        ("System.Text.RegularExpressions.Regex", "escape", 1) => escape_regex(&text(0)).into(),
        ("System.Text.RegularExpressions.Regex", "ismatch", 2..) => Value::Bool(
            objects::compile(&text(1), text(2).contains("IgnoreCase"))?.is_match(&text(0)).unwrap_or(false),
        ),
        ("System.Text.RegularExpressions.Regex", "replace", 3) => {
            crate::machine::powershell::eval::replace_regex(
                &objects::compile(&text(1), false)?,
                &text(0),
                &text(2),
            )
            .into()
        }
        ("System.Text.RegularExpressions.Regex", "split", 2) => {
            let regex = objects::compile(&text(1), false)?;
            let source = text(0);
            Value::array(regex.split(&source).filter_map(std::result::Result::ok).map(Value::from).collect())
        }
        ("System.Text.RegularExpressions.Regex", "match", 2..) => {
            super::instance::regex_match(&objects::compile(&text(1), false)?, &text(0))
        }
        ("System.Text.RegularExpressions.Regex", "matches", 2..) => {
            super::instance::regex_matches(&objects::compile(&text(1), false)?, &text(0))
        }
        ("System.Array", "reverse", 1) => {
            match &arguments[0] {
                Value::Array(values) => lock(values).reverse(),
                Value::Bytes(bytes) => lock(bytes).reverse(),
                _ => {}
            }
            Value::Null
        }
        ("System.Array", "sort", 1) => {
            if let Value::Array(values) = &arguments[0] {
                lock(values).sort_by(crate::machine::powershell::eval::compare_values);
            }
            Value::Null
        }
        ("System.Array", "indexof", 2) => {
            let at = arguments[0]
                .items()
                .iter()
                .position(|v| crate::machine::powershell::eval::equal(v, &arguments[1], true));
            Value::Int(at.map_or(-1, |at| at as i32))
        }
        ("System.Array", "copy", 3) => {
            copy_array(&arguments[0], 0, &arguments[1], 0, arguments[2].as_long())?
        }
        ("System.Array", "copy", 5) => {
            let number = |i: usize| arguments[i].as_long().and_then(|n| usize::try_from(n).ok()).unwrap_or(0);
            copy_array(&arguments[0], number(1), &arguments[2], number(3), arguments[4].as_long())?
        }
        ("System.Management.Automation.ScriptBlock", "create", 1) => ps.script_block(&text(0))?,
        ("System.Char", "isdigit", 1) => Value::Bool(text(0).chars().all(char::is_numeric)),
        ("System.Char", "isletter", 1) => Value::Bool(text(0).chars().all(char::is_alphabetic)),
        ("System.Char", "iswhitespace", 1) => Value::Bool(text(0).chars().all(char::is_whitespace)),
        ("System.Char", "toupper", 1) => cast(&text(0).to_uppercase().into(), "char")?,
        _ if lower == "equals" && count == 2 => {
            Value::Bool(crate::machine::powershell::eval::equal(&arguments[0], &arguments[1], true))
        }
        _ => return Ok(None),
    }))
}

fn span(value: &Value, ticks: f64) -> Value {
    Value::Span((value.as_double().unwrap_or(0.0) * ticks).round() as i64)
}

fn argument<T>(message: &str) -> Result<T> {
    ErrorRecord::new("System.ArgumentException", message, "ArgumentException", "NotSpecified").throw()
}

fn copy_array(from: &Value, start: usize, to: &Value, at: usize, count: Option<i64>) -> Result<Value> {
    let count = count.and_then(|n| usize::try_from(n).ok()).unwrap_or(0);
    let short = || {
        argument("Source array was not long enough. Check srcIndex and length, and the array's lower bounds.")
    };
    if let Value::Bytes(target) = to {
        let source = from.as_bytes().unwrap_or_default();
        let mut target = lock(target);
        if start + count > source.len() || at + count > target.len() {
            return short();
        }
        target[at..at + count].copy_from_slice(&source[start..start + count]);
    } else if let Value::Array(target) = to {
        let source = from.items();
        let mut target = lock(target);
        if start + count > source.len() || at + count > target.len() {
            return short();
        }
        target[at..at + count].clone_from_slice(&source[start..start + count]);
    }
    Ok(Value::Null)
}

/// Not random, but never the same twice on a machine.
pub(in super::super) fn new_guid(ps: &Interpreter) -> String {
    let number = ps.around.machine.next_process_id();
    let nanos = chrono::Local::now().timestamp_nanos_opt().unwrap_or(0) as u64;
    let mixed =
        nanos.wrapping_mul(0x9E37_79B9_7F4A_7C15) ^ u64::from(number).wrapping_mul(0xD1B5_4A32_D192_ED03);
    format!(
        "{:08x}-{:04x}-4{:03x}-8{:03x}-{:012x}",
        mixed as u32,
        (mixed >> 32) as u16,
        (mixed >> 48) & 0xFFF,
        number & 0xFFF,
        nanos & 0xFFFF_FFFF_FFFF
    )
}

fn escape_regex(text: &str) -> String {
    text.chars().fold(String::new(), |mut out, c| {
        match c {
            '\\' | '*' | '+' | '?' | '|' | '{' | '[' | '(' | ')' | '^' | '$' | '.' | '#' | ' ' => {
                out.push('\\');
                out.push(c);
            }
            '\n' => out.push_str("\\n"),
            '\r' => out.push_str("\\r"),
            '\t' => out.push_str("\\t"),
            other => out.push(other),
        }
        out
    })
}
