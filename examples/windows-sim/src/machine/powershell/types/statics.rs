//! Static members: `[type]::name` and `[type]::name(arguments)`.

use std::sync::Mutex;
use std::time::Instant;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;

use super::convert::cast;
use super::encoding::Encoding;
use super::native::{Console, Native, Stopwatch};
use super::objects::{directory_info, encoding, encoding_of, hasher, open_file};
use super::stream::io_error;
use super::{objects, time};
use crate::machine::powershell::error::{ErrorRecord, Result};
use crate::machine::powershell::eval::Interpreter;
use crate::machine::powershell::value::{Value, lock};
use crate::machine::vfs::{VfsError, file_name, parent, wildcard};

/// The members of the enumerations that are known, in the order of their numbers.
pub(in super::super) fn enum_names(full: &str) -> Option<&'static [(&'static str, i32)]> {
    Some(match full {
        "System.IO.FileMode" => &[
            ("CreateNew", 1),
            ("Create", 2),
            ("Open", 3),
            ("OpenOrCreate", 4),
            ("Truncate", 5),
            ("Append", 6),
        ],
        "System.IO.FileAccess" => &[("Read", 1), ("Write", 2), ("ReadWrite", 3)],
        "System.IO.FileShare" => &[("None", 0), ("Read", 1), ("Write", 2), ("ReadWrite", 3), ("Delete", 4)],
        "System.IO.SeekOrigin" => &[("Begin", 0), ("Current", 1), ("End", 2)],
        "System.StringComparison" => &[
            ("CurrentCulture", 0),
            ("CurrentCultureIgnoreCase", 1),
            ("InvariantCulture", 2),
            ("InvariantCultureIgnoreCase", 3),
            ("Ordinal", 4),
            ("OrdinalIgnoreCase", 5),
        ],
        "System.StringSplitOptions" => &[("None", 0), ("RemoveEmptyEntries", 1)],
        "System.Management.Automation.ActionPreference" => {
            &[("SilentlyContinue", 0), ("Stop", 1), ("Continue", 2), ("Inquire", 3), ("Ignore", 4)]
        }
        _ => return None,
    })
}

pub(in super::super) fn enum_member(full: &str, name: &str, number: i32) -> Value {
    Value::object(
        full,
        vec![("value__".into(), Value::Int(number)), ("__text".into(), name.into())],
        Native::None,
    )
}

/// An enumeration's member from itself, its name (or names with commas) or its number.
pub(in super::super) fn enum_value(full: &str, value: &Value) -> Result<Value> {
    let names = enum_names(full).unwrap_or(&[]);
    let text = value.to_text();
    let found = match value {
        Value::Int(_) | Value::Long(_) => names.iter().find(|(_, n)| Some(i64::from(*n)) == value.as_long()),
        _ => names.iter().find(|(n, _)| n.eq_ignore_ascii_case(text.trim())),
    };
    match found {
        Some((name, number)) => Ok(enum_member(full, name, *number)),
        None => {
            let list: Vec<&str> = names.iter().map(|(n, _)| *n).collect();
            ErrorRecord::new(
                "System.Management.Automation.PSInvalidCastException",
                format!("Cannot convert value \"{text}\" to type \"{full}\". Error: \"Unable to match the identifier name {text} to a valid enumerator name. Specify one of the following enumerator names and try again:\r\n{}\"", list.join(", ")),
                "InvalidCastParseTargetInvocation",
                "InvalidArgument",
            )
            .throw()
        }
    }
}

/// A static property; none when the type has none of that name.
pub(in super::super) fn get(ps: &Interpreter, full: &str, name: &str) -> Option<Value> {
    if let Some((name, number)) =
        enum_names(full).and_then(|e| e.iter().find(|(n, _)| n.eq_ignore_ascii_case(name)))
    {
        return Some(enum_member(full, name, *number));
    }
    let console = |c, type_name| Value::object(type_name, Vec::new(), Native::Console(c));
    Some(match (full, name.to_ascii_lowercase().as_str()) {
        ("System.Console", "in") => console(Console::In, "System.IO.TextReader+SyncTextReader"),
        ("System.Console", "out") => console(Console::Out, "System.IO.TextWriter+SyncTextWriter"),
        ("System.Console", "error") => console(Console::Error, "System.IO.TextWriter+SyncTextWriter"),
        ("System.Console", "outputencoding") => encoding(Encoding::of_code_page(ps.around.code_page)),
        ("System.Console", "inputencoding") => encoding(Encoding::of_code_page(ps.input_code_page)),
        ("System.Console", "isinputredirected" | "isoutputredirected" | "iserrorredirected") => {
            Value::Bool(true)
        }
        ("System.Text.Encoding", "utf8") => encoding(Encoding::Utf8 { bom: true }),
        ("System.Text.Encoding", "unicode") => encoding(Encoding::Utf16),
        ("System.Text.Encoding", "bigendianunicode") => encoding(Encoding::Utf16BigEndian),
        ("System.Text.Encoding", "ascii") => encoding(Encoding::Ascii),
        ("System.Text.Encoding", "default") => encoding(Encoding::DEFAULT),
        ("System.Environment", "newline") => "\r\n".into(),
        ("System.Environment", "machinename") => ps.around.machine.name().to_uppercase().into(),
        ("System.Environment", "username") => {
            ps.around.environment.get("USERNAME").unwrap_or_default().into()
        }
        ("System.Environment", "userdomainname") => {
            ps.around.environment.get("USERDOMAIN").unwrap_or_default().into()
        }
        ("System.Environment", "currentdirectory") => ps.process_directory.as_str().into(),
        ("System.Environment", "is64bitprocess" | "is64bitoperatingsystem") => Value::Bool(true),
        ("System.Environment", "userinteractive") => Value::Bool(false),
        ("System.Environment", "processorcount") => Value::Int(2),
        ("System.Environment", "tickcount") => Value::Int(ps.started.elapsed().as_millis() as i32),
        ("System.Environment", "osversion") => Value::object(
            "System.OperatingSystem",
            vec![
                ("Platform".into(), "Win32NT".into()),
                ("Version".into(), objects::version("10.0.20348.0").ok()?),
                ("VersionString".into(), "Microsoft Windows NT 10.0.20348.0".into()),
                ("__text".into(), "Microsoft Windows NT 10.0.20348.0".into()),
            ],
            Native::None,
        ),
        ("System.DateTime", "now") => Value::Date(chrono::Local::now().naive_local()),
        ("System.DateTime", "utcnow") => Value::Date(chrono::Utc::now().naive_utc()),
        ("System.DateTime", "today") => Value::Date(chrono::Local::now().date_naive().and_hms_opt(0, 0, 0)?),
        ("System.TimeSpan", "zero") => Value::Span(0),
        ("System.Math", "pi") => Value::Double(std::f64::consts::PI),
        ("System.Math", "e") => Value::Double(std::f64::consts::E),
        ("System.String", "empty") => "".into(),
        ("System.Int32", "maxvalue") => Value::Int(i32::MAX),
        ("System.Int32", "minvalue") => Value::Int(i32::MIN),
        ("System.Int64", "maxvalue") => Value::Long(i64::MAX),
        ("System.Int64", "minvalue") => Value::Long(i64::MIN),
        ("System.Byte", "maxvalue") => Value::Byte(255),
        ("System.Double", "maxvalue") => Value::Double(f64::MAX),
        ("System.IO.Path", "directoryseparatorchar") => Value::Char('\\'),
        ("System.IO.Path", "pathseparator") => Value::Char(';'),
        ("System.Management.Automation.Language.NullString", "value") => {
            Value::object("System.Management.Automation.Language.NullString", Vec::new(), Native::NullString)
        }
        ("System.Guid", "empty") => "00000000-0000-0000-0000-000000000000".into(),
        _ => return None,
    })
}

/// `[type]::name = value`; false when it cannot be set.
pub(in super::super) fn set(ps: &mut Interpreter, full: &str, name: &str, value: &Value) -> bool {
    let page = encoding_of(value).map(Encoding::code_page);
    match (full, name.to_ascii_lowercase().as_str()) {
        ("System.Console", "outputencoding") => ps.around.code_page = page.unwrap_or(ps.around.code_page),
        ("System.Console", "inputencoding") => ps.input_code_page = page.unwrap_or(ps.input_code_page),
        ("System.Environment", "currentdirectory") => ps.process_directory = value.to_text(),
        _ => return false,
    }
    true
}

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

fn math(method: &str, arguments: &[Value]) -> Option<Value> {
    let x = arguments.first()?.as_double()?;
    let whole = |n: &Value| matches!(n, Value::Int(_) | Value::Long(_) | Value::Byte(_));
    Some(match (method, arguments.len()) {
        ("floor", 1) => Value::Double(x.floor()),
        ("ceiling", 1) => Value::Double(x.ceil()),
        ("truncate", 1) => Value::Double(x.trunc()),
        ("sqrt", 1) => Value::Double(x.sqrt()),
        ("log", 1) => Value::Double(x.ln()),
        ("log10", 1) => Value::Double(x.log10()),
        ("exp", 1) => Value::Double(x.exp()),
        ("sin", 1) => Value::Double(x.sin()),
        ("cos", 1) => Value::Double(x.cos()),
        ("sign", 1) => Value::Int(if x > 0.0 { 1 } else { -i32::from(x < 0.0) }),
        ("pow", 2) => Value::Double(x.powf(arguments[1].as_double()?)),
        ("round", 1) => Value::Double(x.round_ties_even()),
        ("round", 2) => {
            let factor = 10_f64.powi(i32::try_from(arguments[1].as_long()?).ok()?);
            Value::Double((x * factor).round_ties_even() / factor)
        }
        ("abs", 1) if whole(&arguments[0]) => Value::number(arguments[0].as_long()?.checked_abs()?),
        ("abs", 1) => Value::Double(x.abs()),
        ("min" | "max", 2) => {
            let y = arguments[1].as_double()?;
            let first = if method == "min" { x <= y } else { x >= y };
            let chosen = if first { &arguments[0] } else { &arguments[1] };
            if arguments.iter().all(whole) { chosen.clone() } else { Value::Double(chosen.as_double()?) }
        }
        _ => return None,
    })
}

fn convert(method: &str, arguments: &[Value]) -> Result<Option<Value>> {
    let Some(first) = arguments.first() else { return Ok(None) };
    Ok(Some(match (method, arguments.len()) {
        ("frombase64string", 1) => from_base64(first)?,
        ("tobase64string", 1..) => {
            let encode = |bytes: &[u8]| -> Value { STANDARD.encode(bytes).into() };
            let number =
                |i: usize| arguments.get(i).and_then(Value::as_long).and_then(|n| usize::try_from(n).ok());
            let cut = |bytes: &[u8]| match (number(1), number(2)) {
                (Some(start), Some(count)) => bytes.get(start..start.saturating_add(count)).map(encode),
                _ => Some(encode(bytes)),
            };
            let cut = match first {
                Value::Bytes(bytes) => cut(&lock(bytes)),
                other => other.as_bytes().and_then(|bytes| cut(&bytes)),
            };
            match cut {
                Some(text) => text,
                None => return argument("Offset and length must refer to a position in the array."),
            }
        }
        ("toint32", 2) | ("toint64", 2) => {
            let radix = u32::try_from(arguments[1].as_long().unwrap_or(10)).unwrap_or(10);
            let text = first.to_text();
            let digits = text.trim_start_matches("0x");
            match (matches!(radix, 2 | 8 | 10 | 16)).then(|| i64::from_str_radix(digits, radix)) {
                Some(Ok(number)) => Value::number(number),
                _ => {
                    return ErrorRecord::new(
                        "System.FormatException",
                        "Could not find any recognizable digits.",
                        "FormatException",
                        "NotSpecified",
                    )
                    .throw();
                }
            }
        }
        ("toint32", 1) => cast(first, "int")?,
        ("toint64", 1) => cast(first, "long")?,
        ("tobyte", 1) => cast(first, "byte")?,
        ("tochar", 1) => cast(first, "char")?,
        ("todouble", 1) => cast(first, "double")?,
        ("toboolean", 1) => cast(first, "bool")?,
        ("todatetime", 1) => cast(first, "datetime")?,
        ("tostring", 2) => {
            let number = first.as_long().unwrap_or(0);
            match arguments[1].as_long() {
                Some(2) => format!("{number:b}").into(),
                Some(8) => format!("{number:o}").into(),
                Some(16) => format!("{number:x}").into(),
                _ => number.to_string().into(),
            }
        }
        ("tostring", 1) => first.to_text().into(),
        _ => return Ok(None),
    }))
}

fn from_base64(value: &Value) -> Result<Value> {
    let text = match value {
        Value::Str(text) => text.clone(),
        Value::Null => {
            return ErrorRecord::new(
                "System.ArgumentNullException",
                "Value cannot be null.\r\nParameter name: s",
                "ArgumentNullException",
                "NotSpecified",
            )
            .throw();
        }
        other => other.to_text().into(),
    };
    let decoded = STANDARD.decode(text.as_bytes()).or_else(|first| {
        // White space may stand anywhere.
        if !text.contains(char::is_whitespace) {
            return Err(first);
        }
        STANDARD.decode(text.chars().filter(|c| !c.is_whitespace()).collect::<String>())
    });
    match decoded {
        Ok(bytes) => Ok(Value::bytes(bytes)),
        Err(base64::DecodeError::InvalidLength(_)) => ErrorRecord::new(
            "System.FormatException",
            "Invalid length for a Base-64 char array or string.",
            "FormatException",
            "NotSpecified",
        )
        .throw(),
        Err(_) => ErrorRecord::new(
            "System.FormatException",
            "The input is not a valid Base-64 string as it contains a non-base 64 character, more than two padding characters, or an illegal character among the padding characters. ",
            "FormatException",
            "NotSpecified",
        )
        .throw(),
    }
}

fn path_method(ps: &mut Interpreter, method: &str, arguments: &[Value]) -> Result<Option<Value>> {
    let Some(first) = arguments.first() else {
        return Ok(match method {
            "gettemppath" => {
                Some(format!("{}\\", ps.around.environment.get("TEMP").unwrap_or("C:\\Windows\\Temp")).into())
            }
            "getrandomfilename" => Some(format!("{}.tmp", &new_guid(ps)[..8]).into()),
            "gettempfilename" => {
                let folder = ps.around.environment.get("TEMP").unwrap_or("C:\\Windows\\Temp").to_owned();
                let path = format!("{folder}\\tmp{}.tmp", &new_guid(ps)[..4]);
                let written = ps.around.machine.state().files.write(&path, Default::default());
                match written {
                    Ok(()) => Some(path.into()),
                    Err(error) => return io_error(error, &path).throw(),
                }
            }
            "getinvalidfilenamechars" => Some(Value::array("\"<>|:*?\\/".chars().map(Value::Char).collect())),
            _ => None,
        });
    };
    let text = first.to_text();
    let base = text.rsplit(['\\', '/', ':']).next().unwrap_or_default();
    let dot = base.rfind('.');
    Ok(Some(match (method, arguments.len()) {
        ("getfullpath", 1) => {
            if text.is_empty() {
                return argument("The path is not of a legal form.");
            }
            crate::machine::vfs::full_path(&ps.process_directory, &text).into()
        }
        ("getdirectoryname", 1) => match text.replace('/', "\\") {
            path if path.len() == 3 && path.ends_with(":\\") => Value::Null,
            path => path
                .rfind('\\')
                .map_or("".into(), |at| if at == 2 { path[..3].into() } else { path[..at].into() }),
        },
        ("getfilename", 1) => base.into(),
        ("getfilenamewithoutextension", 1) => dot.map_or(base, |at| &base[..at]).into(),
        ("getextension", 1) => dot.map_or("", |at| &base[at..]).into(),
        ("hasextension", 1) => Value::Bool(dot.is_some()),
        ("changeextension", 2) => {
            let stem = dot.map_or(text.as_str(), |at| &text[..text.len() - (base.len() - at)]);
            let extension = arguments[1].to_text();
            if arguments[1].is_null() {
                stem.into()
            } else {
                format!("{stem}.{}", extension.trim_start_matches('.')).into()
            }
        }
        ("combine", 2..) => {
            let mut path = text;
            for part in arguments[1..].iter().map(Value::to_text) {
                if part.starts_with(['\\', '/']) || part.as_bytes().get(1) == Some(&b':') {
                    path = part;
                } else if !part.is_empty() {
                    let separator =
                        if path.is_empty() || path.ends_with(['\\', '/', ':']) { "" } else { "\\" };
                    path = format!("{path}{separator}{part}");
                }
            }
            path.into()
        }
        ("ispathrooted", 1) => {
            Value::Bool(text.starts_with(['\\', '/']) || text.as_bytes().get(1) == Some(&b':'))
        }
        ("getpathroot", 1) => text.get(..3).filter(|r| r.ends_with('\\')).unwrap_or_default().into(),
        _ => return Ok(None),
    }))
}

fn file_method(
    ps: &mut Interpreter,
    is_file: bool,
    method: &str,
    arguments: &[Value],
) -> Result<Option<Value>> {
    let given = arguments.first().map(Value::to_text).unwrap_or_default();
    let path = ps.full_path(&given);
    let other = arguments.get(1).map(|v| ps.full_path(&v.to_text())).unwrap_or_default();
    let content_encoding =
        |at: usize| arguments.get(at).and_then(encoding_of).unwrap_or(Encoding::Utf8 { bom: false });
    if given.is_empty() && method != "exists" && !(method == "getcurrentdirectory") {
        return argument("Empty path name is not legal.");
    }
    let check = |outcome: std::result::Result<(), VfsError>, path: &str| match outcome {
        Ok(()) => Ok(Some(Value::Null)),
        Err(error) => io_error(error, path).throw(),
    };
    let machine = ps.around.machine.clone();
    let read = || match machine.state().files.read(&path) {
        Ok(data) => Ok(data),
        Err(error) => Err(crate::machine::powershell::error::Flow::Throw(Box::new(io_error(error, &path)))),
    };
    Ok(Some(match (is_file, method, arguments.len()) {
        (_, "exists", 1) => {
            let state = machine.state();
            Value::Bool(
                !given.is_empty()
                    && if is_file { state.files.is_file(&path) } else { state.files.is_directory(&path) },
            )
        }
        (true, "readalltext", 1 | 2) => content_encoding(1).decode_file(&read()?).into(),
        (true, "readallbytes", 1) => Value::bytes(read()?.to_vec()),
        (true, "readalllines", 1 | 2) => {
            let text = content_encoding(1).decode_file(&read()?);
            Value::array(text.lines().map(Value::from).collect())
        }
        (true, "writealltext" | "appendalltext", 2 | 3) => {
            let encoding = content_encoding(2);
            let text = encoding.encode(&arguments[1].to_text());
            let mut state = machine.state();
            let outcome = if method == "appendalltext" {
                state.files.append(&path, &text)
            } else {
                state.files.write(&path, std::sync::Arc::new([encoding.preamble(), &text].concat()))
            };
            return check(outcome, &path);
        }
        (true, "writeallbytes", 2) => {
            let bytes = arguments[1].as_bytes().unwrap_or_default();
            return check(machine.state().files.write(&path, std::sync::Arc::new(bytes)), &path);
        }
        (true, "writealllines", 2 | 3) => {
            let encoding = content_encoding(2);
            let text: String = arguments[1].items().iter().map(|l| l.to_text() + "\r\n").collect();
            let bytes = [encoding.preamble(), &encoding.encode(&text)].concat();
            return check(machine.state().files.write(&path, std::sync::Arc::new(bytes)), &path);
        }
        (true, "delete", 1) => match machine.state().files.remove(&path, false) {
            // Deleting what is not there is no error.
            Err(VfsError::FileNotFound) | Ok(()) => Value::Null,
            Err(error) => return io_error(error, &path).throw(),
        },
        (true, "move", 2) => {
            let outcome = machine.state().files.rename(&path, &other);
            match outcome {
                Err(VfsError::Exists) => {
                    return ErrorRecord::new(
                        "System.IO.IOException",
                        "Cannot create a file when that file already exists.\r\n",
                        "IOException",
                        "NotSpecified",
                    )
                    .throw();
                }
                outcome => return check(outcome, &path),
            }
        }
        (true, "copy", 2 | 3) => {
            let outcome =
                machine.state().files.copy(&path, &other, arguments.get(2).is_some_and(Value::truthy));
            let blamed = if outcome == Err(VfsError::Exists) { &other } else { &path };
            return check(outcome, blamed);
        }
        (true, "replace", 3 | 4) => {
            let backup = arguments[2].to_text();
            let mut state = machine.state();
            if !state.files.is_file(&other) {
                return io_error(VfsError::FileNotFound, &other).throw();
            }
            if !backup.is_empty() {
                state
                    .files
                    .copy(&other, &ps.full_path(&backup), true)
                    .or_else(|e| io_error(e, &backup).throw())?;
            }
            let outcome = state.files.remove(&other, false).and_then(|()| state.files.rename(&path, &other));
            return check(outcome, &other);
        }
        (true, "open", 2..) => {
            let mode = objects::enum_text("System.IO.FileMode", &arguments[1])?;
            let access = arguments
                .get(2)
                .map_or(Ok("ReadWrite".to_owned()), |a| objects::enum_text("System.IO.FileAccess", a))?;
            let share = arguments
                .get(3)
                .map_or(Ok("None".to_owned()), |a| objects::enum_text("System.IO.FileShare", a))?;
            open_file(ps, &given, &mode, &access, &share)?
        }
        (true, "openread", 1) => open_file(ps, &given, "Open", "Read", "Read")?,
        (true, "openwrite", 1) => open_file(ps, &given, "OpenOrCreate", "Write", "None")?,
        (true, "create", 1) => open_file(ps, &given, "Create", "ReadWrite", "None")?,
        (true, "getattributes", 1)
        | (_, "getlastwritetime" | "getlastwritetimeutc" | "getcreationtime", 1) => {
            let name = &method[3..];
            objects::item_property(ps, &path, !is_file, name)?.unwrap_or(Value::Null)
        }
        (true, "setattributes", 2) => {
            let read_only = arguments[1].to_text().contains("ReadOnly");
            match machine.state().files.get_mut(&path) {
                Some(node) => node.read_only = read_only,
                None => return io_error(VfsError::FileNotFound, &path).throw(),
            }
            Value::Null
        }
        (false, "createdirectory", 1) => {
            let outcome = machine.state().files.create_directory(&path);
            check(outcome, &path)?;
            directory_info(ps, &path, true)
        }
        (false, "delete", 1 | 2) => {
            let recursive = arguments.get(1).is_some_and(Value::truthy);
            return check(machine.state().files.remove(&path, recursive), &path);
        }
        (false, "move", 2) => return check(machine.state().files.rename(&path, &other), &path),
        (false, "getcurrentdirectory", 0) => ps.process_directory.as_str().into(),
        (false, "getparent", 1) => parent(&path).map_or(Value::Null, |p| directory_info(ps, &p, true)),
        (
            false,
            "getfiles"
            | "getdirectories"
            | "getfilesystementries"
            | "enumeratefiles"
            | "enumeratedirectories",
            1..=3,
        ) => {
            let pattern = arguments.get(1).map_or("*".to_owned(), Value::to_text);
            let pattern = if pattern == "*.*" { "*".to_owned() } else { pattern };
            let state = machine.state();
            if !state.files.is_directory(&path) {
                return io_error(VfsError::PathNotFound, &path).throw();
            }
            let children = state.files.children(&path);
            let wanted =
                |folder: bool| method.contains("entries") || folder == method.contains("directories");
            let found = children
                .iter()
                .filter(|n| wanted(n.is_directory()) && wildcard(&pattern, file_name(&n.path), false));
            Value::array(found.map(|n| n.path.as_str().into()).collect())
        }
        _ => return Ok(None),
    }))
}
