//! The demo's folder: the database and the key.

use std::{
    fs,
    path::{Path, PathBuf},
};

use opsconductor_core::{Error, ErrorKind, vault};
use opsconductor_store_sqlite::{SqliteOptions, SqliteStore};
use tempfile::TempDir;

/// Where the demo keeps its things.
pub(super) struct Home {
    path: PathBuf,
    /// Removed with the demo when the folder was not named.
    _temporary: Option<TempDir>,
}

impl Home {
    /// Opens the folder, making it when it is not there.
    pub(super) fn open(named: Option<&Path>) -> Result<Self, Error> {
        let made = match named {
            Some(path) => fs::create_dir_all(path).map(|()| Self { path: path.to_owned(), _temporary: None }),
            None => tempfile::Builder::new()
                .prefix("opsconductor-demo-")
                .tempdir()
                .map(|folder| Self { path: folder.path().to_owned(), _temporary: Some(folder) }),
        };
        made.map_err(|source| {
            let error = Error::new(
                ErrorKind::InvalidInput,
                "the data folder cannot be made; name another with --data",
            );
            match named {
                Some(path) => error.with("folder", path.display()).with_source(source),
                None => error.with_source(source),
            }
        })
    }

    /// The database. Ask for the keys first, which looks whether the two belong together.
    pub(super) fn store(&self) -> Result<SqliteStore, Error> {
        SqliteStore::open(self.database(), SqliteOptions::default())
    }

    /// The key, made when the folder is new. A database without its key is refused and left alone: a new key would open
    /// nothing of what it holds.
    pub(super) fn keys(&self) -> Result<vault::Keyring, Error> {
        let path = self.path.join("key");
        if !path.exists() {
            if self.database().exists() {
                let message = "the database is there but its key is not; put the key file back, or name another folder \
                               with --data";
                return Err(Error::new(ErrorKind::Vault, message)
                    .with("database", self.database().display())
                    .with("key", path.display()));
            }
            vault::create_key_file(&path)?;
        }
        vault::Keyring::from_file(&path)
    }

    fn database(&self) -> PathBuf {
        self.path.join("opsconductor.db")
    }
}
