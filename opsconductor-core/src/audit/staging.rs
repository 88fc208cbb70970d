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

use super::Entry;

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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tenant::Scope;

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
