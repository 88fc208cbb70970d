//! Constructors: `New-Object` and `[type]::new`.

use std::sync::{Arc, Mutex};

use super::convert::cast;
use super::deflate::Deflate;
use super::encoding::Encoding;
use super::native::{Console, Hasher, MemoryStream, Native, Stopwatch};
use super::stream::{FileStream, Reader, io_error};
use super::time;
use crate::machine::powershell::error::{ErrorRecord, Exception, Result};
use crate::machine::powershell::eval::Interpreter;
use crate::machine::powershell::value::{Hash, Value, lock};
use crate::machine::vfs::{file_name, full_path, parent};

/// A new object of a type known by its full name; none when there is no such constructor.
pub(in super::super) fn construct(
    ps: &Interpreter,
    full: &str,
    arguments: &[Value],
) -> Result<Option<Value>> {
    let text = |i: usize| arguments.get(i).map(Value::to_text).unwrap_or_default();
    let flag = |i: usize| arguments.get(i).is_some_and(Value::truthy);
    let plain = |native| Value::object(full, Vec::new(), native);
    Ok(Some(match full {
        "System.Text.UTF8Encoding" => plain(Native::Encoding(Encoding::Utf8 { bom: flag(0) })),
        "System.Text.UnicodeEncoding" => plain(Native::Encoding(Encoding::Utf16)),
        "System.Text.ASCIIEncoding" => plain(Native::Encoding(Encoding::Ascii)),
        "System.Text.StringBuilder" => {
            plain(Native::StringBuilder(Mutex::new(if matches!(arguments.first(), Some(Value::Str(_))) {
                text(0)
            } else {
                String::new()
            })))
        }
        "System.Collections.ArrayList" => plain(Native::List(Mutex::new(initial_items(arguments)))),
        _ if full.starts_with("System.Collections.Generic.List[") => {
            plain(Native::List(Mutex::new(initial_items(arguments))))
        }
        "System.Collections.Hashtable" => Value::Hash(Arc::new(Hash::new(false))),
        "System.Collections.Specialized.OrderedDictionary" => Value::Hash(Arc::new(Hash::new(true))),
        "System.Object"
        | "System.Management.Automation.PSObject"
        | "System.Management.Automation.PSCustomObject" => match arguments.first() {
            Some(Value::Hash(_)) => cast(&arguments[0], "pscustomobject")?,
            Some(other) => other.clone(),
            None => Value::custom(Vec::new()),
        },
        "System.IO.MemoryStream" => {
            let bytes = arguments.first().and_then(Value::as_bytes).unwrap_or_default();
            plain(Native::MemoryStream(Mutex::new(MemoryStream { bytes, position: 0 })))
        }
        "System.IO.FileStream" => {
            let mode = if arguments.len() > 1 {
                enum_text("System.IO.FileMode", &arguments[1])?
            } else {
                "Open".to_owned()
            };
            let default_access = if mode == "Append" { "Write" } else { "ReadWrite" };
            let access = match arguments.get(2) {
                Some(access) => enum_text("System.IO.FileAccess", access)?,
                None => default_access.to_owned(),
            };
            let share = match arguments.get(3) {
                Some(share) => enum_text("System.IO.FileShare", share)?,
                None => "Read".to_owned(),
            };
            open_file(ps, &text(0), &mode, &access, &share)?
        }
        "System.IO.FileInfo" => file_info(ps, &ps.full_path(&text(0)), true),
        "System.IO.DirectoryInfo" => directory_info(ps, &ps.full_path(&text(0)), true),
        "System.IO.Compression.DeflateStream" => {
            let Some(base) = arguments.first().cloned() else { return Ok(None) };
            let mode = match arguments.get(1) {
                Some(mode) => enum_text("System.IO.Compression.CompressionMode", mode)?,
                None => return Ok(None),
            };
            plain(Native::Deflate(Mutex::new(Deflate::new(base, mode == "Compress"))))
        }
        "System.IO.StreamReader"
            if matches!(
                arguments.first().and_then(Value::native),
                Some(Native::Console(Console::InputStream))
            ) =>
        {
            let encoding = arguments.get(1).and_then(encoding_of).unwrap_or(Encoding::Utf8 { bom: true });
            plain(Native::InputReader(encoding))
        }
        "System.IO.StreamReader" => plain(Native::Reader(Mutex::new(reader(ps, arguments)?))),
        "System.IO.StreamWriter" => {
            let mode = if flag(1) { "Append" } else { "Create" };
            let stream =
                FileStream::open(&ps.around.machine, &ps.full_path(&text(0)), mode, "Write", "Read")?;
            let encoding = arguments.get(2).and_then(encoding_of).unwrap_or(Encoding::Utf8 { bom: false });
            plain(Native::Writer(Mutex::new(stream), encoding))
        }
        "System.Security.Cryptography.SHA256Managed"
        | "System.Security.Cryptography.SHA256CryptoServiceProvider" => hasher("SHA256"),
        "System.Random" => plain(Native::Random),
        "System.Diagnostics.Stopwatch" => plain(Native::Stopwatch(Mutex::new(Stopwatch {
            started: None,
            elapsed: std::time::Duration::ZERO,
        }))),
        "System.Version" => version(&arguments.iter().map(Value::to_text).collect::<Vec<_>>().join("."))?,
        "System.Text.RegularExpressions.Regex" => regex(&text(0))?,
        "System.String" => match arguments {
            [Value::Char(c), count] => {
                let count = usize::try_from(count.as_long().unwrap_or(0)).unwrap_or(0).min(1 << 26);
                std::iter::repeat_n(*c, count).collect::<String>().into()
            }
            [one] => one.items().iter().map(Value::to_text).collect::<String>().into(),
            _ => return Ok(None),
        },
        "System.DateTime" => {
            let part = |i: usize| arguments.get(i).and_then(Value::as_long).unwrap_or(0);
            let date = chrono::NaiveDate::from_ymd_opt(part(0) as i32, part(1) as u32, part(2) as u32)
                .and_then(|d| d.and_hms_opt(part(3) as u32, part(4) as u32, part(5) as u32));
            match date {
                Some(date) => Value::Date(date),
                None => {
                    return ErrorRecord::new(
                        "System.ArgumentOutOfRangeException",
                        "Year, Month, and Day parameters describe an un-representable DateTime.",
                        "ArgumentOutOfRangeException",
                        "NotSpecified",
                    )
                    .throw();
                }
            }
        }
        "System.TimeSpan" => {
            let numbers: Vec<i64> = arguments.iter().filter_map(Value::as_long).collect();
            let (days, rest) =
                if numbers.len() >= 4 { (numbers[0], &numbers[1..]) } else { (0, &numbers[..]) };
            match rest {
                [h, m, s, ..] => {
                    Value::Span((days * 86_400 + h * 3600 + m * 60 + s) * time::TICKS_PER_SECOND)
                }
                [ticks] => Value::Span(*ticks),
                _ => return Ok(None),
            }
        }
        "System.ServiceProcess.ServiceController" => {
            let found = ps.around.machine.state().services.get(&text(0)).map(|s| s.name);
            match found {
                Some(name) => plain(Native::Service(name)),
                None => return Ok(None),
            }
        }
        _ if full.ends_with("Exception") => exception(full, arguments),
        _ if full.ends_with("[]") => return new_array(full, arguments),
        _ => return Ok(None),
    }))
}

/// The longest array a script may ask for.
const ARRAY_ITEMS_MAX: usize = 1 << 28;

/// `New-Object byte[] 65536`: an array of so many empty items.
fn new_array(full: &str, arguments: &[Value]) -> Result<Option<Value>> {
    let Some(length) = arguments.first().and_then(Value::as_long).and_then(|n| usize::try_from(n).ok())
    else {
        return Ok(None);
    };
    if length > ARRAY_ITEMS_MAX {
        return ErrorRecord::new(
            "System.OutOfMemoryException",
            "Array dimensions exceeded supported range.",
            "OutOfMemoryException",
            "NotSpecified",
        )
        .throw();
    }
    let item = match full {
        "System.Byte[]" => return Ok(Some(Value::bytes(vec![0; length]))),
        "System.Int32[]" => Value::Int(0),
        "System.Int64[]" => Value::Long(0),
        "System.Char[]" => Value::Char('\0'),
        _ => Value::Null,
    };
    Ok(Some(Value::array(vec![item; length])))
}

fn initial_items(arguments: &[Value]) -> Vec<Value> {
    match arguments.first() {
        Some(value) if value.is_collection() => value.items(),
        _ => Vec::new(),
    }
}

/// The name of an enumeration's member, given as itself, its name or its number.
pub(in super::super) fn enum_text(full: &str, value: &Value) -> Result<String> {
    super::enumerations::enum_value(full, value).map(|v| v.to_text())
}

pub(in super::super) fn open_file(
    ps: &Interpreter,
    path: &str,
    mode: &str,
    access: &str,
    share: &str,
) -> Result<Value> {
    let stream = FileStream::open(&ps.around.machine, &ps.full_path(path), mode, access, share)?;
    Ok(Value::object("System.IO.FileStream", Vec::new(), Native::FileStream(Mutex::new(stream))))
}

pub(in super::super) fn encoding_of(value: &Value) -> Option<Encoding> {
    match value.native() {
        Some(Native::Encoding(encoding)) => Some(*encoding),
        _ => Encoding::parse(&value.to_text()),
    }
}

pub(in super::super) fn encoding(encoding: Encoding) -> Value {
    Value::object(encoding.type_name(), Vec::new(), Native::Encoding(encoding))
}

pub(in super::super) fn hasher(algorithm: &str) -> Value {
    let name = format!("System.Security.Cryptography.{algorithm}Managed");
    let native = Hasher::new(algorithm).map_or(Native::None, |h| Native::Hasher(Mutex::new(h)));
    Value::object(&name, Vec::new(), native)
}

fn reader(ps: &Interpreter, arguments: &[Value]) -> Result<Reader> {
    let encoding = arguments.get(1).and_then(encoding_of).unwrap_or(Encoding::Utf8 { bom: true });
    let Some(first) = arguments.first() else { return Ok(Reader { text: String::new(), at: 0 }) };
    let bytes = match first.native() {
        Some(Native::FileStream(stream)) => lock(stream).read(usize::MAX)?,
        Some(Native::MemoryStream(stream)) => {
            let stream = lock(stream);
            stream.bytes[stream.position.min(stream.bytes.len())..].to_vec()
        }
        _ => {
            let path = ps.full_path(&first.to_text());
            let data = ps.around.machine.state().files.read(&path);
            match data {
                Ok(data) => data.to_vec(),
                Err(error) => return io_error(error, &path).throw(),
            }
        }
    };
    Ok(Reader { text: encoding.decode_file(&bytes), at: 0 })
}

pub(in super::super) fn exception(full: &str, arguments: &[Value]) -> Value {
    let inner = arguments.get(1).and_then(|v| match v.native() {
        Some(Native::Exception(e)) => Some(e.clone()),
        Some(Native::Error(record)) => Some(record.exception.clone()),
        _ => None,
    });
    let message = match arguments.first() {
        Some(message) => message.to_text(),
        None => format!("Exception of type '{full}' was thrown."),
    };
    Value::exception(&Arc::new(Exception { type_name: full.to_owned(), message, inner }))
}

/// A .NET regular expression, without regard to case when asked.
pub(in super::super) fn compile(pattern: &str, ignore_case: bool) -> Result<fancy_regex::Regex> {
    let full = if ignore_case { format!("(?i){pattern}") } else { pattern.to_owned() };
    match fancy_regex::Regex::new(&full) {
        Ok(regex) => Ok(regex),
        Err(_) => ErrorRecord::new(
            "System.ArgumentException",
            format!("parsing \"{pattern}\" - Unrecognized construct."),
            "System.ArgumentException",
            "NotSpecified",
        )
        .throw(),
    }
}

pub(in super::super) fn regex(pattern: &str) -> Result<Value> {
    let compiled = compile(pattern, false)?;
    Ok(Value::object(
        "System.Text.RegularExpressions.Regex",
        Vec::new(),
        Native::Regex(compiled, pattern.to_owned()),
    ))
}

pub(in super::super) fn version(text: &str) -> Result<Value> {
    let parts: Option<Vec<i32>> = text.split('.').map(|p| p.parse().ok()).collect();
    match parts {
        Some(parts) if (2..=4).contains(&parts.len()) => {
            Ok(Value::object("System.Version", Vec::new(), Native::Version(parts)))
        }
        _ => ErrorRecord::new(
            "System.Management.Automation.PSInvalidCastException",
            format!("Cannot convert value \"{text}\" to type \"System.Version\". Error: \"Version string portion was too short or too long.\""),
            "InvalidCastConstructorException",
            "InvalidArgument",
        )
        .throw(),
    }
}

/// A snapshot's fields are computed when asked for; the text is the name for items listed by `Get-ChildItem`.
pub(in super::super) fn file_info(ps: &Interpreter, path: &str, full_text: bool) -> Value {
    let path = stored_path(ps, path);
    let text = if full_text { path.clone() } else { file_name(&path).to_owned() };
    Value::object("System.IO.FileInfo", vec![("__text".into(), text.into())], Native::File(path))
}

pub(in super::super) fn directory_info(ps: &Interpreter, path: &str, full_text: bool) -> Value {
    let path = stored_path(ps, path);
    let text = if full_text { path.clone() } else { file_name(&path).to_owned() };
    Value::object("System.IO.DirectoryInfo", vec![("__text".into(), text.into())], Native::Directory(path))
}

/// The path as the file system spells it, when it is there; else as given.
fn stored_path(ps: &Interpreter, path: &str) -> String {
    ps.around.machine.state().files.get(path).map_or_else(|| path.to_owned(), |n| n.path.clone())
}

/// The value of a property of a file or a folder.
pub(in super::super) fn item_property(
    ps: &Interpreter,
    path: &str,
    folder: bool,
    name: &str,
) -> Result<Option<Value>> {
    let state = ps.around.machine.state();
    let node = state.files.get(path).filter(|n| n.is_directory() == folder);
    let base = file_name(path);
    let stem =
        |name: &str| name.rfind('.').filter(|_| !folder).map_or(name.to_owned(), |at| name[..at].to_owned());
    let value = match name.to_ascii_lowercase().as_str() {
        "fullname" | "pspath" => path.into(),
        "name" | "pschildname" => base.into(),
        "basename" => stem(base).into(),
        "extension" => base.rfind('.').map_or("", |at| &base[at..]).into(),
        "exists" => Value::Bool(node.is_some()),
        "length" if !folder => match node {
            Some(node) => Value::Long(node.len() as i64),
            None => {
                return io_error(crate::machine::vfs::VfsError::FileNotFound, path).throw();
            }
        },
        "isreadonly" if !folder => Value::Bool(node.is_some_and(|n| n.read_only)),
        "psiscontainer" => Value::Bool(folder),
        "directoryname" if !folder => parent(path).unwrap_or_default().into(),
        "root" => path.get(..3).unwrap_or_default().into(),
        "mode" => match node {
            Some(node) => mode_text(node).into(),
            None => "".into(),
        },
        "attributes" => match node {
            Some(n) if n.is_directory() => "Directory".into(),
            Some(n) if n.read_only => "ReadOnly, Archive".into(),
            _ => "Archive".into(),
        },
        "lastwritetime" | "lastwritetimeutc" => {
            node.map_or(Value::Null, |n| Value::Date(n.modified.naive_local()))
        }
        "creationtime" | "creationtimeutc" => {
            node.map_or(Value::Null, |n| Value::Date(n.created.naive_local()))
        }
        "lastaccesstime" => node.map_or(Value::Null, |n| Value::Date(n.modified.naive_local())),
        "directory" | "parent" => {
            drop(state);
            return Ok(parent(path).map(|above| directory_info(ps, &full_path("C:\\", &above), true)));
        }
        _ => return Ok(None),
    };
    Ok(Some(value))
}

/// The `Mode` column.
pub(in super::super) fn mode_text(node: &crate::machine::vfs::Node) -> String {
    let mark = |set: bool, c: char| if set { c } else { '-' };
    let folder = node.is_directory();
    [mark(folder, 'd'), mark(!folder, 'a'), mark(node.read_only, 'r'), mark(node.hidden, 'h'), '-', '-']
        .iter()
        .collect()
}
