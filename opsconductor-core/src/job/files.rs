//! The one folder of a worker that steps may read from and write to.

use std::{
    fs, io,
    path::{Path, PathBuf},
    sync::Arc,
};

use crate::{
    Error, ErrorKind, Result,
    transport::{CopyEntry, CopySource, FileSource},
};

/// How many files one folder to copy may hold.
const FILES_MAX: usize = 10_000;

/// How deep folders may nest.
const DEPTH_MAX: usize = 64;

/// A folder of the worker's machine. Whoever may write jobs reaches what is in it, and nothing else: paths are relative,
/// and a symbolic link that leads out of it is refused.
#[derive(Debug, Clone)]
pub struct WorkerFiles {
    root: Arc<PathBuf>,
}

impl WorkerFiles {
    /// The files below `root`, which must be there.
    ///
    /// # Errors
    ///
    /// `InvalidInput` when it is no folder.
    pub fn new(root: impl AsRef<Path>) -> Result<Self> {
        let root = root.as_ref();
        let complain =
            |message: &str| Error::new(ErrorKind::InvalidInput, message).with("folder", root.display());
        let found = root
            .canonicalize()
            .map_err(|error| complain("the folder for files cannot be opened").with_source(error))?;
        if !found.is_dir() {
            return Err(complain("the folder for files is not a folder"));
        }
        Ok(Self { root: Arc::new(found) })
    }

    /// What `path` names below the folder: one file, or all files below a folder.
    ///
    /// # Errors
    ///
    /// `InvalidInput` for a path that is not relative or leads out; `NotFound` when there is nothing.
    pub fn source(&self, path: &str) -> Result<CopySource> {
        let mut at = self.root.to_path_buf();
        for part in parts(path)? {
            at.push(part);
            at = self.resolve(&at, path)?;
        }
        if at.is_file() {
            return Ok(CopySource::One(FileSource::Path(at)));
        }
        let mut entries = Vec::new();
        self.walk(&at, "", 0, &mut entries)?;
        if entries.is_empty() {
            return Err(invalid("the folder holds no file", path));
        }
        Ok(CopySource::Many(entries))
    }

    /// Where a file named `path` is written below the folder; the folders above it are made.
    ///
    /// # Errors
    ///
    /// As [`WorkerFiles::source`].
    pub fn dest(&self, path: &str) -> Result<PathBuf> {
        let parts = parts(path)?;
        let Some((name, folders)) = parts.split_last() else {
            return Err(invalid("the path is empty", path));
        };
        let mut at = self.root.to_path_buf();
        for part in folders {
            at.push(part);
            match fs::create_dir(&at) {
                Err(error) if error.kind() != io::ErrorKind::AlreadyExists => {
                    return Err(invalid("a folder above the file cannot be made", path).with_source(error));
                }
                _ => {}
            }
            at = self.resolve(&at, path)?;
            if !at.is_dir() {
                return Err(invalid("what stands above the file is no folder", path));
            }
        }
        Ok(at.join(name))
    }

    /// The file or folder itself, wherever links lead, if that is below the root.
    fn resolve(&self, at: &Path, path: &str) -> Result<PathBuf> {
        let found = at.canonicalize().map_err(|error| match error.kind() {
            io::ErrorKind::NotFound => {
                Error::new(ErrorKind::NotFound, "the worker's folder for files holds no such file")
                    .with("path", path)
            }
            _ => invalid("the file cannot be opened", path).with_source(error),
        })?;
        if !found.starts_with(self.root.as_path()) {
            return Err(invalid("a symbolic link leads out of the worker's folder for files", path));
        }
        Ok(found)
    }

    /// Gathers the files below a folder, by name. A link to a file is that file; one to a folder could lead in circles.
    fn walk(&self, folder: &Path, prefix: &str, depth: usize, entries: &mut Vec<CopyEntry>) -> Result<()> {
        if depth > DEPTH_MAX {
            return Err(invalid("folders are nested too deeply", prefix));
        }
        let unreadable = |error: io::Error| invalid("a folder cannot be read", prefix).with_source(error);
        let mut found: Vec<_> =
            fs::read_dir(folder).map_err(unreadable)?.collect::<Result<_, _>>().map_err(unreadable)?;
        found.sort_by_key(fs::DirEntry::file_name);
        for entry in found {
            let name = entry.file_name();
            let Some(name) = name.to_str() else { return Err(invalid("a file name is not Unicode", prefix)) };
            let path = if prefix.is_empty() { name.to_owned() } else { format!("{prefix}/{name}") };
            let at = self.resolve(&entry.path(), &path)?;
            match entry.file_type().map_err(unreadable)? {
                kind if kind.is_dir() => self.walk(&at, &path, depth + 1, entries)?,
                _ if at.is_file() => {
                    if entries.len() >= FILES_MAX {
                        return Err(invalid("the folder holds more than 10,000 files", prefix));
                    }
                    parts(&path)?;
                    entries.push(CopyEntry { path, source: FileSource::Path(at) });
                }
                _ => {
                    return Err(invalid(
                        "a folder to copy holds a link to a folder, or no plain file",
                        &path,
                    ));
                }
            }
        }
        Ok(())
    }
}

/// What is wrong with a path below the folder for files, if something is.
pub(super) fn fault(path: &str) -> Option<&'static str> {
    if path.is_empty() {
        return Some("the path is empty");
    }
    if path.len() > 4096 {
        return Some("the path is longer than 4096 bytes");
    }
    if path.starts_with('/') || path.contains(['\\', ':']) {
        return Some(
            "the path must be relative to the worker's folder for files, its parts separated by `/`",
        );
    }
    if path.contains(|c: char| c.is_control()) {
        return Some("the path holds a control character");
    }
    if path.split('/').any(|part| matches!(part, "" | "." | "..")) {
        return Some("the path must not hold `.`, `..` or an empty part");
    }
    None
}

fn parts(path: &str) -> Result<Vec<&str>> {
    match fault(path) {
        Some(fault) => Err(invalid(fault, path)),
        None => Ok(path.split('/').collect()),
    }
}

fn invalid(message: &str, path: &str) -> Error {
    Error::new(ErrorKind::InvalidInput, message).with("path", path)
}

#[cfg(all(test, unix))]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test may panic")]

    use std::{fs, os::unix::fs::symlink, path::PathBuf};

    use super::WorkerFiles;
    use crate::{
        ErrorKind,
        transport::{CopySource, FileSource},
    };

    /// A folder of a test, gone at its end.
    struct Folder(PathBuf);

    impl Folder {
        fn new() -> Self {
            let path =
                std::env::temp_dir().join(format!("opsconductor-files-{}", uuid::Uuid::now_v7().simple()));
            fs::create_dir_all(path.join("files/deep/er")).unwrap();
            fs::write(path.join("secret.key"), "key").unwrap();
            fs::write(path.join("files/a.txt"), "a").unwrap();
            fs::write(path.join("files/deep/b.txt"), "b").unwrap();
            fs::write(path.join("files/deep/er/c.txt"), "c").unwrap();
            Self(path)
        }

        fn files(&self) -> WorkerFiles {
            WorkerFiles::new(self.0.join("files")).unwrap()
        }
    }

    impl Drop for Folder {
        fn drop(&mut self) {
            let _ = fs::remove_dir_all(&self.0);
        }
    }

    #[test]
    fn a_file_and_a_folder_are_found() {
        let folder = Folder::new();
        let CopySource::One(FileSource::Path(path)) = folder.files().source("deep/b.txt").unwrap() else {
            panic!("one file")
        };
        assert_eq!(fs::read(path).unwrap(), b"b");
        let CopySource::Many(entries) = folder.files().source("deep").unwrap() else { panic!("many files") };
        let names: Vec<_> = entries.iter().map(|entry| entry.path.as_str()).collect();
        assert_eq!(names, ["b.txt", "er/c.txt"]);
        assert_eq!(folder.files().source("none").unwrap_err().kind(), ErrorKind::NotFound);
    }

    #[test]
    fn nothing_outside_is_reached() {
        let folder = Folder::new();
        let files = folder.files();
        symlink("../secret.key", folder.0.join("files/key")).unwrap();
        symlink("..", folder.0.join("files/up")).unwrap();
        let absolute = folder.0.join("secret.key");
        for path in [
            "../secret.key",
            "deep/../../secret.key",
            "key",
            "up/secret.key",
            "C:/x",
            "a\\b",
            "",
            "a//b",
            "./a.txt",
        ]
        .into_iter()
        .chain(absolute.to_str())
        {
            assert_eq!(files.source(path).unwrap_err().kind(), ErrorKind::InvalidInput, "{path:?}");
        }
        for path in ["../x", "up/x", "/x", "C:/x", "deep/../../x"] {
            assert_eq!(files.dest(path).unwrap_err().kind(), ErrorKind::InvalidInput, "{path:?}");
        }
        // A folder with such a link in it is not copied without it, but not at all.
        fs::create_dir(folder.0.join("files/mixed")).unwrap();
        symlink("../../secret.key", folder.0.join("files/mixed/key")).unwrap();
        assert!(files.source("mixed").unwrap_err().to_string().contains("leads out"));
    }

    #[test]
    fn folders_above_a_destination_are_made() {
        let folder = Folder::new();
        let dest = folder.files().dest("web1/logs/x.log").unwrap();
        fs::write(&dest, "x").unwrap();
        assert!(folder.0.join("files/web1/logs/x.log").is_file());
        assert_eq!(folder.files().dest("a.txt/x").unwrap_err().kind(), ErrorKind::InvalidInput);
    }
}
