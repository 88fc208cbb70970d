//! Finding files and folders: `Get-Item`, `Get-ChildItem` and what others ask of them.

use super::super::error::Result;
use super::super::eval::{Bound, Emits, Interpreter};
use super::super::types::objects;
use super::super::value::Value;
use super::paths::{given, matching, not_found};
use crate::machine::vfs::{file_name, parent, wildcard};

pub(super) fn item(ps: &Interpreter, path: &str, full: bool) -> Option<Value> {
    let folder = ps.around.machine.state().files.get(path)?.is_directory();
    Some(if folder { objects::directory_info(ps, path, full) } else { objects::file_info(ps, path, full) })
}

pub(super) fn get(ps: &mut Interpreter, bound: &Bound, emits: &mut Emits) -> Result<()> {
    for (path, _) in given(ps, bound) {
        match item(ps, &path, true) {
            Some(item) => emits.output(item),
            None => emits.error(not_found(&path))?,
        }
    }
    Ok(())
}

pub(super) fn children(ps: &mut Interpreter, bound: &Bound, emits: &mut Emits) -> Result<()> {
    let mut places = given(ps, bound);
    if !bound.has("Path") && !bound.has("LiteralPath") {
        places = vec![(ps.around.directory.clone(), false)];
    }
    let mut filter = bound.text("Filter").or(bound.text("Include"));
    for (path, pattern) in places {
        if ps.around.machine.state().files.get(&path).is_none() {
            // With -Recurse the last part may be a pattern for what is below.
            if bound.flag("Recurse")
                && let Some(above) = parent(&path).filter(|p| ps.around.machine.state().files.is_directory(p))
                && file_name(&path).contains('*')
            {
                filter = Some(file_name(&path).to_owned());
                walk(ps, &above, bound, filter.as_deref(), emits, 0);
                continue;
            }
            emits.error(not_found(&path))?;
            continue;
        }
        let folder = ps.around.machine.state().files.is_directory(&path);
        if folder && !pattern {
            walk(ps, &path, bound, filter.as_deref(), emits, 0);
        } else if wanted(bound, filter.as_deref(), &path, folder) {
            output(ps, bound, &path, emits);
        }
    }
    Ok(())
}

fn wanted(bound: &Bound, filter: Option<&str>, path: &str, folder: bool) -> bool {
    let name = file_name(path);
    let excluded = bound.texts("Exclude").iter().any(|pattern| wildcard(pattern, name, true));
    let fits = filter.is_none_or(|f| f == "*.*" || wildcard(f, name, true));
    let kind = if folder { "File" } else { "Directory" };
    fits && !excluded && !bound.flag(kind)
}

fn output(ps: &Interpreter, bound: &Bound, path: &str, emits: &mut Emits) {
    if bound.flag("Name") {
        emits.output(file_name(path));
    } else if let Some(item) = item(ps, path, false) {
        emits.output(item);
    }
}

fn walk(ps: &Interpreter, folder: &str, bound: &Bound, filter: Option<&str>, emits: &mut Emits, depth: i64) {
    let inside: Vec<(String, bool, bool)> = {
        let state = ps.around.machine.state();
        state.files.children(folder).iter().map(|n| (n.path.clone(), n.is_directory(), n.hidden)).collect()
    };
    let visible = |hidden: bool| !hidden || bound.flag("Force");
    for (path, is_folder, hidden) in &inside {
        if visible(*hidden) && wanted(bound, filter, path, *is_folder) {
            output(ps, bound, path, emits);
        }
    }
    let deeper = bound.flag("Recurse") || bound.has("Depth");
    if deeper && bound.number("Depth").is_none_or(|most| depth < most) {
        for (path, _, _) in inside.iter().filter(|(_, is_folder, hidden)| *is_folder && visible(*hidden)) {
            walk(ps, path, bound, filter, emits, depth + 1);
        }
    }
}

/// The files a pattern names, for cmdlets that read several.
pub(super) fn expanded(ps: &Interpreter, path: &str) -> Vec<String> {
    let full = ps.location_path(path);
    if path.contains(['*', '?']) { matching(ps, &full) } else { vec![full] }
}
