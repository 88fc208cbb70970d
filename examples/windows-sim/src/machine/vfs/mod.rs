//! The virtual file system: case-insensitive, with drive letters; contents are shared, so copies cost nothing.

mod path;
mod sharing;
mod wildcard;

use std::collections::BTreeMap;
use std::sync::Arc;

use chrono::{DateTime, Local};

use path::{key, prefix_of};
use sharing::Handle;

pub(crate) use path::{check, file_name, full_path, parent};
pub(crate) use sharing::Sharing;
pub(crate) use wildcard::wildcard;

/// Why a file operation failed, in the terms of Windows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum VfsError {
    FileNotFound,
    PathNotFound,
    AccessDenied,
    Exists,
    InUse,
    NotEmpty,
    DiskFull,
    PathTooLong,
    IllegalPath,
    PathFormat,
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

/// All drives of one machine. Paths given to it are full paths, as [`full_path`] makes them.
#[derive(Debug, Default)]
pub(crate) struct Vfs {
    nodes: BTreeMap<String, Node>,
    next_handle: u64,
    /// How many bytes files may still grow by; without limit when absent.
    free: Option<u64>,
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

    /// Lets files grow by so many bytes more.
    pub(crate) fn set_free(&mut self, bytes: Option<u64>) {
        self.free = bytes;
    }

    /// Takes room for a file that changes its length.
    fn resize(&mut self, old: u64, new: u64) -> Result<(), VfsError> {
        if let Some(free) = &mut self.free {
            *free = (*free + old).checked_sub(new).ok_or(VfsError::DiskFull)?;
        }
        Ok(())
    }

    /// Creates the file or replaces what it holds.
    pub(crate) fn write(&mut self, path: &str, data: Arc<Vec<u8>>) -> Result<(), VfsError> {
        self.check_parent(path)?;
        let old = self.get(path).filter(|node| !node.is_directory()).map_or(0, Node::len);
        self.resize(old, data.len() as u64)?;
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
        self.resize(0, bytes.len() as u64)?;
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
        let old = self.get(path).map_or(0, Node::len);
        self.resize(old, old.max(position.saturating_add(bytes.len() as u64)))?;
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
        let old = self.get(path).map_or(0, Node::len);
        self.resize(old, length)?;
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
        if let Some(removed) = self.nodes.remove(&key(path)) {
            self.resize(removed.len(), 0)?;
        }
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
    fn a_full_disk_takes_nothing_more_and_gives_room_back() {
        let mut vfs = drive();
        vfs.set_free(Some(4));
        vfs.write("C:\\a", Arc::new(vec![1, 2, 3])).unwrap();
        assert_eq!(vfs.write_at("C:\\a", 3, &[4, 5]), Err(VfsError::DiskFull));
        vfs.write_at("C:\\a", 2, &[4, 5]).unwrap();
        vfs.remove("C:\\a", false).unwrap();
        vfs.write("C:\\b", Arc::new(vec![0; 4])).unwrap();
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
}
