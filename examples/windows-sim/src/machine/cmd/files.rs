//! The built-in commands for files and folders.

use crate::machine::surroundings::Surroundings;
use crate::machine::vfs::{Node, VfsError, file_name, parent, wildcard};

/// What Windows says of a failed operation, as `cmd.exe` prints it.
pub(super) fn message(error: VfsError) -> String {
    let text = match error {
        VfsError::FileNotFound => "The system cannot find the file specified.",
        VfsError::PathNotFound => "The system cannot find the path specified.",
        VfsError::AccessDenied => "Access is denied.",
        VfsError::Exists => "A duplicate file name exists, or the file\r\ncannot be found.",
        VfsError::InUse => "The process cannot access the file because it is being used by another process.",
        VfsError::NotEmpty => "The directory is not empty.",
        VfsError::DiskFull => "There is not enough space on the disk.",
        VfsError::PathTooLong => "The filename or extension is too long.",
        VfsError::IllegalPath | VfsError::PathFormat => {
            "The filename, directory name, or volume label syntax is incorrect."
        }
    };
    format!("{text}\r\n")
}

fn is_option(argument: &str) -> bool {
    argument.starts_with('/')
}

/// The files a path with wildcards names.
fn matching(surroundings: &Surroundings, path: &str) -> Vec<String> {
    let full = surroundings.full_path(path);
    let state = surroundings.machine.state();
    if !path.contains(['*', '?']) {
        return state.files.get(&full).map(|n| n.path.clone()).into_iter().collect();
    }
    let pattern = file_name(&full);
    let pattern = if pattern == "*.*" { "*" } else { pattern };
    let Some(folder) = parent(&full) else { return Vec::new() };
    let children = state.files.children(&folder);
    children.iter().filter(|n| wildcard(pattern, n.name(), false)).map(|n| n.path.clone()).collect()
}

pub(super) async fn show(surroundings: &Surroundings, arguments: &[String]) -> Option<i32> {
    let mut code = 0;
    for path in arguments.iter().filter(|a| !is_option(a)) {
        let found = matching(surroundings, path);
        if found.is_empty() {
            let missing = surroundings.machine.state().files.read(&surroundings.full_path(path)).err();
            surroundings.complain(&message(missing.unwrap_or(VfsError::FileNotFound))).await;
            code = 1;
        }
        for file in found {
            let data = surroundings.machine.state().files.read(&file);
            match data {
                Ok(data) => surroundings.stdout.write(&data).await,
                Err(error) => {
                    surroundings.complain(&message(error)).await;
                    code = 1;
                }
            }
        }
    }
    if arguments.is_empty() {
        surroundings.complain("The syntax of the command is incorrect.\r\n").await;
        code = 1;
    }
    Some(code)
}

/// A number with thousands separators.
fn grouped(number: u64) -> String {
    let digits = number.to_string();
    let mut out = String::new();
    for (i, c) in digits.chars().enumerate() {
        if i > 0 && (digits.len() - i).is_multiple_of(3) {
            out.push(',');
        }
        out.push(c);
    }
    out
}

fn list_line(node: &Node, name: &str) -> String {
    let when = node.modified.format("%m/%d/%Y  %I:%M %p");
    if node.is_directory() {
        format!("{when}    <DIR>          {name}\r\n")
    } else {
        format!("{when}    {:>14} {name}\r\n", grouped(node.len()))
    }
}

pub(super) async fn list(surroundings: &Surroundings, arguments: &[String]) -> Option<i32> {
    let bare = arguments.iter().any(|a| a.eq_ignore_ascii_case("/b"));
    let path = arguments.iter().find(|a| !is_option(a)).map_or(".", String::as_str);
    let full = surroundings.full_path(path);
    let text = {
        let state = surroundings.machine.state();
        let is_folder = state.files.is_directory(&full);
        let (folder, pattern) = if is_folder {
            (full.clone(), "*".to_owned())
        } else {
            (parent(&full).unwrap_or_else(|| full.clone()), file_name(&full).to_owned())
        };
        let children = state.files.children(&folder);
        let pattern = if pattern == "*.*" { "*" } else { &pattern };
        let found: Vec<&&Node> = children.iter().filter(|n| wildcard(pattern, n.name(), false)).collect();
        if found.is_empty() && (!is_folder || bare) {
            None
        } else if bare {
            Some(found.iter().map(|n| format!("{}\r\n", n.name())).collect::<String>())
        } else {
            let mut text = format!(
                " Volume in drive {} has no label.\r\n Volume Serial Number is 5C1D-2A4B\r\n\r\n Directory of {folder}\r\n\r\n",
                &folder[..1]
            );
            let dots = match (is_folder && folder.len() > 3, state.files.get(&folder)) {
                (true, Some(node)) => list_line(node, ".") + &list_line(node, ".."),
                _ => String::new(),
            };
            let folders =
                found.iter().filter(|n| n.is_directory()).count() + if dots.is_empty() { 0 } else { 2 };
            text.push_str(&dots);
            for node in &found {
                text.push_str(&list_line(node, node.name()));
            }
            let files: Vec<u64> = found.iter().filter(|n| !n.is_directory()).map(|n| n.len()).collect();
            text.push_str(&format!(
                "{:>16} File(s) {:>14} bytes\r\n{:>16} Dir(s)  42,949,672,960 bytes free\r\n",
                files.len(),
                grouped(files.iter().sum()),
                folders
            ));
            Some(text)
        }
    };
    match text {
        Some(text) => {
            surroundings.print(&text).await;
            Some(0)
        }
        None => {
            surroundings.complain("File Not Found\r\n").await;
            Some(1)
        }
    }
}

pub(super) async fn copy(surroundings: &Surroundings, arguments: &[String]) -> Option<i32> {
    let paths: Vec<&String> = arguments.iter().filter(|a| !is_option(a)).collect();
    let Some(source) = paths.first() else {
        surroundings.complain("The syntax of the command is incorrect.\r\n").await;
        return Some(1);
    };
    let target = surroundings.full_path(paths.get(1).map_or(".", |p| p.as_str()));
    let found = matching(surroundings, source);
    if found.is_empty() {
        surroundings.complain("The system cannot find the file specified.\r\n").await;
        return Some(1);
    }
    let mut copied = 0;
    for file in &found {
        let outcome = {
            let mut state = surroundings.machine.state();
            let to = if state.files.is_directory(&target) {
                format!("{}\\{}", target.trim_end_matches('\\'), file_name(file))
            } else {
                target.clone()
            };
            state.files.copy(file, &to, true)
        };
        match outcome {
            Ok(()) => copied += 1,
            Err(error) => surroundings.complain(&message(error)).await,
        }
    }
    surroundings.print(&format!("{copied:>9} file(s) copied.\r\n")).await;
    Some(i32::from(copied < found.len()))
}

/// `move` (over an existing file too) and `ren` (a new name in the same folder).
pub(super) async fn rename(surroundings: &Surroundings, arguments: &[String], moving: bool) -> Option<i32> {
    let paths: Vec<&String> = arguments.iter().filter(|a| !is_option(a)).collect();
    let [source, target] = paths[..] else {
        surroundings.complain("The syntax of the command is incorrect.\r\n").await;
        return Some(1);
    };
    let from = surroundings.full_path(source);
    let outcome = {
        let mut state = surroundings.machine.state();
        let mut to = if moving {
            surroundings.full_path(target)
        } else {
            format!("{}\\{target}", parent(&from).unwrap_or_default().trim_end_matches('\\'))
        };
        if moving && state.files.is_directory(&to) {
            to = format!("{}\\{}", to.trim_end_matches('\\'), file_name(&from));
        }
        if moving && state.files.is_file(&to) && state.files.get(&from).is_some() {
            match state.files.remove(&to, false) {
                Ok(()) => state.files.rename(&from, &to),
                Err(error) => Err(error),
            }
        } else {
            state.files.rename(&from, &to)
        }
    };
    match outcome {
        Ok(()) => {
            if moving {
                surroundings.print("        1 file(s) moved.\r\n").await;
            }
            Some(0)
        }
        Err(error) => {
            surroundings.complain(&message(error)).await;
            Some(1)
        }
    }
}

pub(super) async fn delete(surroundings: &Surroundings, arguments: &[String]) -> Option<i32> {
    let mut code = 0;
    for path in arguments.iter().filter(|a| !is_option(a)) {
        let found = matching(surroundings, path);
        if found.is_empty() {
            surroundings.complain(&format!("Could Not Find {}\r\n", surroundings.full_path(path))).await;
            // `del` of a file that is not there ends with 0, as on Windows.
        }
        for file in found {
            let outcome = {
                let mut state = surroundings.machine.state();
                if state.files.is_file(&file) { state.files.remove(&file, false) } else { Ok(()) }
            };
            if let Err(error) = outcome {
                surroundings.complain(&format!("{file}\r\n{}", message(error))).await;
                code = 1;
            }
        }
    }
    Some(code)
}

pub(super) async fn make_directories(surroundings: &Surroundings, arguments: &[String]) -> Option<i32> {
    let mut code = 0;
    for path in arguments {
        let full = surroundings.full_path(path);
        let outcome = {
            let mut state = surroundings.machine.state();
            match state.files.get(&full) {
                Some(_) => Err(VfsError::Exists),
                None => state.files.create_directory(&full),
            }
        };
        match outcome {
            Ok(()) => {}
            Err(VfsError::Exists) => {
                surroundings.complain(&format!("A subdirectory or file {path} already exists.\r\n")).await;
                code = 1;
            }
            Err(error) => {
                surroundings.complain(&message(error)).await;
                code = 1;
            }
        }
    }
    Some(code)
}

pub(super) async fn remove_directories(surroundings: &Surroundings, arguments: &[String]) -> Option<i32> {
    let recursive = arguments.iter().any(|a| a.eq_ignore_ascii_case("/s"));
    let mut code = 0;
    for path in arguments.iter().filter(|a| !is_option(a)) {
        let full = surroundings.full_path(path);
        let outcome = {
            let mut state = surroundings.machine.state();
            match state.files.get(&full).map(Node::is_directory) {
                None => Err(VfsError::FileNotFound),
                Some(true) => state.files.remove(&full, recursive),
                Some(false) => Err(VfsError::AccessDenied),
            }
        };
        if let Err(error) = outcome {
            surroundings.complain(&message(error)).await;
            code = 2;
        }
    }
    Some(code)
}
