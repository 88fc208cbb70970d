//! Paths of the file system, as Windows spells them.

pub(super) fn key(path: &str) -> String {
    let mut lower = path.to_lowercase();
    while lower.len() > 3 && lower.ends_with('\\') {
        lower.pop();
    }
    lower
}

pub(super) fn prefix_of(directory: &str) -> String {
    let mut prefix = key(directory);
    if !prefix.ends_with('\\') {
        prefix.push('\\');
    }
    prefix
}

/// The full path of `path` as seen from the folder `current`, with `.` and `..` resolved.
pub(crate) fn full_path(current: &str, path: &str) -> String {
    let path = path.replace('/', "\\");
    let path = path.strip_prefix("\\\\?\\").unwrap_or(&path);
    let has_drive = path.as_bytes().get(1) == Some(&b':');
    let joined = if path.starts_with("\\\\") {
        return path.to_owned();
    } else if has_drive && path.as_bytes().get(2) == Some(&b'\\') {
        path.to_owned()
    } else if has_drive {
        let same = current.get(..2).is_some_and(|d| d.eq_ignore_ascii_case(&path[..2]));
        let base = if same { current } else { &path[..2] };
        format!("{base}\\{}", &path[2..])
    } else if path.starts_with('\\') {
        format!("{}{path}", current.get(..2).unwrap_or("C:"))
    } else {
        format!("{current}\\{path}")
    };
    let mut parts: Vec<&str> = Vec::new();
    for part in joined.split('\\').filter(|p| !p.is_empty()) {
        match part {
            "." => {}
            ".." if parts.len() > 1 => {
                parts.pop();
            }
            ".." => {}
            // Windows drops trailing dots and spaces of a name.
            other => parts.push(other.trim_end_matches([' ', '.'])),
        }
    }
    if parts.len() == 1 {
        return format!("{}\\", parts[0]);
    }
    parts.join("\\")
}

/// The longest path that .NET takes without being told otherwise, in UTF-16 units.
const PATH_UNITS_MAX: usize = 259;

/// Whether Windows takes a full path at all.
pub(crate) fn check(path: &str) -> Result<(), super::VfsError> {
    let illegal = |c: char| u32::from(c) < 32 || matches!(c, '"' | '<' | '>' | '|' | '*' | '?');
    if path.chars().any(illegal) {
        return Err(super::VfsError::IllegalPath);
    }
    if path.get(2..).is_some_and(|rest| rest.contains(':')) {
        return Err(super::VfsError::PathFormat);
    }
    if path.encode_utf16().count() > PATH_UNITS_MAX {
        return Err(super::VfsError::PathTooLong);
    }
    Ok(())
}

/// The folder a path stands in; none for a drive's root.
pub(crate) fn parent(path: &str) -> Option<String> {
    let trimmed = path.trim_end_matches('\\');
    let cut = trimmed.rfind('\\')?;
    if cut == 2 {
        return Some(trimmed[..3].to_owned());
    }
    Some(trimmed[..cut].to_owned())
}

/// The last part of a path.
pub(crate) fn file_name(path: &str) -> &str {
    let trimmed = path.trim_end_matches('\\');
    match trimmed.rfind(['\\', '/']) {
        Some(cut) => &trimmed[cut + 1..],
        None if trimmed.ends_with(':') => path,
        None => trimmed,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn full_paths_resolve_dots_drives_and_slashes() {
        assert_eq!(full_path("C:\\Users\\ada", "..\\x.txt"), "C:\\Users\\x.txt");
        assert_eq!(full_path("C:\\Users", "c:/Temp/./a/../b"), "c:\\Temp\\b");
        assert_eq!(full_path("C:\\Users", "\\Windows"), "C:\\Windows");
        assert_eq!(full_path("C:\\Users", "C:x"), "C:\\Users\\x");
        assert_eq!(full_path("C:\\", "..\\.."), "C:\\");
    }
}
