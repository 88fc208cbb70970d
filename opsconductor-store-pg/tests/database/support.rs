//! Stores on one schema.

use std::{sync::Arc, time::Duration};

use async_trait::async_trait;
use opsconductor_core::{
    Error,
    store::{Notice, Store},
    testing::{ManualClock, store::StoreBuilder},
};
use opsconductor_store_pg::{
    PgOptions, PgStore,
    sqlx::{AssertSqlSafe, Connection, PgConnection, Row, raw_sql},
    testing::{Place, Server},
};
use tokio::sync::broadcast::Receiver;

/// Far longer than anything here takes; a test that waits so long has failed.
pub(crate) const LIMIT: Duration = Duration::from_secs(120);

pub(crate) fn place() -> Place {
    Server::shared().place()
}

pub(crate) fn options(place: &Place) -> PgOptions {
    PgOptions::default().with_schema(place.schema())
}

/// A URL whose sessions are known by the name of the schema.
pub(crate) fn url(place: &Place) -> String {
    let mark = if place.url().contains('?') { '&' } else { '?' };
    format!("{}{mark}application_name={}", place.url(), place.schema())
}

pub(crate) async fn open(place: &Place) -> PgStore {
    PgStore::connect(&url(place), options(place)).await.unwrap()
}

/// Why a store does not come to be.
pub(crate) async fn refused(url: &str, options: PgOptions) -> Error {
    match PgStore::connect(url, options).await {
        Ok(store) => panic!("{store:?} was connected"),
        Err(error) => error,
    }
}

pub(crate) fn tells_no_secret(error: &Error, secret: &str) {
    let all = format!("{error} {error:?} {}", error.report());
    assert!(!all.contains(secret), "{all}");
}

/// Says why a test is left out.
pub(crate) fn external() {
    eprintln!(
        "left out: only an administrator can prepare it, and OPSCONDUCTOR_TEST_PG names a server of someone else's"
    );
}

/// A schema that stays where it is while stores come and go.
pub(crate) struct Shared<'a>(pub(crate) &'a Place);

#[async_trait]
impl StoreBuilder for Shared<'_> {
    type Guard = ();

    async fn build(&self, clock: Arc<ManualClock>) -> (Arc<dyn Store>, ()) {
        let options = options(self.0).with_clock(clock);
        (Arc::new(PgStore::connect(&url(self.0), options).await.unwrap()), ())
    }
}

/// A connection of someone else's, as the role that owns the schema.
pub(crate) async fn outsider(place: &Place) -> PgConnection {
    PgConnection::connect(place.url()).await.unwrap()
}

/// Statements with `:schema` in them.
pub(crate) async fn run(connection: &mut PgConnection, place: &Place, sql: &str) {
    try_run(connection, place, sql).await.unwrap();
}

pub(crate) async fn try_run(
    connection: &mut PgConnection,
    place: &Place,
    sql: &str,
) -> Result<(), opsconductor_store_pg::sqlx::Error> {
    let sql = sql.replace(":schema", place.schema());
    raw_sql(AssertSqlSafe(sql)).execute(connection).await.map(|_| ())
}

/// A number that a statement answers.
pub(crate) async fn number(connection: &mut PgConnection, place: &Place, sql: &str) -> i64 {
    let sql = sql.replace(":schema", place.schema());
    raw_sql(AssertSqlSafe(sql)).fetch_one(connection).await.unwrap().get(0)
}

/// Waits until `wanted` is heard.
pub(crate) async fn hear(notices: &mut Receiver<Notice>, wanted: Notice) {
    let heard = async { while notices.recv().await.unwrap() != wanted {} };
    tokio::time::timeout(LIMIT, heard).await.expect("the notice comes");
}
