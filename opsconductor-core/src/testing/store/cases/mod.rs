//! The cases, by subject. Each runs on a fresh store and panics when a sentence of the contract does not hold.

#![allow(missing_docs, reason = "the name of a case is its sentence")]

pub mod accounts;
pub mod across;
pub mod api_tokens;
pub mod audit;
pub mod cancel;
pub mod claim;
pub mod complete;
pub mod credentials;
pub mod custody;
pub mod dead_letters;
pub mod dispatch;
pub mod edges;
pub mod enqueue;
pub mod events;
pub mod feed;
pub mod flow;
pub mod jobs;
pub mod limits;
pub mod notifications;
pub mod output;
pub mod paging;
pub mod pauses;
pub mod rates;
pub mod renew;
pub mod requeue;
pub mod rescue;
pub mod retention;
pub mod secrets;
pub mod sessions;
pub mod targets;
pub mod tenants;
pub mod tenants_apart;
pub mod turns;
pub mod versions;
pub mod waits;
pub mod workers;

use crate::{Error, ErrorKind, Result};

/// The kind of error that was expected.
pub(crate) fn kind<T>(result: Result<T>) -> ErrorKind {
    refusal(result).kind()
}

/// The error that was expected.
pub(crate) fn refusal<T>(result: Result<T>) -> Error {
    match result {
        Ok(_) => panic!("an error was expected"),
        Err(error) => error,
    }
}
