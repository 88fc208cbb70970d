//! A disk that is small enough to be filled.

use std::{
    fs::File,
    io::Write,
    path::{Path, PathBuf},
    process::Command,
};

use tempfile::TempDir;

/// A folder, on a small file system of its own where this process may mount one.
#[derive(Debug)]
pub(super) struct SmallDisk {
    folder: TempDir,
    mounted: bool,
}

impl SmallDisk {
    /// A file system in memory of so many MiB, or else a folder that cannot be filled.
    ///
    /// # Errors
    ///
    /// Those of the folder for temporary files.
    pub(super) fn new(mebibytes: u64) -> std::io::Result<Self> {
        let folder = tempfile::tempdir()?;
        let mounted = Command::new("mount")
            .args(["-t", "tmpfs", "-o", &format!("size={mebibytes}m,mode=1777"), "tmpfs"])
            .arg(folder.path())
            .output()
            .is_ok_and(|mount| mount.status.success());
        Ok(Self { folder, mounted })
    }

    /// Where it is.
    pub(super) fn path(&self) -> &Path {
        self.folder.path()
    }

    /// Whether it can be filled.
    pub(super) fn can_be_filled(&self) -> bool {
        self.mounted
    }

    /// Fills it to the last byte.
    pub(super) fn fill(&self) {
        if !self.mounted {
            return;
        }
        let Ok(mut ballast) = File::create(self.ballast()) else { return };
        for piece in [1 << 20, 1 << 12] {
            let piece = vec![0; piece];
            while ballast.write_all(&piece).is_ok() {}
        }
    }

    /// Gives the space back.
    pub(super) fn free(&self) {
        let _ = std::fs::remove_file(self.ballast());
    }

    fn ballast(&self) -> PathBuf {
        self.folder.path().join("ballast")
    }
}

impl Drop for SmallDisk {
    fn drop(&mut self) {
        if self.mounted {
            // Lazily: a process that was killed a moment ago may still be on its way out.
            let _ = Command::new("umount").arg("--lazy").arg(self.folder.path()).output();
        }
    }
}
