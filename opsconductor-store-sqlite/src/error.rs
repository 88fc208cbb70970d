//! What can go wrong in here, and what callers are told of it.

use opsconductor_core::{Error, ErrorKind};
use rusqlite::ErrorCode;

/// A failure inside a transaction.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Failure {
    /// The call itself is refused; the database is well.
    #[error(transparent)]
    Refused(#[from] Error),
    /// SQLite.
    #[error(transparent)]
    Sqlite(#[from] rusqlite::Error),
    /// A column does not hold what was written there.
    #[error("a stored value cannot be read")]
    Json(#[from] serde_json::Error),
}

pub(crate) type DbResult<T> = Result<T, Failure>;

impl From<Failure> for Error {
    fn from(failure: Failure) -> Self {
        match failure {
            Failure::Refused(error) => error,
            Failure::Sqlite(error) => from_sqlite(error),
            Failure::Json(error) => {
                Error::new(ErrorKind::Store, "a stored value cannot be read").with_source(error)
            }
        }
    }
}

fn from_sqlite(error: rusqlite::Error) -> Error {
    let (kind, message) = match error.sqlite_error_code() {
        Some(ErrorCode::DatabaseBusy | ErrorCode::DatabaseLocked) => {
            (ErrorKind::StoreUnavailable, "the data file is locked by another process")
        }
        Some(ErrorCode::DiskFull) => {
            (ErrorKind::StoreUnavailable, "the disk of the data file is full; nothing was written")
        }
        Some(ErrorCode::NotADatabase) => (ErrorKind::Store, "the file is not a SQLite database"),
        Some(ErrorCode::DatabaseCorrupt) => {
            (ErrorKind::Store, "the data file is damaged; restore it from a backup")
        }
        Some(ErrorCode::ReadOnly) => (ErrorKind::Store, "the data file cannot be written to"),
        _ => (ErrorKind::Store, "the data file could not be used"),
    };
    Error::new(kind, message).with_source(error)
}

pub(crate) fn missing(what: &'static str, id: impl std::fmt::Display) -> Error {
    Error::new(ErrorKind::NotFound, format!("no such {what}")).with(what, id)
}

pub(crate) fn taken(what: &'static str, name: &str) -> Error {
    Error::new(ErrorKind::Conflict, format!("a {what} of this name exists already")).with(what, name)
}

pub(crate) fn invalid(message: impl Into<String>) -> Error {
    Error::new(ErrorKind::InvalidInput, message)
}
