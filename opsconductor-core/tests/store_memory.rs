//! The in-memory store keeps the contracts.

use std::sync::Arc;

use async_trait::async_trait;
use opsconductor_core::{
    store::{MemoryStore, Store},
    testing::{ManualClock, store::StoreBuilder},
};

struct Memory;

#[async_trait]
impl StoreBuilder for Memory {
    type Guard = ();

    async fn build(&self, clock: Arc<ManualClock>) -> (Arc<dyn Store>, ()) {
        (Arc::new(MemoryStore::new(clock)), ())
    }
}

opsconductor_core::store_suite!(Memory);
