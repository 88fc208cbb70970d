//! What can go wrong in here, and what callers are told of it.
//!
//! Nothing that was bound to a statement is in an error: of what the server says, the code and the name of a constraint are
//! kept, and the sentence where it speaks of the server and not of values.

use opsconductor_core::{Error, ErrorKind};

use crate::tls;

/// A failure inside a transaction.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Failure {
    /// The call itself is refused; the database is well.
    #[error(transparent)]
    Refused(#[from] Error),
    /// sqlx, or the server through it.
    #[error(transparent)]
    Sql(#[from] sqlx::Error),
    /// A column does not hold what was written there.
    #[error("a stored value cannot be read")]
    Json(#[from] serde_json::Error),
}

pub(crate) type DbResult<T> = Result<T, Failure>;

impl Failure {
    /// The constraint that refused a row, with whether it was a unique one.
    pub(crate) fn constraint(&self) -> Option<&str> {
        let Self::Sql(sqlx::Error::Database(error)) = self else { return None };
        error.constraint()
    }

    /// Whether the server refused the statement itself, so that nothing of it was written. What it says when it closes a
    /// connection is no such word.
    pub(crate) fn is_refusal(&self) -> bool {
        let Self::Sql(sqlx::Error::Database(error)) = self else { return false };
        !error.code().is_none_or(|code| code.starts_with("57P") || code.starts_with("08"))
    }
}

impl From<Failure> for Error {
    fn from(failure: Failure) -> Self {
        match failure {
            Failure::Refused(error) => error,
            Failure::Sql(error) => from_sqlx(error),
            Failure::Json(error) => {
                Error::new(ErrorKind::Store, "a stored value cannot be read").with_source(error)
            }
        }
    }
}

/// What the server said, without values.
#[derive(Debug, thiserror::Error)]
enum ServerSaid {
    #[error("{message} (SQLSTATE {code})")]
    Sentence { code: String, message: String },
    #[error("SQLSTATE {code}, constraint {constraint}")]
    Constraint { code: String, constraint: String },
    #[error("SQLSTATE {code}")]
    Code { code: String },
}

pub(crate) fn from_sqlx(error: sqlx::Error) -> Error {
    use ErrorKind::{Store, StoreUnavailable};
    match error {
        sqlx::Error::Database(error) => from_server(&*error),
        sqlx::Error::PoolTimedOut => {
            Error::new(StoreUnavailable, "no connection to the database became free in time")
        }
        sqlx::Error::PoolClosed => Error::new(StoreUnavailable, "the store was closed"),
        sqlx::Error::Io(source) => match tls::refusal(&source) {
            Some(refusal) => Error::new(Store, refusal).with_source(source),
            None => Error::new(StoreUnavailable, "the database cannot be reached, or the connection broke")
                .with_source(source),
        },
        sqlx::Error::Tls(source) => tls::no_tls(&*source),
        sqlx::Error::Protocol(_) | sqlx::Error::WorkerCrashed | sqlx::Error::BeginFailed => {
            Error::new(StoreUnavailable, "the connection to the database broke")
        }
        sqlx::Error::Configuration(_) | sqlx::Error::InvalidArgument(_) => {
            Error::new(ErrorKind::InvalidInput, "the database cannot be connected to as the options say")
        }
        sqlx::Error::Encode(_) => Error::new(ErrorKind::InvalidInput, "a value has no form in PostgreSQL"),
        sqlx::Error::ColumnDecode { index, .. } => {
            Error::new(Store, "a stored value cannot be read").with("column", index)
        }
        _ => Error::new(Store, "the database could not be used"),
    }
}

fn from_server(error: &dyn sqlx::error::DatabaseError) -> Error {
    let code = error.code().unwrap_or_default().into_owned();
    let (kind, message) = meaning(&code);
    let said = match (error.constraint(), tells_no_values(&code)) {
        (Some(constraint), _) => ServerSaid::Constraint { code, constraint: constraint.to_owned() },
        (None, true) => ServerSaid::Sentence { code, message: error.message().to_owned() },
        (None, false) => ServerSaid::Code { code },
    };
    Error::new(kind, message).with_source(said)
}

/// Whether the server's sentences of this class speak of itself; those about data and of a host's triggers may not.
fn tells_no_values(code: &str) -> bool {
    let class = code.get(..2).unwrap_or_default();
    matches!(class, "08" | "25" | "28" | "3D" | "3F" | "40" | "42" | "53" | "55" | "57" | "58" | "XX")
}

/// What a SQLSTATE means to a caller.
fn meaning(code: &str) -> (ErrorKind, &'static str) {
    use ErrorKind::{Conflict, InvalidInput, Store, StoreUnavailable};
    match code {
        "57014" => {
            (StoreUnavailable, "the database ended a statement that took too long; nothing was written")
        }
        "55P03" => (StoreUnavailable, "a row is locked for too long by someone else; nothing was written"),
        "40001" | "40P01" => {
            (StoreUnavailable, "the database gave up this transaction for another; nothing was written")
        }
        "53100" => (StoreUnavailable, "the disk of the database is full; nothing was written"),
        "53300" => (StoreUnavailable, "the database has no connection left"),
        "25006" => (StoreUnavailable, "the database is read-only: a standby, or it is being moved"),
        "25P03" | "25P04" => (StoreUnavailable, "the database ended a transaction that took too long"),
        "28000" | "28P01" => (Store, "the database refused the login; check the user and the password"),
        "3D000" => (Store, "there is no such database on the server; make it with createdb"),
        "42501" => (Store, "the role lacks a right in the database; see the crate's page on roles"),
        "42704" => {
            (Store, "a role that the options name is not there; make it first, see the crate's page on roles")
        }
        "42P01" | "3F000" => {
            (Store, "the tables are not there; migrate the schema first, or name the schema they are in")
        }
        "22021" | "22P05" => {
            (InvalidInput, "a text holds the character U+0000, which PostgreSQL cannot store")
        }
        "54000" => (InvalidInput, "a name or key is too long for the database"),
        "23503" | "23505" => (Conflict, "something that the call refers to was changed meanwhile"),
        code => match code.get(..2).unwrap_or_default() {
            "08" | "57" => (StoreUnavailable, "the database ended the connection"),
            "53" => (StoreUnavailable, "the database is out of resources"),
            _ => (Store, "the database refused a statement"),
        },
    }
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_helps_to_retry_says_so() {
        for code in [
            "57014", "55P03", "40001", "40P01", "53100", "53200", "53300", "25006", "57P01", "57P03", "08006",
        ] {
            assert_eq!(meaning(code).0, ErrorKind::StoreUnavailable, "{code}");
        }
        for code in ["28P01", "28000", "3D000", "42501", "42P01", "XX000", "23514", ""] {
            assert_eq!(meaning(code).0, ErrorKind::Store, "{code}");
        }
    }

    #[test]
    fn sentences_about_data_are_not_passed_on() {
        for code in ["22P02", "22001", "23505", "23514", "P0001", ""] {
            assert!(!tells_no_values(code), "{code}");
        }
        assert!(tells_no_values("57P01") && tells_no_values("28P01"));
    }
}
