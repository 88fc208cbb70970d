//! How an entry reaches the transaction of the change that it tells of.
//!
//! The engine calls a method of the store inside [`with`]; the store's method [takes](take) the entry and writes it in the
//! transaction of the change, so that both are there or neither. The entry travels beside the arguments, with the task that
//! makes the call: every method that changes something would need one more parameter else, in every store and every wrapper.
//!
//! What keeps it sound:
//!
//! * One entry for one call: `with` goes around exactly one call of the store, and whoever takes the entry has it alone.
//! * A store takes it **in the caller's task**, before it hands the work to a thread or another task. What a store starts by itself
//!   has no entry.
//! * The method commits the entry with the change, and drops it where it answers with an error or where it changed nothing,
//!   as for the repeat of a request. The suite (`testing::store_suite!`, `audit`) tries each method that the engine calls so.

use std::{cell::Cell, future::Future};

use chrono::Datelike as _;

use super::Entry;
use crate::{clock::Timestamp, id::TenantId};

/// The years in which something can have happened: every store and every program that reads records knows them.
const YEARS: std::ops::RangeInclusive<i32> = 2..=9998;

tokio::task_local! {
    static ENTRY: Cell<Option<Staged>>;
}

/// An entry on its way into a transaction.
#[derive(Debug, Clone, PartialEq)]
pub struct Staged {
    /// What happened.
    pub entry: Entry,
    /// Whether it is to be chained in that very transaction, instead of by the sequencer soon after.
    pub strict: bool,
}

/// Makes `call`, in which a store may [`take`] the entry.
pub async fn with<T>(staged: Staged, call: impl Future<Output = T>) -> T {
    ENTRY.scope(Cell::new(Some(staged)), call).await
}

/// The entry of the call that is being made, for the one who writes it. Nobody else gets it after that.
pub fn take() -> Option<Staged> {
    ENTRY.try_with(Cell::take).ok().flatten()
}

/// What a store reads where an entry waits in the table of `tenant`, or why it can have no place in that tenant's chain: whoever
/// may write there may have put anything there. Without a time, the store could read none.
///
/// # Errors
///
/// A clause that says what is wrong with it.
pub fn read(
    tenant: TenantId,
    at: Option<Timestamp>,
    text: &[u8],
) -> Result<(Timestamp, Entry), &'static str> {
    let entry = serde_json::from_slice::<Entry>(text).map_err(|_| "it is no entry")?;
    if entry.tenant() != tenant {
        return Err("it names another tenant");
    }
    if !entry.is_plain() {
        return Err("it holds what no record does");
    }
    let at = at.filter(|at| YEARS.contains(&at.year())).ok_or("its time is out of range")?;
    Ok((at, entry))
}

/// That the staged entry with the number `row` was set aside.
pub fn set_aside(tenant: TenantId, row: i64, why: &str) -> Entry {
    Entry::by(tenant, None, "sequencer", "audit.set_aside", "audit").about(row).with("why", why)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test may panic")]

    use serde_json::json;

    use super::*;
    use crate::tenant::Scope;

    #[test]
    fn what_is_staged_is_read_as_it_was_or_refused() {
        let scope = Scope::local();
        let long = "x".repeat(5_000);
        let odd = json!({"n": [1.5, u64::MAX, {"deep": [[[["a\0b"]]]]}]});
        let entry = Entry::new(&scope, &long, "a").with("odd", odd).from_client(Some("::1"), None);
        let text = serde_json::to_string(&entry).unwrap();
        let at = Timestamp::UNIX_EPOCH;
        assert_eq!(read(scope.tenant, Some(at), text.as_bytes()), Ok((at, entry)));
        assert!(read(TenantId::new(99), Some(at), text.as_bytes()).unwrap_err().contains("tenant"));
        for time in [None, Some(Timestamp::MAX_UTC), Some(Timestamp::MIN_UTC)] {
            assert!(read(scope.tenant, time, text.as_bytes()).unwrap_err().contains("time"));
        }
        for wrong in [
            text.replace("::1", "\\u0000"),
            text.replace("\"done\"", "\"unknown\""),
            text.replace("\"1.5\"", "1.5"),
            text.replace("odd", &long),
            text.replace('}', ""),
        ] {
            assert!(read(scope.tenant, Some(at), wrong.as_bytes()).is_err(), "{wrong}");
        }
        assert!(read(scope.tenant, Some(at), b"\xff").is_err());
    }

    #[tokio::test]
    async fn an_entry_is_taken_once_and_in_its_call_alone() {
        let staged = Staged { entry: Entry::new(&Scope::local(), "a.b", "a"), strict: false };
        assert_eq!(take(), None);
        let taken = with(staged.clone(), async {
            tokio::task::yield_now().await;
            (take(), take())
        });
        assert_eq!(taken.await, (Some(staged), None));
        assert_eq!(take(), None);
    }
}
