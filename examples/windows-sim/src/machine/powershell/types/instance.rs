//! Methods of objects.

use std::sync::Mutex;
use std::time::Instant;

use super::native::{Console, Native};
use super::{string, time};
use crate::machine::codepage;
use crate::machine::powershell::error::{ErrorRecord, Result};
use crate::machine::powershell::eval::{Interpreter, equal, format_operator, replace_regex};
use crate::machine::powershell::value::{Object, Value, lock};

/// How much is hashed or copied before other processes get their turn.
const CHUNK_BYTES: usize = 1 << 20;

/// Calls a method; none when there is no such method with so many arguments.
pub(in super::super) async fn invoke(
    ps: &mut Interpreter,
    target: &Value,
    method: &str,
    arguments: &[Value],
) -> Result<Option<Value>> {
    let lower = method.to_ascii_lowercase();
    if let Value::Object(object) = target
        && let Some(found) = invoke_object(ps, object, &lower, arguments).await?
    {
        // The methods of a builder give the builder itself, so that calls can be chained.
        let chained = matches!(object.native, Native::StringBuilder(_)) && lower != "tostring";
        return Ok(Some(if chained { target.clone() } else { found }));
    }
    match (lower.as_str(), arguments.len()) {
        ("gettype", 0) => return Ok(Some(Value::Type(target.type_name()))),
        ("equals", 1) if !matches!(target, Value::Str(_)) => {
            return Ok(Some(Value::Bool(equal(target, &arguments[0], true))));
        }
        _ => {}
    }
    let found = match target {
        Value::Str(text) => string::invoke(text, &lower, arguments)?,
        Value::Char(c) => string::invoke(&c.to_string(), &lower, arguments)?,
        Value::Hash(hash) => hash_method(hash, &lower, arguments),
        Value::Date(date) => date_method(date, &lower, arguments),
        Value::Span(ticks) => span_method(*ticks, &lower, arguments),
        Value::Array(_) | Value::Bytes(_) => array_method(target, &lower, arguments),
        Value::Script(script) if matches!(lower.as_str(), "invoke" | "invokereturnasis") => {
            let script = script.clone();
            let outputs = ps.call_script(&script, arguments).await?;
            Some(Value::from_outputs(outputs))
        }
        _ => None,
    };
    if found.is_some() {
        return Ok(found);
    }
    Ok(match (lower.as_str(), arguments) {
        ("tostring", []) => Some(target.to_text().into()),
        ("tostring", [format, ..]) if !matches!(target, Value::Str(_)) => {
            Some(format_operator(&format!("{{0:{}}}", format.to_text()), &[target.clone()])?.into())
        }
        ("compareto", [other]) => {
            Some(Value::Int(crate::machine::powershell::eval::compare_values(target, other) as i32))
        }
        ("gethashcode", []) => Some(Value::Int(0)),
        _ => None,
    })
}

async fn invoke_object(
    ps: &mut Interpreter,
    object: &Object,
    method: &str,
    arguments: &[Value],
) -> Result<Option<Value>> {
    let number = |i: usize| arguments.get(i).and_then(Value::as_long);
    let size = |i: usize| number(i).and_then(|n| usize::try_from(n).ok());
    let text = |i: usize| arguments.get(i).map(Value::to_text).unwrap_or_default();
    let count = arguments.len();
    Ok(Some(match &object.native {
        Native::Console(console) => return console_method(ps, *console, method, arguments).await,
        Native::FileStream(stream) => return file_stream_method(stream, method, arguments),
        Native::Hasher(hasher) => match (method, count) {
            ("computehash", 1..) => return compute_hash(hasher, arguments).await.map(Some),
            ("dispose" | "clear" | "initialize" | "close", 0) => Value::Null,
            ("transformblock", 3..) => {
                let bytes = arguments[0].as_bytes().unwrap_or_default();
                let (start, length) = (size(1).unwrap_or(0), size(2).unwrap_or(0));
                lock(hasher).update(bytes.get(start..start.saturating_add(length)).unwrap_or_default());
                Value::Int(length as i32)
            }
            ("transformfinalblock", 3) => {
                let bytes = arguments[0].as_bytes().unwrap_or_default();
                lock(hasher).update(bytes.get(..size(2).unwrap_or(0)).unwrap_or_default());
                let digest = lock(hasher).finish();
                object.add_property("Hash", Value::bytes(digest));
                Value::bytes(bytes)
            }
            _ => return Ok(None),
        },
        Native::MemoryStream(stream) => {
            let mut stream = lock(stream);
            match (method, count) {
                ("toarray" | "getbuffer", 0) => Value::bytes(stream.bytes.clone()),
                ("write", 3) => {
                    let bytes = arguments[0].as_bytes().unwrap_or_default();
                    let (start, length) = (size(1).unwrap_or(0), size(2).unwrap_or(0));
                    let piece = bytes.get(start..start.saturating_add(length)).unwrap_or_default();
                    let at = stream.position;
                    let end = at + piece.len();
                    if stream.bytes.len() < end {
                        stream.bytes.resize(end, 0);
                    }
                    stream.bytes[at..end].copy_from_slice(piece);
                    stream.position = end;
                    Value::Null
                }
                ("seek", 2) => {
                    stream.position = size(0).unwrap_or(0);
                    Value::Long(stream.position as i64)
                }
                ("setlength", 1) => {
                    stream.bytes.resize(size(0).unwrap_or(0).min(1 << 29), 0);
                    Value::Null
                }
                ("dispose" | "close" | "flush", 0) => Value::Null,
                _ => return Ok(None),
            }
        }
        Native::Encoding(encoding) => match (method, count) {
            ("getstring", 1) => match &arguments[0] {
                Value::Bytes(bytes) => encoding.decode(&lock(bytes)).into(),
                other => encoding.decode(&other.as_bytes().unwrap_or_default()).into(),
            },
            ("getstring", 3) => {
                let bytes = arguments[0].as_bytes().unwrap_or_default();
                let (start, length) = (size(1).unwrap_or(0), size(2).unwrap_or(0));
                encoding.decode(bytes.get(start..start.saturating_add(length)).unwrap_or_default()).into()
            }
            ("getbytes", 1) => Value::bytes(encoding.encode(&text(0))),
            ("getbytecount", 1) => Value::count(encoding.encode(&text(0)).len()),
            ("getpreamble", 0) => Value::bytes(encoding.preamble().to_vec()),
            _ => return Ok(None),
        },
        Native::StringBuilder(builder) => {
            {
                let mut builder = lock(builder);
                match (method, count) {
                    ("append", 1) => builder.push_str(&text(0)),
                    ("appendline", 0) => builder.push_str("\r\n"),
                    ("appendline", 1) => builder.push_str(&(text(0) + "\r\n")),
                    ("appendformat", 2..) => builder.push_str(&format_operator(&text(0), &arguments[1..])?),
                    ("clear", 0) => builder.clear(),
                    ("insert", 2) => {
                        let tail: String = builder.chars().skip(size(0).unwrap_or(0)).collect();
                        let keep = builder.len() - tail.len();
                        builder.truncate(keep);
                        builder.push_str(&(text(1) + &tail));
                    }
                    ("replace", 2) => *builder = builder.replace(&text(0), &text(1)),
                    ("tostring", 0) => return Ok(Some(builder.as_str().into())),
                    _ => return Ok(None),
                }
            }
            Value::Null
        }
        Native::List(items) => return Ok(list_method(items, method, arguments)),
        Native::Service(name) => return super::super::cmdlets::service_method(ps, name, method, arguments),
        Native::Reader(reader) => match (method, count) {
            ("readline", 0) => lock(reader).line().map_or(Value::Null, Value::from),
            ("readtoend", 0) => {
                let mut reader = lock(reader);
                let rest: Value = reader.text[reader.at..].into();
                reader.at = reader.text.len();
                rest
            }
            ("dispose" | "close", 0) => Value::Null,
            _ => return Ok(None),
        },
        Native::Writer(stream, encoding) => match (method, count) {
            ("write", 1) => lock(stream).write(&encoding.encode(&text(0))).map(|()| Value::Null)?,
            ("writeline", 0 | 1) => {
                lock(stream).write(&encoding.encode(&(text(0) + "\r\n"))).map(|()| Value::Null)?
            }
            ("flush", 0) => Value::Null,
            ("dispose" | "close", 0) => {
                lock(stream).close();
                Value::Null
            }
            _ => return Ok(None),
        },
        Native::Regex(regex, _) => match (method, count) {
            ("ismatch", 1) => Value::Bool(regex.is_match(&text(0)).unwrap_or(false)),
            ("match", 1) => regex_match(regex, &text(0)),
            ("matches", 1) => regex_matches(regex, &text(0)),
            ("replace", 2) => replace_regex(regex, &text(0), &text(1)).into(),
            ("split", 1) => {
                let source = text(0);
                Value::array(
                    regex.split(&source).filter_map(std::result::Result::ok).map(Value::from).collect(),
                )
            }
            _ => return Ok(None),
        },
        Native::Stopwatch(watch) => {
            let mut watch = lock(watch);
            match method {
                "start" => watch.started = watch.started.or(Some(Instant::now())),
                "stop" => {
                    let more = watch.started.take().map_or(std::time::Duration::ZERO, |s| s.elapsed());
                    watch.elapsed += more;
                }
                "reset" | "restart" => {
                    watch.elapsed = std::time::Duration::ZERO;
                    watch.started = (method == "restart").then(Instant::now);
                }
                _ => return Ok(None),
            }
            Value::Null
        }
        Native::Random if method == "next" => {
            let nanos = chrono::Local::now().timestamp_nanos_opt().unwrap_or(0);
            let mixed = (nanos as u64).wrapping_mul(0x9E37_79B9_7F4A_7C15) >> 33;
            let (low, high) = match count {
                0 => (0, i64::from(i32::MAX)),
                1 => (0, number(0).unwrap_or(1)),
                _ => (number(0).unwrap_or(0), number(1).unwrap_or(1)),
            };
            Value::number(low + (mixed as i64) % (high - low).max(1))
        }
        Native::File(path) | Native::Directory(path) if method == "delete" => {
            let removed =
                ps.around.machine.state().files.remove(path, arguments.first().is_some_and(Value::truthy));
            match removed {
                Ok(()) => Value::Null,
                Err(error) => return super::stream::io_error(error, path).throw(),
            }
        }
        Native::File(path) if matches!(method, "openread" | "openwrite" | "create" | "refresh") => {
            match method {
                "openread" => super::objects::open_file(ps, path, "Open", "Read", "Read")?,
                "openwrite" => super::objects::open_file(ps, path, "OpenOrCreate", "Write", "None")?,
                "create" => super::objects::open_file(ps, path, "Create", "ReadWrite", "None")?,
                _ => Value::Null,
            }
        }
        Native::Directory(path) if matches!(method, "create" | "refresh") => {
            if method == "create" {
                let made = ps.around.machine.state().files.create_directory(path);
                made.or_else(|e| super::stream::io_error(e, path).throw())?;
            }
            Value::Null
        }
        Native::Context(context) => return ps.context_method(context, object, method, arguments),
        Native::Exception(_) if matches!(method, "getbaseexception") => {
            let mut exception = match &object.native {
                Native::Exception(e) => e.clone(),
                _ => return Ok(None),
            };
            while let Some(inner) = exception.inner.clone() {
                exception = inner;
            }
            Value::exception(&exception)
        }
        _ => return Ok(None),
    }))
}

async fn console_method(
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
pub(in super::super) async fn console_static(
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

fn out_of_bounds<T>() -> Result<T> {
    ErrorRecord::new(
        "System.ArgumentException",
        "Offset and length were out of bounds for the array or count is greater than the number of elements from index to the end of the source collection.",
        "ArgumentException",
        "NotSpecified",
    )
    .throw()
}

/// Puts bytes into a `byte[]` a script gave as its buffer.
fn fill(buffer: &Value, at: usize, bytes: &[u8]) -> Result<Value> {
    let Value::Bytes(buffer) = buffer else { return out_of_bounds() };
    let mut buffer = lock(buffer);
    match buffer.get_mut(at..at + bytes.len()) {
        Some(place) => place.copy_from_slice(bytes),
        None => return out_of_bounds(),
    }
    Ok(Value::Int(bytes.len() as i32))
}

fn file_stream_method(
    stream: &Mutex<super::stream::FileStream>,
    method: &str,
    arguments: &[Value],
) -> Result<Option<Value>> {
    let size = |i: usize| arguments.get(i).and_then(Value::as_long).and_then(|n| usize::try_from(n).ok());
    let mut stream = lock(stream);
    Ok(Some(match (method, arguments.len()) {
        ("write", 3) => {
            let (Some(start), Some(count)) = (size(1), size(2)) else { return out_of_bounds() };
            match &arguments[0] {
                Value::Bytes(bytes) => match lock(bytes).get(start..start.saturating_add(count)) {
                    Some(piece) => stream.write(piece)?,
                    None => return out_of_bounds(),
                },
                other => match other
                    .as_bytes()
                    .and_then(|b| b.get(start..start.saturating_add(count)).map(<[u8]>::to_vec))
                {
                    Some(piece) => stream.write(&piece)?,
                    None => return out_of_bounds(),
                },
            }
            Value::Null
        }
        ("writebyte", 1) => {
            stream.write(&[arguments[0].as_long().unwrap_or(0) as u8])?;
            Value::Null
        }
        ("read", 3) => {
            let (Some(at), Some(count)) = (size(1), size(2)) else { return out_of_bounds() };
            let piece = stream.read(count)?;
            fill(&arguments[0], at, &piece)?
        }
        ("readbyte", 0) => Value::Int(stream.read(1)?.first().map_or(-1, |b| i32::from(*b))),
        ("seek", 2) => {
            let origin = super::objects::enum_text("System.IO.SeekOrigin", &arguments[1])?;
            Value::Long(stream.seek(arguments[0].as_long().unwrap_or(0), &origin)? as i64)
        }
        ("setlength", 1) => {
            stream.set_len(arguments[0].as_long().and_then(|n| u64::try_from(n).ok()).unwrap_or(0))?;
            Value::Null
        }
        ("flush", 0 | 1) => Value::Null,
        ("dispose" | "close", 0) => {
            stream.close();
            Value::Null
        }
        _ => return Ok(None),
    }))
}

async fn compute_hash(hasher: &Mutex<super::native::Hasher>, arguments: &[Value]) -> Result<Value> {
    if let Some(Native::FileStream(stream)) = arguments[0].native() {
        loop {
            let piece = lock(stream).read(CHUNK_BYTES)?;
            if piece.is_empty() {
                break;
            }
            lock(hasher).update(&piece);
            tokio::task::yield_now().await;
        }
    } else if let Some(Native::MemoryStream(stream)) = arguments[0].native() {
        let stream = lock(stream);
        lock(hasher).update(&stream.bytes[stream.position.min(stream.bytes.len())..]);
    } else {
        let Some(bytes) = arguments[0].as_bytes() else { return out_of_bounds() };
        let size = |i: usize| arguments.get(i).and_then(Value::as_long).and_then(|n| usize::try_from(n).ok());
        let start = size(1).unwrap_or(0);
        let end = size(2).map_or(bytes.len(), |n| start.saturating_add(n));
        let Some(piece) = bytes.get(start..end) else { return out_of_bounds() };
        for chunk in piece.chunks(CHUNK_BYTES) {
            lock(hasher).update(chunk);
            tokio::task::yield_now().await;
        }
    }
    let digest = lock(hasher).finish();
    Ok(Value::bytes(digest))
}

fn list_method(items: &Mutex<Vec<Value>>, method: &str, arguments: &[Value]) -> Option<Value> {
    let mut items = lock(items);
    let size = |i: usize| arguments.get(i).and_then(Value::as_long).and_then(|n| usize::try_from(n).ok());
    Some(match (method, arguments.len()) {
        ("add", 1) => {
            items.push(arguments[0].clone());
            Value::count(items.len() - 1)
        }
        ("addrange", 1) => {
            items.extend(arguments[0].items());
            Value::Null
        }
        ("insert", 2) => {
            let at = size(0)?.min(items.len());
            items.insert(at, arguments[1].clone());
            Value::Null
        }
        ("remove", 1) => {
            let at = items.iter().position(|v| equal(v, &arguments[0], true));
            if let Some(at) = at {
                items.remove(at);
            }
            Value::Bool(at.is_some())
        }
        ("removeat", 1) if size(0)? < items.len() => {
            items.remove(size(0)?);
            Value::Null
        }
        ("contains", 1) => Value::Bool(items.iter().any(|v| equal(v, &arguments[0], true))),
        ("indexof", 1) => {
            Value::Int(items.iter().position(|v| equal(v, &arguments[0], true)).map_or(-1, |at| at as i32))
        }
        ("clear", 0) => {
            items.clear();
            Value::Null
        }
        ("reverse", 0) => {
            items.reverse();
            Value::Null
        }
        ("sort", 0) => {
            items.sort_by(crate::machine::powershell::eval::compare_values);
            Value::Null
        }
        ("toarray", 0) => match items
            .iter()
            .map(|v| if let Value::Byte(b) = v { Some(*b) } else { None })
            .collect::<Option<Vec<u8>>>()
        {
            Some(bytes) if !bytes.is_empty() => Value::bytes(bytes),
            _ => Value::array(items.clone()),
        },
        _ => return None,
    })
}

fn hash_method(
    hash: &crate::machine::powershell::value::Hash,
    method: &str,
    arguments: &[Value],
) -> Option<Value> {
    Some(match (method, arguments) {
        ("containskey" | "contains", [key]) => Value::Bool(hash.get(key).is_some()),
        ("containsvalue", [value]) => Value::Bool(hash.entries().iter().any(|(_, v)| equal(v, value, true))),
        ("add", [key, value]) => {
            hash.set(key.clone(), value.clone());
            Value::Null
        }
        ("remove", [key]) => {
            hash.remove(key);
            Value::Null
        }
        ("clear", []) => {
            hash.clear();
            Value::Null
        }
        ("getenumerator", []) => Value::array(super::super::eval::hash_entries(hash)),
        ("get_item", [key]) => hash.get(key).unwrap_or(Value::Null),
        _ => return None,
    })
}

fn date_method(date: &chrono::NaiveDateTime, method: &str, arguments: &[Value]) -> Option<Value> {
    let amount = arguments.first().and_then(Value::as_double);
    let add = |ticks_each: f64| -> Option<Value> {
        let nanos = (amount? * ticks_each * 100.0) as i64;
        Some(Value::Date(date.checked_add_signed(chrono::TimeDelta::nanoseconds(nanos))?))
    };
    match method {
        "adddays" => add(864e9),
        "addhours" => add(36e9),
        "addminutes" => add(6e8),
        "addseconds" => add(1e7),
        "addmilliseconds" => add(1e4),
        "addticks" => add(1.0),
        "addmonths" => {
            let months = amount? as i32;
            let size = chrono::Months::new(months.unsigned_abs());
            let moved =
                if months < 0 { date.checked_sub_months(size) } else { date.checked_add_months(size) };
            moved.map(Value::Date)
        }
        "touniversaltime" => Some(Value::Date(
            date.and_local_timezone(chrono::Local)
                .single()
                .map_or(*date, |d| d.with_timezone(&chrono::Utc).naive_utc()),
        )),
        "tolocaltime" => Some(Value::Date(date.and_utc().with_timezone(&chrono::Local).naive_local())),
        "tostring" => Some(match arguments.first() {
            Some(format) => time::format_date(date, &format.to_text()).into(),
            None => time::format_date(date, "G").into(),
        }),
        "toshortdatestring" => Some(time::format_date(date, "d").into()),
        "tofiletime" | "tofiletimeutc" => Some(Value::Long(time::ticks(date) - 504_911_232_000_000_000)),
        _ => None,
    }
}

fn span_method(ticks: i64, method: &str, arguments: &[Value]) -> Option<Value> {
    match (method, arguments) {
        ("add", [Value::Span(other)]) => Some(Value::Span(ticks + other)),
        ("subtract", [Value::Span(other)]) => Some(Value::Span(ticks - other)),
        ("tostring", []) => Some(time::span_text(ticks).into()),
        _ => None,
    }
}

fn array_method(target: &Value, method: &str, arguments: &[Value]) -> Option<Value> {
    Some(match (method, arguments) {
        ("contains", [value]) => Value::Bool(target.items().iter().any(|v| equal(v, value, true))),
        ("indexof", [value]) => {
            Value::Int(target.items().iter().position(|v| equal(v, value, true)).map_or(-1, |at| at as i32))
        }
        ("clone", []) => match target {
            Value::Bytes(bytes) => Value::bytes(lock(bytes).clone()),
            other => Value::array(other.items()),
        },
        ("getlength", [_]) => Value::count(target.items().len()),
        ("getvalue", [index]) => target.items().get(usize::try_from(index.as_long()?).ok()?)?.clone(),
        _ => return None,
    })
}

fn match_object(found: &fancy_regex::Match<'_>, source: &str, groups: Value) -> Value {
    let index = source[..found.start()].encode_utf16().count();
    let text: Value = found.as_str().into();
    Value::object(
        "System.Text.RegularExpressions.Match",
        vec![
            ("Groups".into(), groups),
            ("Success".into(), Value::Bool(true)),
            ("Index".into(), Value::count(index)),
            ("Length".into(), Value::count(found.as_str().encode_utf16().count())),
            ("Value".into(), text.clone()),
            ("__text".into(), text),
        ],
        Native::None,
    )
}

fn of_captures(regex: &fancy_regex::Regex, captures: &fancy_regex::Captures<'_, str>, source: &str) -> Value {
    let groups = crate::machine::powershell::value::Hash::new(true);
    for (i, name) in regex.capture_names().enumerate() {
        let group = match captures.get(i) {
            Some(found) => match_object(&found, source, Value::Null),
            None => failed_match(),
        };
        groups.set(Value::Int(i as i32), group.clone());
        if let Some(name) = name {
            groups.set(name.into(), group);
        }
    }
    match captures.get(0) {
        Some(found) => match_object(&found, source, Value::Hash(groups.into())),
        None => failed_match(),
    }
}

fn failed_match() -> Value {
    Value::object(
        "System.Text.RegularExpressions.Match",
        vec![
            ("Success".into(), Value::Bool(false)),
            ("Value".into(), "".into()),
            ("__text".into(), "".into()),
        ],
        Native::None,
    )
}

pub(in super::super) fn regex_match(regex: &fancy_regex::Regex, source: &str) -> Value {
    match regex.captures(source) {
        Ok(Some(captures)) => of_captures(regex, &captures, source),
        _ => failed_match(),
    }
}

pub(in super::super) fn regex_matches(regex: &fancy_regex::Regex, source: &str) -> Value {
    let all = regex.captures_iter(source).filter_map(std::result::Result::ok);
    Value::array(all.map(|captures| of_captures(regex, &captures, source)).collect())
}
