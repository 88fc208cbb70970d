//! Files and folders made, copied, moved and removed: `New-Item`, `Remove-Item` and their like.

use std::sync::Arc;

use super::super::error::{ErrorRecord, Result};
use super::super::eval::{Bound, Emits, Interpreter};
use super::super::types::properties;
use super::super::value::Value;
use super::confirmation::{goes_ahead, no_prompt};
use super::content::file_error;
use super::listing::item;
use super::paths::{given, not_found};
use crate::machine::vfs::{VfsError, file_name, parent};

pub(super) fn create(ps: &mut Interpreter, bound: &Bound, emits: &mut Emits) -> Result<()> {
    let kind = bound.text("ItemType").unwrap_or_else(|| "File".to_owned()).to_lowercase();
    let folder = kind.starts_with('d');
    let name = bound.text("Name");
    let mut places = bound.texts("Path");
    if places.is_empty() {
        places.push(".".to_owned());
    }
    for place in places {
        let place = match &name {
            Some(name) => format!("{}\\{name}", place.trim_end_matches('\\')),
            None => place,
        };
        let path = ps.location_path(&place);
        let operation = if folder { "Create Directory" } else { "Create File" };
        let exists = ps.around.machine.state().files.get(&path).map(|n| n.is_directory());
        if let Some(is_folder) = exists
            && !bound.flag("Force")
        {
            let (message, id) = if is_folder {
                (format!("An item with the specified name {path} already exists."), "DirectoryExist")
            } else {
                (format!("The file '{path}' already exists."), "NewItemIOError")
            };
            let category = if is_folder { "ResourceExists" } else { "WriteError" };
            emits.error(
                ErrorRecord::new("System.IO.IOException", message, id, category).target(&*path, "String"),
            )?;
            continue;
        }
        if !goes_ahead(ps, bound, emits, operation, &format!("Destination: {path}"))? {
            continue;
        }
        let outcome = {
            let mut state = ps.around.machine.state();
            if folder {
                state.files.create_directory(&path)
            } else {
                let text = bound.text("Value").unwrap_or_default();
                if bound.flag("Force")
                    && let Some(above) = parent(&path)
                {
                    // What is in the way shows when the file itself is written.
                    let _made = state.files.create_directory(&above);
                }
                state.files.write(&path, Arc::new(text.into_bytes()))
            }
        };
        match outcome {
            Ok(()) => {
                if let Some(item) = item(ps, &path, true) {
                    emits.output(item);
                }
            }
            Err(error) => {
                let mut record = file_error(error, &path);
                record.id = "NewItemIOError".to_owned();
                record.category = "WriteError";
                emits.error(record)?;
            }
        }
    }
    Ok(())
}

pub(super) fn remove(ps: &mut Interpreter, bound: &Bound, emits: &mut Emits) -> Result<()> {
    for (path, _) in given(ps, bound) {
        let found = {
            let state = ps.around.machine.state();
            state
                .files
                .get(&path)
                .map(|n| (n.is_directory(), state.files.children(&path).is_empty(), n.read_only))
        };
        let Some((folder, empty, read_only)) = found else {
            emits.error(not_found(&path))?;
            continue;
        };
        if folder && !empty && !bound.flag("Recurse") {
            // Windows PowerShell would ask, and cannot without a user.
            return no_prompt();
        }
        let operation = if folder { "Remove Directory" } else { "Remove File" };
        if !goes_ahead(ps, bound, emits, operation, &path)? {
            continue;
        }
        if read_only
            && bound.flag("Force")
            && let Some(node) = ps.around.machine.state().files.get_mut(&path)
        {
            node.read_only = false;
        }
        let outcome = ps.around.machine.state().files.remove(&path, true);
        if let Err(error) = outcome {
            let (type_name, why) = match error {
                VfsError::AccessDenied => (
                    "System.IO.IOException",
                    "You do not have sufficient access rights to perform this operation.".to_owned(),
                ),
                VfsError::InUse => (
                    "System.IO.IOException",
                    format!(
                        "The process cannot access the file '{path}' because it is being used by another process."
                    ),
                ),
                other => (
                    "System.IO.IOException",
                    super::super::types::stream::io_error(other, &path).exception.message.clone(),
                ),
            };
            let id = if error == VfsError::AccessDenied {
                "RemoveFileSystemItemUnAuthorizedAccess"
            } else {
                "RemoveFileSystemItemIOError"
            };
            let category = if error == VfsError::AccessDenied { "PermissionDenied" } else { "WriteError" };
            emits.error(
                ErrorRecord::new(type_name, format!("Cannot remove item {path}: {why}"), id, category)
                    .target(&*path, "FileInfo"),
            )?;
        }
    }
    Ok(())
}

pub(super) fn copy(ps: &mut Interpreter, bound: &Bound, emits: &mut Emits) -> Result<()> {
    let destination = ps.location_path(&bound.text("Destination").unwrap_or_else(|| ".".to_owned()));
    for (path, _) in given(ps, bound) {
        let Some(folder) = ps.around.machine.state().files.get(&path).map(|n| n.is_directory()) else {
            emits.error(not_found(&path))?;
            continue;
        };
        let into = ps.around.machine.state().files.is_directory(&destination);
        let target = if into {
            format!("{}\\{}", destination.trim_end_matches('\\'), file_name(&path))
        } else {
            destination.clone()
        };
        let operation = if folder { "Copy Directory" } else { "Copy File" };
        if !goes_ahead(ps, bound, emits, operation, &format!("Item: {path} Destination: {target}"))? {
            continue;
        }
        let outcome = if folder {
            copy_folder(ps, &path, &target, bound.flag("Recurse"))
        } else {
            ps.around.machine.state().files.copy(&path, &target, true)
        };
        match outcome {
            Ok(()) if bound.flag("PassThru") => emits.items_of(item(ps, &target, true)),
            Ok(()) => {}
            Err(error) => emits.error(file_error(error, &target))?,
        }
    }
    Ok(())
}

fn copy_folder(ps: &Interpreter, from: &str, to: &str, recurse: bool) -> std::result::Result<(), VfsError> {
    let mut state = ps.around.machine.state();
    state.files.create_directory(to)?;
    if !recurse {
        return Ok(());
    }
    let inside: Vec<(String, bool)> =
        state.files.children(from).iter().map(|n| (n.path.clone(), n.is_directory())).collect();
    drop(state);
    for (path, folder) in inside {
        let target = format!("{}\\{}", to.trim_end_matches('\\'), file_name(&path));
        if folder {
            copy_folder(ps, &path, &target, true)?;
        } else {
            ps.around.machine.state().files.copy(&path, &target, true)?;
        }
    }
    Ok(())
}

/// `Move-Item` (into a folder or to a name) and `Rename-Item` (a name in the same folder).
pub(super) fn rename(ps: &mut Interpreter, bound: &Bound, emits: &mut Emits) -> Result<()> {
    for (path, _) in given(ps, bound) {
        let Some(folder) = ps.around.machine.state().files.get(&path).map(|n| n.is_directory()) else {
            emits.error(not_found(&path))?;
            continue;
        };
        let target = match bound.text("NewName") {
            Some(name) => format!("{}\\{name}", parent(&path).unwrap_or_default().trim_end_matches('\\')),
            None => ps.location_path(&bound.text("Destination").unwrap_or_else(|| ".".to_owned())),
        };
        let into = !bound.has("NewName") && ps.around.machine.state().files.is_directory(&target);
        let target =
            if into { format!("{}\\{}", target.trim_end_matches('\\'), file_name(&path)) } else { target };
        let operation = match (bound.has("NewName"), folder) {
            (true, true) => "Rename Directory",
            (true, false) => "Rename File",
            (false, true) => "Move Directory",
            (false, false) => "Move File",
        };
        if !goes_ahead(ps, bound, emits, operation, &format!("Item: {path} Destination: {target}"))? {
            continue;
        }
        let outcome = {
            let mut state = ps.around.machine.state();
            if bound.flag("Force") && state.files.is_file(&target) {
                state.files.remove(&target, false).and_then(|()| state.files.rename(&path, &target))
            } else {
                state.files.rename(&path, &target)
            }
        };
        match outcome {
            Ok(()) if bound.flag("PassThru") => emits.items_of(item(ps, &target, true)),
            Ok(()) => {}
            Err(VfsError::Exists) => emits.error(
                ErrorRecord::new(
                    "System.IO.IOException",
                    "Cannot create a file when that file already exists.\r\n",
                    "MoveFileInfoItemIOError",
                    "WriteError",
                )
                .target(&*path, "FileInfo"),
            )?,
            Err(error) => emits.error(file_error(error, &path))?,
        }
    }
    Ok(())
}

pub(super) fn set_property(ps: &mut Interpreter, bound: &Bound, emits: &mut Emits) -> Result<()> {
    let name = bound.text("Name").unwrap_or_default();
    let value = bound.get("Value").cloned().unwrap_or(Value::Null);
    for (path, _) in given(ps, bound) {
        let Some(item) = item(ps, &path, true) else {
            emits.error(not_found(&path))?;
            continue;
        };
        let folder = ps.around.machine.state().files.is_directory(&path);
        let operation = if folder { "Set Property Directory" } else { "Set Property File" };
        let target = format!("Item: {path} Property: {name} Value: {}", value.to_text());
        if goes_ahead(ps, bound, emits, operation, &target)? {
            properties::set(ps, &item, &name, value.clone())?;
        }
    }
    Ok(())
}
