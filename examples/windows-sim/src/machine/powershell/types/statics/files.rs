//! `[System.IO.File]` and `[System.IO.Directory]`.

use super::super::encoding::Encoding;
use super::super::objects::{self, directory_info, encoding_of, open_file};
use super::super::stream::io_error;
use super::argument;
use crate::machine::powershell::error::{ErrorRecord, Result};
use crate::machine::powershell::eval::Interpreter;
use crate::machine::powershell::value::Value;
use crate::machine::vfs::{VfsError, file_name, parent, wildcard};

pub(super) fn file_method(
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
    if given.is_empty() && method != "exists" && method != "getcurrentdirectory" {
        return argument("Empty path name is not legal.");
    }
    let check = |outcome: std::result::Result<(), VfsError>, path: &str| match outcome {
        Ok(()) => Ok(Some(Value::Null)),
        Err(error) => io_error(error, path).throw(),
    };
    if !matches!(method, "exists" | "getcurrentdirectory") {
        crate::machine::vfs::check(&path).or_else(|error| io_error(error, &path).throw())?;
    }
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
        (true, "opentext", 1) => return objects::construct(ps, "System.IO.StreamReader", arguments),
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
