//! Methods of objects.

mod collections;
mod console;
mod dates;
mod matches;
mod streams;

use std::sync::Arc;
use std::time::Instant;

use super::native::Native;
use super::string;
use crate::machine::powershell::error::Result;
use crate::machine::powershell::eval::{Interpreter, equal, format_operator, replace_regex};
use crate::machine::powershell::value::{Object, Value, lock};
use collections::{array_method, hash_method, list_method};
use console::console_method;
use dates::{date_method, span_method};
use streams::{compute_hash, copy_stream, file_stream_method, fill};

pub(in super::super) use console::console_static;
pub(in super::super) use matches::{regex_match, regex_matches};

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
        ("tostring", [format, ..]) if !matches!(target, Value::Str(_)) => Some(
            format_operator(&format!("{{0:{}}}", format.to_text()), std::slice::from_ref(target))?.into(),
        ),
        ("compareto", [other]) => {
            Some(Value::Int(crate::machine::powershell::eval::compare_values(target, other) as i32))
        }
        ("gethashcode", []) => Some(Value::Int(0)),
        _ => None,
    })
}

async fn invoke_object(
    ps: &mut Interpreter,
    object: &Arc<Object>,
    method: &str,
    arguments: &[Value],
) -> Result<Option<Value>> {
    let number = |i: usize| arguments.get(i).and_then(Value::as_long);
    let size = |i: usize| number(i).and_then(|n| usize::try_from(n).ok());
    let text = |i: usize| arguments.get(i).map(Value::to_text).unwrap_or_default();
    let count = arguments.len();
    if let (Native::FileStream(_) | Native::MemoryStream(_) | Native::Deflate(_), "copyto", 1 | 2) =
        (&object.native, method, count)
    {
        return copy_stream(object, &arguments[0]).await.map(Some);
    }
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
                    stream.write(bytes.get(start..start.saturating_add(length)).unwrap_or_default());
                    Value::Null
                }
                ("read", 3) => {
                    let piece = stream.read(size(2).unwrap_or(0));
                    fill(&arguments[0], size(1).unwrap_or(0), &piece)?
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
        Native::Deflate(stream) => match (method, count) {
            ("read", 3) => {
                let piece = super::deflate::read(&Value::Object(object.clone()), size(2).unwrap_or(0))?;
                fill(&arguments[0], size(1).unwrap_or(0), &piece.unwrap_or_default())?
            }
            ("write", 3) => {
                let bytes = arguments[0].as_bytes().unwrap_or_default();
                let (start, length) = (size(1).unwrap_or(0), size(2).unwrap_or(0));
                let piece = bytes.get(start..start.saturating_add(length)).unwrap_or_default();
                super::deflate::write(&Value::Object(object.clone()), piece)?;
                Value::Null
            }
            ("flush", 0) => Value::Null,
            ("dispose" | "close", 0) => {
                lock(stream).close()?;
                Value::Null
            }
            _ => return Ok(None),
        },
        Native::InputReader(encoding) => match (method, count) {
            ("readline", 0) => match ps.around.stdin.read_line().await {
                Some(line) => encoding.decode(&line).into(),
                None => Value::Null,
            },
            ("readtoend", 0) => {
                let rest = ps.around.stdin.read_to_end().await;
                encoding.decode(&rest).into()
            }
            ("dispose" | "close", 0) => Value::Null,
            _ => return Ok(None),
        },
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
