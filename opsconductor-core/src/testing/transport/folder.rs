//! [`LocalFolder`]: a folder of this machine for the files of one case.

use std::{env, fs, path::PathBuf, process};

use uuid::Uuid;

/// A folder for one case, removed with what is in it when it is dropped.
#[derive(Debug)]
pub struct LocalFolder(PathBuf);

impl LocalFolder {
    /// A fresh, empty folder.
    pub fn new() -> Self {
        let name = format!("opsconductor-transport-{}-{}", process::id(), Uuid::now_v7().simple());
        let path = env::temp_dir().join(name);
        fs::create_dir(&path).unwrap();
        Self(path)
    }

    /// The path of a file in it.
    pub fn path(&self, name: &str) -> PathBuf {
        self.0.join(name)
    }

    /// Makes a file in it.
    pub fn file(&self, name: &str, content: &[u8]) -> PathBuf {
        let path = self.path(name);
        fs::write(&path, content).unwrap();
        path
    }

    /// The names of what is in it.
    pub fn names(&self) -> Vec<String> {
        let entries = fs::read_dir(&self.0).unwrap();
        entries.map(|entry| entry.unwrap().file_name().to_string_lossy().into_owned()).collect()
    }
}

impl Default for LocalFolder {
    fn default() -> Self {
        Self::new()
    }
}

impl Drop for LocalFolder {
    fn drop(&mut self) {
        // A folder that stays behind in the temporary folder harms nobody.
        let _ = fs::remove_dir_all(&self.0);
    }
}
