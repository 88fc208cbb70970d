//! The conformance suite of [`Store`].
//!
//! ```text
//! struct TempSqlite;
//!
//! #[async_trait]
//! impl StoreBuilder for TempSqlite {
//!     type Guard = TempDir;
//!
//!     async fn build(&self, clock: Arc<ManualClock>) -> (Arc<dyn Store>, TempDir) { … }
//! }
//!
//! opsconductor_core::store_suite!(TempSqlite);
//! ```
//!
//! Beside the cases it runs the [model test](model), which compares the store with the reference.
//!
//! Stores that enqueue in a transaction of the host's run [`join_suite!`](crate::join_suite) too.
//!
//! The host needs tokio with `macros` and `rt-multi-thread`.

#![allow(clippy::unwrap_used, reason = "a test may panic")]

pub mod cases;
mod fixture;
pub mod join;
pub mod model;
mod sketch;
mod suite;

use std::sync::Arc;

use async_trait::async_trait;

use super::ManualClock;
use crate::store::Store;

pub use fixture::Fixture;
pub use sketch::PlanSketch;

/// Makes stores for the suite: a fresh one for each case.
#[async_trait]
pub trait StoreBuilder: Send + Sync {
    /// What has to live as long as the store: a temporary directory, a scratch database. Cleans up when dropped.
    type Guard: Send;

    /// An empty store that takes its time from `clock`.
    async fn build(&self, clock: Arc<ManualClock>) -> (Arc<dyn Store>, Self::Guard);
}
