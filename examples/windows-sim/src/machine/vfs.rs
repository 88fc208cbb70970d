//! The virtual file system: case-insensitive, with drive letters; contents are shared, so copies cost nothing.

use std::collections::BTreeMap;
use std::sync::Arc;

use chrono::{DateTime, Local};

/// Why a file operation failed, in the terms of Windows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum VfsError {
    FileNotFound,
    PathNotFound,
    AccessDenied,
    Exists,
    InUse,
    NotEmpty,
}

/// A file or a folder.
#[derive(Debug, Clone)]
pub(crate) struct Node {
    /// The full path as it was written when the node was made.
    pub(crate) path: String,
    /// The contents; none for a folder.
    pub(crate) data: Option<Arc<Vec<u8>>>,
    pub(crate) read_only: bool,
    pub(crate) hidden: bool,
    pub(crate) created: DateTime<Local>,
    pub(crate) modified: DateTime<Local>,
    handles: Vec<Handle>,
}

impl Node {
    fn new(path: &str, data: Option<Arc<Vec<u8>>>) -> Self {
        let now = Local::now();
        Self {
            path: path.to_owned(),
            data,
            read_only: false,
            hidden: false,
            created: now,
            modified: now,
            handles: Vec::new(),
        }
    }

    pub(crate) fn is_directory(&self) -> bool {
        self.data.is_none()
    }

    pub(crate) fn len(&self) -> u64 {
        self.data.as_ref().map_or(0, |d| d.len() as u64)
    }

    pub(crate) fn name(&self) -> &str {
        file_name(&self.path)
    }
}

/// What an open handle does, and lets others do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Sharing {
    pub(crate) read: bool,
    pub(crate) write: bool,
    pub(crate) share_read: bool,
    pub(crate) share_write: bool,
}

impl Sharing {
    /// What `[IO.File]::ReadAllBytes` and `Get-Content` ask for.
    pub(crate) const READ: Self = Self { read: true, write: false, share_read: true, share_write: true };
    /// What a plain writer asks for.
    pub(crate) const WRITE: Self = Self { read: false, write: true, share_read: true, share_write: false };

    fn conflicts(self, other: Self) -> bool {
        (self.read && !other.share_read)
            || (self.write && !other.share_write)
            || (other.read && !self.share_read)
            || (other.write && !self.share_write)
    }
}

#[derive(Debug, Clone)]
struct Handle {
    id: u64,
    sharing: Sharing,
}

/// All drives of one machine. Paths given to it are full paths, as [`full_path`] makes them.
#[derive(Debug, Default)]
pub(crate) struct Vfs {
    nodes: BTreeMap<String, Node>,
    next_handle: u64,
}

impl Vfs {
    pub(crate) fn get(&self, path: &str) -> Option<&Node> {
        self.nodes.get(&key(path))
    }

    pub(crate) fn get_mut(&mut self, path: &str) -> Option<&mut Node> {
        self.nodes.get_mut(&key(path))
    }

    pub(crate) fn is_file(&self, path: &str) -> bool {
        self.get(path).is_some_and(|n| !n.is_directory())
    }

    pub(crate) fn is_directory(&self, path: &str) -> bool {
        self.get(path).is_some_and(Node::is_directory)
    }

    /// The contents of a file, shared.
    pub(crate) fn read(&self, path: &str) -> Result<Arc<Vec<u8>>, VfsError> {
        let node = self.get(path).ok_or_else(|| self.missing(path))?;
        let data = node.data.clone().ok_or(VfsError::AccessDenied)?;
        if node.handles.iter().any(|h| h.sharing.conflicts(Sharing::READ)) {
            return Err(VfsError::InUse);
        }
        Ok(data)
    }

    /// Creates the file or replaces what it holds.
    pub(crate) fn write(&mut self, path: &str, data: Arc<Vec<u8>>) -> Result<(), VfsError> {
        self.check_parent(path)?;
        match self.nodes.get_mut(&key(path)) {
            Some(node) if node.is_directory() || node.read_only => Err(VfsError::AccessDenied),
            Some(node) if node.handles.iter().any(|h| h.sharing.conflicts(Sharing::WRITE)) => {
                Err(VfsError::InUse)
            }
            Some(node) => {
                node.data = Some(data);
                node.modified = Local::now();
                Ok(())
            }
            None => {
                self.nodes.insert(key(path), Node::new(path, Some(data)));
                Ok(())
            }
        }
    }

    pub(crate) fn append(&mut self, path: &str, bytes: &[u8]) -> Result<(), VfsError> {
        if !self.is_file(path) {
            return self.write(path, Arc::new(bytes.to_vec()));
        }
        let node = self.nodes.get_mut(&key(path)).ok_or(VfsError::FileNotFound)?;
        if node.read_only {
            return Err(VfsError::AccessDenied);
        }
        if node.handles.iter().any(|h| h.sharing.conflicts(Sharing::WRITE)) {
            return Err(VfsError::InUse);
        }
        if let Some(data) = &mut node.data {
            Arc::make_mut(data).extend_from_slice(bytes);
        }
        node.modified = Local::now();
        Ok(())
    }

    /// Writes at a place of an open file; the gap before it is zeros.
    pub(crate) fn write_at(&mut self, path: &str, position: u64, bytes: &[u8]) -> Result<(), VfsError> {
        let node = self.nodes.get_mut(&key(path)).ok_or(VfsError::FileNotFound)?;
        let data = Arc::make_mut(node.data.as_mut().ok_or(VfsError::AccessDenied)?);
        let start = usize::try_from(position).map_err(|_| VfsError::AccessDenied)?;
        if start == data.len() {
            data.extend_from_slice(bytes);
        } else {
            if data.len() < start + bytes.len() {
                data.resize(start + bytes.len(), 0);
            }
            data[start..start + bytes.len()].copy_from_slice(bytes);
        }
        node.modified = Local::now();
        Ok(())
    }

    pub(crate) fn set_len(&mut self, path: &str, length: u64) -> Result<(), VfsError> {
        let node = self.nodes.get_mut(&key(path)).ok_or(VfsError::FileNotFound)?;
        let data = node.data.as_mut().ok_or(VfsError::AccessDenied)?;
        Arc::make_mut(data).resize(usize::try_from(length).map_err(|_| VfsError::AccessDenied)?, 0);
        node.modified = Local::now();
        Ok(())
    }

    /// Registers an open handle of an existing file.
    pub(crate) fn open(&mut self, path: &str, sharing: Sharing) -> Result<u64, VfsError> {
        let missing = self.missing(path);
        let node = self.nodes.get_mut(&key(path)).ok_or(missing)?;
        if node.is_directory() || (node.read_only && sharing.write) {
            return Err(VfsError::AccessDenied);
        }
        if node.handles.iter().any(|h| h.sharing.conflicts(sharing)) {
            return Err(VfsError::InUse);
        }
        self.next_handle += 1;
        node.handles.push(Handle { id: self.next_handle, sharing });
        Ok(self.next_handle)
    }

    pub(crate) fn close(&mut self, path: &str, handle: u64) {
        if let Some(node) = self.nodes.get_mut(&key(path)) {
            node.handles.retain(|h| h.id != handle);
        }
    }

    /// Makes a folder and the folders above it.
    pub(crate) fn create_directory(&mut self, path: &str) -> Result<(), VfsError> {
        let mut at = String::new();
        for (index, part) in path.split('\\').filter(|p| !p.is_empty()).enumerate() {
            if index > 0 && !at.ends_with('\\') {
                at.push('\\');
            }
            at.push_str(part);
            if index == 0 {
                at.push('\\');
                if !self.nodes.contains_key(&key(&at)) {
                    return Err(VfsError::PathNotFound);
                }
                continue;
            }
            match self.get(&at) {
                Some(node) if !node.is_directory() => return Err(VfsError::Exists),
                Some(_) => {}
                None => {
                    self.nodes.insert(key(&at), Node::new(&at, None));
                }
            }
        }
        Ok(())
    }

    pub(crate) fn add_drive(&mut self, root: &str) {
        self.nodes.insert(key(root), Node::new(root, None));
    }

    /// What is directly in a folder, folders first, each group by name.
    pub(crate) fn children(&self, directory: &str) -> Vec<&Node> {
        let prefix = prefix_of(directory);
        let mut found: Vec<&Node> = self
            .nodes
            .range(prefix.clone()..)
            .take_while(|(k, _)| k.starts_with(&prefix))
            .filter(|(k, _)| k.len() > prefix.len() && !k[prefix.len()..].contains('\\'))
            .map(|(_, node)| node)
            .collect();
        found.sort_by_key(|n| (!n.is_directory(), n.path.to_lowercase()));
        found
    }

    pub(crate) fn remove(&mut self, path: &str, recursive: bool) -> Result<(), VfsError> {
        let node = self.get(path).ok_or_else(|| self.missing(path))?;
        if !node.handles.is_empty() {
            return Err(VfsError::InUse);
        }
        if node.is_directory() {
            if !recursive && !self.children(path).is_empty() {
                return Err(VfsError::NotEmpty);
            }
            let prefix = prefix_of(path);
            if self.subtree(&prefix).iter().any(|k| !self.nodes[k].handles.is_empty()) {
                return Err(VfsError::InUse);
            }
            for inner in self.subtree(&prefix) {
                self.nodes.remove(&inner);
            }
        } else if node.read_only {
            return Err(VfsError::AccessDenied);
        }
        self.nodes.remove(&key(path));
        Ok(())
    }

    /// Moves a file or a folder with all it holds.
    pub(crate) fn rename(&mut self, from: &str, to: &str) -> Result<(), VfsError> {
        let node = self.get(from).ok_or_else(|| self.missing(from))?;
        if !node.handles.is_empty() {
            return Err(VfsError::InUse);
        }
        if key(from) != key(to) && self.get(to).is_some() {
            return Err(VfsError::Exists);
        }
        self.check_parent(to)?;
        let prefix = prefix_of(from);
        let inner = self.subtree(&prefix);
        if let Some(mut node) = self.nodes.remove(&key(from)) {
            node.path = to.to_owned();
            self.nodes.insert(key(to), node);
        }
        for old in inner {
            if let Some(mut node) = self.nodes.remove(&old) {
                node.path = format!("{}{}", to.trim_end_matches('\\'), &node.path[prefix.len() - 1..]);
                self.nodes.insert(key(&node.path), node);
            }
        }
        Ok(())
    }

    /// Copies one file; the contents are shared until one of the two is written.
    pub(crate) fn copy(&mut self, from: &str, to: &str, overwrite: bool) -> Result<(), VfsError> {
        let data = self.read(from)?;
        if !overwrite && self.get(to).is_some() {
            return Err(VfsError::Exists);
        }
        self.write(to, data)
    }

    fn subtree(&self, prefix: &str) -> Vec<String> {
        self.nodes
            .range(prefix.to_owned()..)
            .take_while(|(k, _)| k.starts_with(prefix))
            .filter(|(k, _)| k.len() > prefix.len())
            .map(|(k, _)| k.clone())
            .collect()
    }

    fn check_parent(&self, path: &str) -> Result<(), VfsError> {
        match parent(path) {
            Some(above) if self.is_directory(&above) => Ok(()),
            _ => Err(VfsError::PathNotFound),
        }
    }

    fn missing(&self, path: &str) -> VfsError {
        match parent(path) {
            Some(above) if self.is_directory(&above) => VfsError::FileNotFound,
            _ => VfsError::PathNotFound,
        }
    }
}

fn key(path: &str) -> String {
    let mut lower = path.to_lowercase();
    while lower.len() > 3 && lower.ends_with('\\') {
        lower.pop();
    }
    lower
}

fn prefix_of(directory: &str) -> String {
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

/// Whether `name` fits a pattern of `*`, `?` and, when asked, `[a-z]` sets, without regard to case.
pub(crate) fn wildcard(pattern: &str, name: &str, sets: bool) -> bool {
    let pattern: Vec<char> = pattern.to_lowercase().chars().collect();
    let name: Vec<char> = name.to_lowercase().chars().collect();
    let (mut p, mut n) = (0, 0);
    let mut star: Option<(usize, usize)> = None;
    while n < name.len() {
        let step = match pattern.get(p) {
            Some('*') => {
                star = Some((p, n));
                p += 1;
                continue;
            }
            Some('?') => Some(p + 1),
            Some('`') if sets && pattern.get(p + 1) == Some(&name[n]) => Some(p + 2),
            Some('[') if sets => match_set(&pattern, p, name[n]),
            Some(&c) if c == name[n] => Some(p + 1),
            _ => None,
        };
        match (step, star) {
            (Some(next), _) => {
                p = next;
                n += 1;
            }
            (None, Some((star_p, star_n))) => {
                p = star_p + 1;
                n = star_n + 1;
                star = Some((star_p, star_n + 1));
            }
            (None, None) => return false,
        }
    }
    pattern[p..].iter().all(|&c| c == '*')
}

/// Where the pattern goes on after the set at `open`, when the set holds `c`.
fn match_set(pattern: &[char], open: usize, c: char) -> Option<usize> {
    let close = open + 1 + pattern[open + 1..].iter().position(|&x| x == ']')?;
    let set = &pattern[open + 1..close];
    let mut i = 0;
    let mut found = false;
    while i < set.len() {
        if set.get(i + 1) == Some(&'-') && i + 2 < set.len() {
            found |= set[i] <= c && c <= set[i + 2];
            i += 3;
        } else {
            found |= set[i] == c;
            i += 1;
        }
    }
    found.then_some(close + 1)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test may panic")]
    use super::*;

    fn drive() -> Vfs {
        let mut vfs = Vfs::default();
        vfs.add_drive("C:\\");
        vfs.create_directory("C:\\Temp\\Deep").unwrap();
        vfs
    }

    #[test]
    fn paths_are_case_insensitive_and_keep_their_spelling() {
        let mut vfs = drive();
        vfs.write("C:\\temp\\Readme.TXT", Arc::new(b"x".to_vec())).unwrap();
        assert_eq!(vfs.get("c:\\TEMP\\readme.txt").unwrap().name(), "Readme.TXT");
        assert_eq!(vfs.children("C:\\").len(), 1);
    }

    #[test]
    fn full_paths_resolve_dots_drives_and_slashes() {
        assert_eq!(full_path("C:\\Users\\ada", "..\\x.txt"), "C:\\Users\\x.txt");
        assert_eq!(full_path("C:\\Users", "c:/Temp/./a/../b"), "c:\\Temp\\b");
        assert_eq!(full_path("C:\\Users", "\\Windows"), "C:\\Windows");
        assert_eq!(full_path("C:\\Users", "C:x"), "C:\\Users\\x");
        assert_eq!(full_path("C:\\", "..\\.."), "C:\\");
    }

    #[test]
    fn an_exclusive_handle_keeps_others_out_until_closed() {
        let mut vfs = drive();
        vfs.write("C:\\a", Arc::new(vec![1])).unwrap();
        let none = Sharing { read: false, write: true, share_read: false, share_write: false };
        let handle = vfs.open("C:\\a", none).unwrap();
        assert_eq!(vfs.read("C:\\a"), Err(VfsError::InUse));
        assert_eq!(vfs.open("C:\\a", Sharing::READ), Err(VfsError::InUse));
        assert_eq!(vfs.remove("C:\\a", false), Err(VfsError::InUse));
        vfs.close("C:\\a", handle);
        assert!(vfs.read("C:\\a").is_ok());
    }

    #[test]
    fn a_moved_folder_takes_its_files_along() {
        let mut vfs = drive();
        vfs.write("C:\\Temp\\Deep\\f", Arc::new(vec![7])).unwrap();
        vfs.rename("C:\\Temp\\Deep", "C:\\Other").unwrap();
        assert_eq!(*vfs.read("C:\\other\\F").unwrap(), vec![7]);
        assert!(vfs.get("C:\\Temp\\Deep\\f").is_none());
        assert_eq!(vfs.remove("C:\\Other", false), Err(VfsError::NotEmpty));
    }

    #[test]
    fn wildcards_match_as_windows_does() {
        assert!(wildcard("*.txt", "A.TXT", false));
        assert!(wildcard("a?c*", "abcdef", false));
        assert!(wildcard("[a-c]x", "bx", true));
        assert!(!wildcard("[a-c]x", "dx", true));
        assert!(!wildcard("a*b", "acx", false));
    }
}
