//! Reading and writing members.

use std::sync::Arc;

use chrono::{Datelike, Timelike};

use super::native::{Console, Native};
use super::{objects, time};
use crate::machine::powershell::error::{ErrorRecord, Result};
use crate::machine::powershell::eval::Interpreter;
use crate::machine::powershell::value::{Object, Value, lock};

/// The value of a property; none when the value has no such property.
pub(in super::super) fn get(ps: &Interpreter, value: &Value, name: &str) -> Result<Option<Value>> {
    let lower = name.to_ascii_lowercase();
    if lower == "psobject" {
        return Ok(Some(Value::object(
            "PSObjectView",
            vec![("target".into(), value.clone())],
            Native::Context("psobject"),
        )));
    }
    let found = match value {
        Value::Null => None,
        Value::Str(text) if lower == "length" => Some(Value::count(text.encode_utf16().count())),
        Value::Array(values) if matches!(lower.as_str(), "length" | "count" | "longlength") => {
            Some(Value::count(lock(values).len()))
        }
        Value::Array(_) if lower == "rank" => Some(Value::Int(1)),
        Value::Bytes(bytes) if matches!(lower.as_str(), "length" | "count" | "longlength") => {
            Some(Value::count(lock(bytes).len()))
        }
        Value::Hash(hash) => match hash.get(&name.into()) {
            Some(value) => Some(value),
            None => match lower.as_str() {
                "count" => Some(Value::count(hash.len())),
                "keys" => Some(Value::array(hash.entries().into_iter().map(|(k, _)| k).collect())),
                "values" => Some(Value::array(hash.entries().into_iter().map(|(_, v)| v).collect())),
                _ => None,
            },
        },
        Value::Date(date) => date_property(date, &lower),
        Value::Span(ticks) => span_property(*ticks, &lower),
        Value::Type(full) => match lower.as_str() {
            "fullname" => Some(Value::from(&**full)),
            "name" => Some(full.rsplit('.').next().unwrap_or_default().into()),
            "namespace" => full.rsplit_once('.').map(|(space, _)| space.into()),
            _ => None,
        },
        Value::Object(object) => object_property(ps, object, name, &lower)?,
        _ => None,
    };
    if found.is_some() {
        return Ok(found);
    }
    if value.is_collection() {
        return collection_property(ps, value, name);
    }
    // Every single value has a count.
    if matches!(lower.as_str(), "count" | "length") && !value.is_null() && ps.strictness == 0 {
        return Ok(Some(Value::Int(1)));
    }
    if lower == "count" && value.is_null() {
        return Ok(Some(Value::Int(0)));
    }
    Ok(None)
}

/// `$list.Name` gathers the property of every item.
fn collection_property(ps: &Interpreter, value: &Value, name: &str) -> Result<Option<Value>> {
    let mut gathered = Vec::new();
    for item in value.items() {
        if !matches!(item, Value::Null)
            && let Some(found) = get_of_item(ps, &item, name)?
        {
            gathered.extend(found.items());
        }
    }
    Ok((!gathered.is_empty()).then(|| Value::from_outputs(gathered)))
}

fn get_of_item(ps: &Interpreter, item: &Value, name: &str) -> Result<Option<Value>> {
    let counts = matches!(name.to_ascii_lowercase().as_str(), "count");
    if counts && !item.is_collection() && !matches!(item, Value::Object(_) | Value::Hash(_)) {
        return Ok(None);
    }
    get(ps, item, name)
}

fn object_property(ps: &Interpreter, object: &Arc<Object>, name: &str, lower: &str) -> Result<Option<Value>> {
    if let Some(value) = object.property(name).filter(|_| lower != "__text") {
        return Ok(Some(value));
    }
    Ok(match &object.native {
        Native::Error(record) => match lower {
            "exception" => Some(Value::exception(&record.exception)),
            "fullyqualifiederrorid" => Some(record.id.as_str().into()),
            "targetobject" => Some(match (&record.thrown, &record.target) {
                (Some(thrown), _) => thrown.clone(),
                (None, Some((text, _))) => text.as_str().into(),
                _ => Value::Null,
            }),
            "categoryinfo" => Some(Value::object(
                "System.Management.Automation.ErrorCategoryInfo",
                vec![
                    ("Category".into(), record.category.into()),
                    ("Activity".into(), record.activity.as_str().into()),
                    (
                        "Reason".into(),
                        record.exception.type_name.rsplit('.').next().unwrap_or_default().into(),
                    ),
                    ("TargetName".into(), record.target.as_ref().map_or("", |t| &t.0).into()),
                    ("TargetType".into(), record.target.as_ref().map_or("", |t| &t.1).into()),
                    ("__text".into(), record.category_line().into()),
                ],
                Native::None,
            )),
            "invocationinfo" => Some(invocation_info(record)),
            "scriptstacktrace" => Some("at <ScriptBlock>, <No file>: line 1".into()),
            _ => None,
        },
        Native::Exception(exception) => match lower {
            "message" => Some(exception.message.as_str().into()),
            "innerexception" => Some(exception.inner.as_ref().map_or(Value::Null, Value::exception)),
            "hresult" => Some(Value::Int(exception.hresult())),
            "stacktrace" | "source" => Some(Value::Null),
            _ => None,
        },
        Native::List(items) if matches!(lower, "count" | "length") => Some(Value::count(lock(items).len())),
        Native::StringBuilder(text) if lower == "length" => {
            Some(Value::count(lock(text).encode_utf16().count()))
        }
        Native::File(path) => objects::item_property(ps, path, false, lower)?,
        Native::Directory(path) => objects::item_property(ps, path, true, lower)?,
        Native::Service(service) => service_property(ps, service, lower),
        Native::FileStream(stream) => {
            let stream = lock(stream);
            match lower {
                "length" => Some(Value::Long(stream.len()? as i64)),
                "position" => Some(Value::Long(stream.position as i64)),
                "canread" => Some(Value::Bool(stream.can_read)),
                "canwrite" => Some(Value::Bool(stream.can_write)),
                "canseek" => Some(Value::Bool(true)),
                "name" => Some(stream.path.as_str().into()),
                _ => None,
            }
        }
        Native::MemoryStream(stream) => match lower {
            "length" => Some(Value::Long(lock(stream).bytes.len() as i64)),
            "position" => Some(Value::Long(lock(stream).position as i64)),
            _ => None,
        },
        Native::Reader(reader) if lower == "endofstream" => {
            let reader = lock(reader);
            Some(Value::Bool(reader.at >= reader.text.len()))
        }
        Native::Encoding(encoding) => match lower {
            "webname" | "bodyname" => Some(encoding.web_name().into()),
            "codepage" => Some(Value::number(encoding.code_page().into())),
            _ => None,
        },
        Native::Version(parts) => {
            let at = ["major", "minor", "build", "revision"].iter().position(|n| *n == lower);
            at.map(|at| Value::Int(parts.get(at).copied().unwrap_or(-1)))
        }
        Native::Stopwatch(watch) => {
            let watch = lock(watch);
            let elapsed = watch.elapsed + watch.started.map_or(std::time::Duration::ZERO, |s| s.elapsed());
            match lower {
                "elapsed" => Some(Value::Span((elapsed.as_nanos() / 100) as i64)),
                "elapsedmilliseconds" => Some(Value::Long(elapsed.as_millis() as i64)),
                "elapsedticks" => Some(Value::Long((elapsed.as_nanos() / 100) as i64)),
                "isrunning" => Some(Value::Bool(watch.started.is_some())),
                _ => None,
            }
        }
        Native::Console(Console::Out | Console::Error) if lower == "newline" => Some("\r\n".into()),
        Native::Context(context) => ps.context_property(context, object, lower),
        Native::Message(text) if lower == "message" => Some(text.as_str().into()),
        _ => None,
    })
}

fn invocation_info(record: &ErrorRecord) -> Value {
    let position = record.position_message().unwrap_or_default();
    let line = position.split([':', ' ']).nth(2).and_then(|n| n.parse().ok()).unwrap_or(0);
    Value::object(
        "System.Management.Automation.InvocationInfo",
        vec![
            ("MyCommand".into(), record.activity.as_str().into()),
            ("ScriptLineNumber".into(), Value::Int(line)),
            ("PositionMessage".into(), position.into()),
            ("InvocationName".into(), record.activity.as_str().into()),
        ],
        Native::None,
    )
}

pub(in super::super) fn service_property(ps: &Interpreter, service: &str, name: &str) -> Option<Value> {
    let state = ps.around.machine.state();
    let found = state.services.get(service)?;
    Some(match name {
        "name" | "servicename" => found.name.into(),
        "displayname" => found.display_name.into(),
        "status" => super::enumerations::enum_member(
            "System.ServiceProcess.ServiceControllerStatus",
            found.state.name(),
            if found.state.name() == "Running" { 4 } else { 1 },
        ),
        "starttype" => super::enumerations::enum_member(
            "System.ServiceProcess.ServiceStartMode",
            found.start_type.name(),
            2,
        ),
        "canstop" => Value::Bool(found.can_stop && found.state.name() == "Running"),
        "canshutdown" | "canpauseandcontinue" => Value::Bool(false),
        "machinename" => ".".into(),
        "servicetype" => "Win32OwnProcess".into(),
        "servicesdependedon" | "requiredservices" => {
            Value::array(found.depends_on.iter().map(|d| service_object(d)).collect())
        }
        "dependentservices" => {
            let names = state
                .services
                .all()
                .iter()
                .filter(|s| s.depends_on.iter().any(|d| d.eq_ignore_ascii_case(found.name)));
            Value::array(names.map(|s| service_object(s.name)).collect())
        }
        _ => return None,
    })
}

pub(in super::super) fn service_object(name: &'static str) -> Value {
    Value::object("System.ServiceProcess.ServiceController", Vec::new(), Native::Service(name))
}

fn date_property(date: &chrono::NaiveDateTime, name: &str) -> Option<Value> {
    Some(match name {
        "year" => Value::Int(date.year()),
        "month" => Value::Int(date.month() as i32),
        "day" => Value::Int(date.day() as i32),
        "hour" => Value::Int(date.hour() as i32),
        "minute" => Value::Int(date.minute() as i32),
        "second" => Value::Int(date.second() as i32),
        "millisecond" => Value::Int((date.nanosecond() / 1_000_000) as i32),
        "dayofyear" => Value::Int(date.ordinal() as i32),
        "dayofweek" => date.format("%A").to_string().into(),
        "ticks" => Value::Long(time::ticks(date)),
        "date" => Value::Date(date.date().and_hms_opt(0, 0, 0)?),
        "timeofday" => Value::Span(time::ticks(date) % 864_000_000_000),
        "kind" => "Local".into(),
        _ => return None,
    })
}

fn span_property(ticks: i64, name: &str) -> Option<Value> {
    let second = time::TICKS_PER_SECOND;
    Some(match name {
        "ticks" => Value::Long(ticks),
        "days" => Value::Int((ticks / (86_400 * second)) as i32),
        "hours" => Value::Int((ticks / (3600 * second) % 24) as i32),
        "minutes" => Value::Int((ticks / (60 * second) % 60) as i32),
        "seconds" => Value::Int((ticks / second % 60) as i32),
        "milliseconds" => Value::Int((ticks / 10_000 % 1000) as i32),
        "totaldays" => Value::Double(ticks as f64 / 864e9),
        "totalhours" => Value::Double(ticks as f64 / 36e9),
        "totalminutes" => Value::Double(ticks as f64 / 6e8),
        "totalseconds" => Value::Double(ticks as f64 / 1e7),
        "totalmilliseconds" => Value::Double(ticks as f64 / 1e4),
        _ => return None,
    })
}

/// `$value.name = new`.
pub(in super::super) fn set(ps: &mut Interpreter, value: &Value, name: &str, new: Value) -> Result<()> {
    match value {
        Value::Hash(hash) => hash.set(name.into(), new),
        Value::Object(object) if object.set_property(name, new.clone()) => {}
        Value::Object(object) => match (&object.native, name.to_ascii_lowercase().as_str()) {
            (Native::FileStream(stream), "position") => {
                lock(stream).seek(new.as_long().unwrap_or(0), "Begin")?;
            }
            (Native::MemoryStream(stream), "position") => {
                lock(stream).position = usize::try_from(new.as_long().unwrap_or(0)).unwrap_or(0);
            }
            (Native::File(path), "isreadonly") => {
                if let Some(node) = ps.around.machine.state().files.get_mut(path) {
                    node.read_only = new.truthy();
                }
            }
            (Native::File(path) | Native::Directory(path), "lastwritetime") => {
                if let (Value::Date(date), Some(node)) = (&new, ps.around.machine.state().files.get_mut(path))
                    && let Some(local) = date.and_local_timezone(chrono::Local).single()
                {
                    node.modified = local;
                }
            }
            (Native::Context(_) | Native::Console(_), _) => {}
            (Native::StringBuilder(text), "length") => {
                let length = usize::try_from(new.as_long().unwrap_or(0)).unwrap_or(0);
                let mut text = lock(text);
                *text = text.chars().take(length).collect();
            }
            _ => return missing(name),
        },
        Value::Null => {
            return ErrorRecord::runtime(
                format!("The property '{name}' cannot be found on this object. Verify that the property exists and can be set."),
                "PropertyNotFound",
                "InvalidOperation",
            )
            .throw();
        }
        _ => return missing(name),
    }
    Ok(())
}

fn missing(name: &str) -> Result<()> {
    ErrorRecord::runtime(
        format!("The property '{name}' cannot be found on this object. Verify that the property exists and can be set."),
        "PropertyAssignmentException",
        "InvalidOperation",
    )
    .throw()
}
