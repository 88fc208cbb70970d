//! The PostgreSQL store keeps the contracts, as a role that row-level security holds for.

use std::sync::Arc;

use async_trait::async_trait;
use opsconductor_core::{
    store::Store,
    testing::{ManualClock, store::StoreBuilder},
};
use opsconductor_store_pg::{
    PgOptions, PgStore,
    testing::{Place, Server},
};

struct TempPostgres;

#[async_trait]
impl StoreBuilder for TempPostgres {
    type Guard = Place;

    async fn build(&self, clock: Arc<ManualClock>) -> (Arc<dyn Store>, Place) {
        let place = Server::shared().place();
        let options = PgOptions::default().with_schema(place.schema()).with_clock(clock);
        let store = PgStore::connect(place.url(), options).await.expect("an empty schema is made");
        (Arc::new(store), place)
    }
}

opsconductor_core::store_suite!(TempPostgres);
