//! File contents: `Get-Content`, `Set-Content`, `Add-Content`, `Clear-Content` and `Out-File`.

use std::sync::Arc;

use super::super::error::{ErrorRecord, Result};
use super::super::eval::{Bound, Emits, Interpreter};
use super::super::format::Formatter;
use super::super::types::encoding::Encoding;
use super::super::types::stream::io_error;
use super::super::value::Value;
use super::confirmation::goes_ahead;
use super::paths::{given, not_found, null_path};
use crate::machine::vfs::VfsError;

/// The `-Encoding` asked for; `Byte` is none of the encodings.
fn encoding(bound: &Bound, default: Encoding) -> Result<Option<Encoding>> {
    let Some(name) = bound.text("Encoding") else { return Ok(Some(default)) };
    if name.eq_ignore_ascii_case("byte") {
        return Ok(None);
    }
    match bound.get("Encoding").and_then(super::super::types::objects::encoding_of) {
        Some(encoding) => Ok(Some(encoding)),
        None => ErrorRecord::new(
            "System.Management.Automation.ParameterBindingException",
            format!("Cannot bind parameter 'Encoding'. Cannot convert value \"{name}\" to type \"Microsoft.PowerShell.Commands.FileSystemCmdletProviderEncoding\"."),
            "CannotConvertArgumentNoMessage",
            "InvalidArgument",
        )
        .throw(),
    }
}

/// The error of a cmdlet for a failed file operation.
pub(super) fn file_error(error: VfsError, path: &str) -> ErrorRecord {
    let mut record = io_error(error, path);
    let (id, category) = match error {
        VfsError::AccessDenied => ("UnauthorizedAccessError", "PermissionDenied"),
        VfsError::FileNotFound | VfsError::PathNotFound => ("PathNotFound", "ObjectNotFound"),
        _ => ("IOError", "WriteError"),
    };
    record.id = id.to_owned();
    record.category = category;
    record.target(path, "String")
}

pub(super) fn get(ps: &mut Interpreter, bound: &Bound, emits: &mut Emits) -> Result<()> {
    if bound.get("Path").or(bound.get("LiteralPath")).is_none_or(Value::is_null) {
        return null_path("Path");
    }
    let encoding = encoding(bound, Encoding::DEFAULT)?;
    for (path, _) in given(ps, bound) {
        let data = ps.around.machine.state().files.read(&path);
        let data = match data {
            Ok(data) => data,
            Err(VfsError::FileNotFound | VfsError::PathNotFound) => {
                emits.error(not_found(&path))?;
                continue;
            }
            Err(error) => {
                emits.error(file_error(error, &path))?;
                continue;
            }
        };
        let Some(encoding) = encoding else {
            emits_bytes(bound, &data, emits);
            continue;
        };
        let text = encoding.decode_file(&data);
        if bound.flag("Raw") {
            if !text.is_empty() {
                emits.output(text);
            }
            continue;
        }
        let mut lines: Vec<&str> = text.split('\n').map(|l| l.strip_suffix('\r').unwrap_or(l)).collect();
        if lines.last() == Some(&"") {
            lines.pop();
        }
        let size = |name| bound.number(name).and_then(|n| usize::try_from(n).ok());
        if let Some(count) = size("TotalCount") {
            lines.truncate(count);
        }
        let from = size("Tail").map_or(0, |count| lines.len().saturating_sub(count));
        for line in &lines[from..] {
            emits.output(*line);
        }
    }
    Ok(())
}

fn emits_bytes(bound: &Bound, data: &[u8], emits: &mut Emits) {
    if bound.flag("Raw") || bound.number("ReadCount") == Some(0) {
        emits.output(Value::bytes(data.to_vec()));
    } else {
        data.iter().for_each(|b| emits.output(Value::Byte(*b)));
    }
}

/// The text of values, a line each.
fn lines_of(bound: &Bound, inputs: Vec<Value>) -> String {
    let values = match bound.get("Value") {
        Some(value) => value.items(),
        None => inputs.into_iter().flat_map(|v| v.items()).collect(),
    };
    let end = if bound.flag("NoNewline") { "" } else { "\r\n" };
    values.iter().map(|v| v.to_text() + end).collect()
}

fn bytes_of(bound: &Bound, inputs: Vec<Value>) -> Vec<u8> {
    let values = match bound.get("Value") {
        Some(value) => value.items(),
        None => inputs.into_iter().flat_map(|v| v.items()).collect(),
    };
    values.iter().filter_map(|v| v.as_long().and_then(|n| u8::try_from(n).ok())).collect()
}

pub(super) fn set(ps: &mut Interpreter, bound: &Bound, inputs: Vec<Value>, emits: &mut Emits) -> Result<()> {
    let encoding = encoding(bound, Encoding::DEFAULT)?;
    let bytes = match encoding {
        Some(encoding) => [encoding.preamble(), &encoding.encode(&lines_of(bound, inputs))].concat(),
        None => bytes_of(bound, inputs),
    };
    write(ps, bound, &Arc::new(bytes), emits)
}

fn write(ps: &mut Interpreter, bound: &Bound, bytes: &Arc<Vec<u8>>, emits: &mut Emits) -> Result<()> {
    if bound.get("Path").or(bound.get("LiteralPath")).is_none_or(Value::is_null) {
        return null_path("Path");
    }
    for (path, _) in given(ps, bound) {
        if !goes_ahead(ps, bound, emits, "Set Content", &format!("Path: {path}"))? {
            continue;
        }
        let outcome = ps.around.machine.state().files.write(&path, bytes.clone());
        if let Err(error) = outcome {
            emits.error(file_error(error, &path))?;
        }
    }
    Ok(())
}

pub(super) fn add(ps: &mut Interpreter, bound: &Bound, inputs: Vec<Value>, emits: &mut Emits) -> Result<()> {
    let encoding = encoding(bound, Encoding::DEFAULT)?;
    let body = match encoding {
        Some(encoding) => encoding.encode(&lines_of(bound, inputs)),
        None => bytes_of(bound, inputs),
    };
    let places = given(ps, bound);
    for (path, _) in places {
        if !goes_ahead(ps, bound, emits, "Add Content", &format!("Path: {path}"))? {
            continue;
        }
        let existing = ps.around.machine.state().files.get(&path).map_or(0, |n| n.len());
        let preamble = encoding.filter(|_| existing == 0).map_or(&[][..], Encoding::preamble);
        let bytes = [preamble, &body].concat();
        let outcome = ps.around.machine.state().files.append(&path, &bytes);
        if let Err(error) = outcome {
            emits.error(file_error(error, &path))?;
        }
    }
    Ok(())
}

pub(super) fn clear(ps: &mut Interpreter, bound: &Bound, emits: &mut Emits) -> Result<()> {
    for (path, _) in given(ps, bound) {
        if ps.around.machine.state().files.is_file(&path) {
            if !goes_ahead(ps, bound, emits, "Clear Content", &format!("Item: {path}"))? {
                continue;
            }
            let outcome = ps.around.machine.state().files.write(&path, Arc::default());
            outcome.or_else(|error| emits.error(file_error(error, &path)))?;
        } else {
            emits.error(not_found(&path))?;
        }
    }
    Ok(())
}

pub(super) fn out_file(
    ps: &mut Interpreter,
    bound: &Bound,
    inputs: Vec<Value>,
    emits: &mut Emits,
) -> Result<()> {
    let encoding = encoding(bound, Encoding::Utf16)?.unwrap_or(Encoding::Utf16);
    let path = ps.location_path(&bound.text("FilePath").unwrap_or_default());
    if !goes_ahead(ps, bound, emits, "Output to File", &path)? {
        return Ok(());
    }
    let values = bound.get("InputObject").map_or(inputs, Value::items);
    let mut formatter = Formatter::default();
    let mut text: String = values.iter().map(|v| formatter.add(ps, v)).collect();
    text.push_str(&formatter.flush(ps));
    if bound.flag("NoNewline") {
        text = text.replace("\r\n", "");
    }
    let mut state = ps.around.machine.state();
    if bound.flag("NoClobber") && state.files.get(&path).is_some() {
        drop(state);
        return emits.error(file_error(VfsError::Exists, &path));
    }
    let outcome = if bound.flag("Append") {
        let preamble =
            if state.files.get(&path).is_some_and(|n| n.len() > 0) { &[] } else { encoding.preamble() };
        state.files.append(&path, &[preamble, &encoding.encode(&text)].concat())
    } else {
        state.files.write(&path, Arc::new([encoding.preamble(), &encoding.encode(&text)].concat()))
    };
    drop(state);
    outcome.or_else(|error| emits.error(file_error(error, &path)))
}
