//! Paths and locations.

use super::super::error::{ErrorRecord, Result};
use super::super::eval::{Bound, Emits, Interpreter};
use super::super::types::native::Native;
use super::super::value::Value;
use crate::machine::vfs::{file_name, parent, wildcard};

/// The path a parameter's value names; files and folders by their full path.
pub(super) fn path_of(value: &Value) -> String {
    match value.native() {
        Some(Native::File(path) | Native::Directory(path)) => path.clone(),
        _ => match value {
            Value::Object(object) => match object.property("FullName").or_else(|| object.property("Path")) {
                Some(path) => path.to_text(),
                None => value.to_text(),
            },
            _ => value.to_text(),
        },
    }
}

/// The paths a cmdlet was given, with wildcards replaced by what they match. The flag says whether it was a pattern.
pub(super) fn given(ps: &Interpreter, bound: &Bound) -> Vec<(String, bool)> {
    if let Some(literal) = bound.get("LiteralPath") {
        return literal.items().iter().map(|v| (ps.location_path(&path_of(v)), false)).collect();
    }
    let mut paths = Vec::new();
    for value in bound.get("Path").map(Value::items).unwrap_or_default() {
        let is_item = matches!(value.native(), Some(Native::File(_) | Native::Directory(_)));
        let path = ps.location_path(&path_of(&value));
        if is_item || !path.contains(['*', '?', '[']) {
            paths.push((path, false));
        } else {
            paths.extend(matching(ps, &path).into_iter().map(|p| (p, true)));
        }
    }
    paths
}

/// What a path with wildcards in its last part matches.
pub(super) fn matching(ps: &Interpreter, path: &str) -> Vec<String> {
    let Some(folder) = parent(path) else { return Vec::new() };
    let pattern = file_name(path);
    let state = ps.around.machine.state();
    let children = state.files.children(&folder);
    children.iter().filter(|n| wildcard(pattern, n.name(), true)).map(|n| n.path.clone()).collect()
}

pub(super) fn not_found(path: &str) -> ErrorRecord {
    ErrorRecord::new(
        "System.Management.Automation.ItemNotFoundException",
        format!("Cannot find path '{path}' because it does not exist."),
        "PathNotFound",
        "ObjectNotFound",
    )
    .target(path, "String")
}

pub(super) fn test(ps: &mut Interpreter, bound: &Bound, emits: &mut Emits) -> Result<()> {
    let kind = bound.text("PathType").unwrap_or_default().to_lowercase();
    let texts = bound.get("LiteralPath").or(bound.get("Path")).map(Value::items).unwrap_or_default();
    if texts.iter().any(Value::is_null) || texts.is_empty() {
        return null_path("Path");
    }
    for value in texts {
        let text = path_of(&value);
        if let Some(name) = text.get(..4).filter(|p| p.eq_ignore_ascii_case("env:")).map(|_| &text[4..]) {
            emits.output(Value::Bool(ps.around.environment.get(name.trim_start_matches('\\')).is_some()));
            continue;
        }
        let full = ps.location_path(&text);
        let paths = if bound.has("LiteralPath") || !text.contains(['*', '?', '[']) {
            vec![full]
        } else {
            matching(ps, &full)
        };
        let state = ps.around.machine.state();
        let found = paths.iter().any(|path| match kind.as_str() {
            "leaf" => state.files.is_file(path),
            "container" => state.files.is_directory(path),
            _ => state.files.get(path).is_some(),
        });
        emits.output(Value::Bool(found && !text.is_empty()));
    }
    Ok(())
}

pub(super) fn null_path<T>(name: &str) -> Result<T> {
    ErrorRecord::new(
        "System.Management.Automation.ParameterBindingValidationException",
        format!("Cannot bind argument to parameter '{name}' because it is null."),
        "ParameterArgumentValidationErrorNullNotAllowed",
        "InvalidData",
    )
    .throw()
}

pub(super) fn join(_ps: &mut Interpreter, bound: &Bound, emits: &mut Emits) -> Result<()> {
    if bound.get("Path").is_none_or(Value::is_null) {
        return null_path("Path");
    }
    let child = bound.text("ChildPath").unwrap_or_default().replace('/', "\\");
    for path in bound.texts("Path") {
        let path = path.replace('/', "\\");
        emits.output(format!("{}\\{}", path.trim_end_matches('\\'), child.trim_start_matches('\\')));
    }
    Ok(())
}

pub(super) fn split(_ps: &mut Interpreter, bound: &Bound, emits: &mut Emits) -> Result<()> {
    for value in bound.get("LiteralPath").or(bound.get("Path")).map(Value::items).unwrap_or_default() {
        let path = path_of(&value);
        let shown: Value = if bound.flag("Leaf") {
            file_name(&path).into()
        } else if bound.flag("Qualifier") {
            path.get(..2).unwrap_or_default().into()
        } else if bound.flag("NoQualifier") {
            path.get(2..).unwrap_or_default().into()
        } else if bound.flag("IsAbsolute") {
            Value::Bool(path.as_bytes().get(1) == Some(&b':'))
        } else {
            parent(&path).unwrap_or_default().into()
        };
        emits.output(shown);
    }
    Ok(())
}

pub(super) fn resolve(ps: &mut Interpreter, bound: &Bound, emits: &mut Emits) -> Result<()> {
    for (path, _) in given(ps, bound) {
        let found = ps.around.machine.state().files.get(&path).map(|n| n.path.clone());
        match found {
            Some(path) => {
                let path: Value = path.into();
                emits.output(Value::object(
                    "System.Management.Automation.PathInfo",
                    vec![
                        ("Path".into(), path.clone()),
                        ("ProviderPath".into(), path.clone()),
                        ("__text".into(), path),
                    ],
                    Native::None,
                ));
            }
            None => emits.error(not_found(&path))?,
        }
    }
    Ok(())
}

pub(super) fn location(ps: &mut Interpreter, _bound: &Bound, emits: &mut Emits) -> Result<()> {
    let info = ps.path_info();
    emits.output(info);
    Ok(())
}

pub(super) fn set_location(ps: &mut Interpreter, bound: &Bound, emits: &mut Emits) -> Result<()> {
    let Some(value) = bound.get("LiteralPath").or(bound.get("Path")) else { return Ok(()) };
    let path = ps.location_path(&path_of(value));
    let found =
        ps.around.machine.state().files.get(&path).filter(|n| n.is_directory()).map(|n| n.path.clone());
    match found {
        Some(path) => {
            ps.around.directory = path;
            if bound.flag("PassThru") {
                let info = ps.path_info();
                emits.output(info);
            }
            Ok(())
        }
        None => not_found(&path).throw(),
    }
}

pub(super) fn push(ps: &mut Interpreter, bound: &Bound, emits: &mut Emits) -> Result<()> {
    ps.locations.push(ps.around.directory.clone());
    set_location(ps, bound, emits)
}

pub(super) fn pop(ps: &mut Interpreter, _bound: &Bound, _emits: &mut Emits) -> Result<()> {
    if let Some(path) = ps.locations.pop() {
        ps.around.directory = path;
    }
    Ok(())
}
