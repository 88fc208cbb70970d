//! The SQLite store keeps the contracts.

use std::sync::Arc;

use async_trait::async_trait;
use opsconductor_core::{
    store::Store,
    testing::{ManualClock, store::StoreBuilder},
};
use opsconductor_store_sqlite::{Durability, SqliteOptions, SqliteStore};
use tempfile::TempDir;

struct TempSqlite;

#[async_trait]
impl StoreBuilder for TempSqlite {
    type Guard = TempDir;

    async fn build(&self, clock: Arc<ManualClock>) -> (Arc<dyn Store>, TempDir) {
        let directory = TempDir::new().expect("a temporary directory can be made");
        // The cases are about what is written, not about power cuts.
        let options = SqliteOptions::default().with_clock(clock).with_durability(Durability::ProcessCrash);
        let store =
            SqliteStore::open(directory.path().join("data.db"), options).expect("an empty store opens");
        (Arc::new(store), directory)
    }
}

opsconductor_core::store_suite!(TempSqlite);
