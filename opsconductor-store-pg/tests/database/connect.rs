//! From a URL to a store, and what stands in between.

use std::{net::TcpListener, path::Path, time::Duration};

use opsconductor_core::{ErrorKind, store::Catalog, tenant::DEFAULT_TENANT_NAME};
use opsconductor_store_pg::{
    PgOptions, PgStore,
    testing::{OWNER, STRANGER, Server},
};

use crate::support::{external, number, open, options, outsider, place, refused, run, tells_no_secret};

#[tokio::test]
async fn a_url_that_cannot_be_used_is_refused_without_repeating_it() {
    for url in [
        "nonsense",
        "mysql://ann:s3cret@db/ops",
        "postgres://ann:s3cret@db:port/ops",
        "postgres://db/ops?pasword=s3cret",
    ] {
        let error = refused(url, PgOptions::default()).await;
        assert_eq!((error.kind(), error.is_retryable()), (ErrorKind::InvalidInput, false), "{url}");
        tells_no_secret(&error, "s3cret");
    }
    let place = place();
    for schema in ["", "a b", "x\"; DROP TABLE jobs; --", "pg_catalog"] {
        let error = refused(place.url(), PgOptions::default().with_schema(schema)).await;
        assert_eq!(error.kind(), ErrorKind::InvalidInput, "{schema}");
    }
}

#[tokio::test]
async fn a_server_that_is_away_or_silent_may_come_later() {
    let silent = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = silent.local_addr().unwrap().port();
    let options = PgOptions::default().with_acquire_timeout(Duration::from_millis(200));
    let error = refused(&format!("postgres://ops:s3cret@127.0.0.1:{port}/ops"), options.clone()).await;
    assert_eq!((error.kind(), error.is_retryable()), (ErrorKind::StoreUnavailable, true), "{error:?}");
    assert!(error.to_string().contains(&format!("127.0.0.1:{port}")), "it names the server: {error}");
    drop(silent);
    let error = refused(&format!("postgres://ops:s3cret@127.0.0.1:{port}/ops"), options).await;
    assert_eq!((error.kind(), error.is_retryable()), (ErrorKind::StoreUnavailable, true), "{error:?}");
    tells_no_secret(&error, "s3cret");
}

#[cfg(not(feature = "tls"))]
#[tokio::test]
async fn a_program_without_tls_says_that_it_has_none() {
    for mode in ["require", "verify-ca", "verify-full"] {
        let url = format!("postgres://ops:s3cret@127.0.0.1:1/ops?sslmode={mode}");
        let error = refused(&url, PgOptions::default()).await;
        assert_eq!((error.kind(), error.is_retryable()), (ErrorKind::Unsupported, false), "{error:?}");
        assert!(error.to_string().contains("feature `tls`"), "{error}");
        tells_no_secret(&error, "s3cret");
    }
}

#[tokio::test]
async fn a_login_that_is_refused_is_told_from_a_server_that_is_away() {
    let Some(url) = Server::shared().url_of(OWNER, "ops") else { return external() };
    let host = url.split('@').nth(1).unwrap();
    let wrong = format!("postgres://{OWNER}:s3cret@{host}");
    let error = refused(&wrong, PgOptions::default()).await;
    assert_eq!((error.kind(), error.is_retryable()), (ErrorKind::Store, false), "{error:?}");
    assert!(error.to_string().contains("password"), "{error}");
    tells_no_secret(&error, "s3cret");
    let nowhere = Server::shared().url_of(OWNER, "nowhere").unwrap();
    let error = refused(&nowhere, PgOptions::default()).await;
    assert_eq!(error.kind(), ErrorKind::Store, "{error:?}");
    assert!(error.to_string().contains("createdb"), "{error}");
    let stranger = Server::shared().url_of(STRANGER, "ops").unwrap();
    let error = refused(&stranger, PgOptions::default().with_schema("not_allowed")).await;
    assert_eq!(error.kind(), ErrorKind::Store, "{error:?}");
    assert!(error.to_string().contains("right"), "{error}");
}

#[tokio::test]
async fn a_socket_in_the_file_system_will_do() {
    let Some(url) = Server::shared().socket_url() else { return external() };
    let place = place();
    let store = PgStore::connect(&url, options(&place)).await.unwrap();
    assert!(store.tenant_by_name(DEFAULT_TENANT_NAME).await.is_ok());
}

#[tokio::test]
async fn a_schema_that_is_newer_is_refused_and_left_as_it_is() {
    let place = place();
    open(&place).await.close().await;
    let mut owner = outsider(&place).await;
    run(
        &mut owner,
        &place,
        "INSERT INTO :schema.opsconductor_migrations (version, name) VALUES (1000, 'later')",
    )
    .await;
    for migrate in [true, false] {
        let error = refused(place.url(), options(&place).with_migrate(migrate)).await;
        assert_eq!((error.kind(), error.is_retryable()), (ErrorKind::Store, false));
        assert!(error.to_string().contains("newer version"), "{error}");
    }
    let mine = "SELECT count(*) FROM :schema.opsconductor_migrations WHERE version < 1000";
    assert_eq!(number(&mut owner, &place, mine).await, migrations("opsconductor-store-pg").len() as i64);
}

#[tokio::test]
async fn migrating_may_be_done_apart() {
    let place = place();
    let apart = options(&place).with_migrate(false);
    let error = refused(place.url(), apart.clone()).await;
    assert_eq!(error.kind(), ErrorKind::Store);
    assert!(error.to_string().contains("migrate the schema first"), "{error}");
    let mut owner = outsider(&place).await;
    let made = "SELECT count(*) FROM pg_namespace WHERE nspname = ':schema'";
    assert_eq!(number(&mut owner, &place, made).await, 0, "it was not made by the way");
    PgStore::migrate(place.url(), &apart).await.unwrap();
    PgStore::migrate(place.url(), &apart).await.unwrap();
    let store = PgStore::connect(place.url(), apart).await.unwrap();
    assert!(store.tenant_by_name(DEFAULT_TENANT_NAME).await.is_ok());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn several_that_come_at_once_find_one_schema() {
    let place = place();
    let stores = futures_util::future::join_all((0..4).map(|_| open(&place))).await;
    for (number, store) in stores.iter().enumerate() {
        store.create_tenant(&format!("tenant-{number}")).await.unwrap();
    }
    let mut owner = outsider(&place).await;
    let rows = number(&mut owner, &place, "SELECT count(*) FROM :schema.opsconductor_migrations").await;
    assert_eq!(rows, migrations("opsconductor-store-pg").len() as i64);
}

#[test]
fn both_stores_number_their_migrations_alike() {
    assert_eq!(migrations("opsconductor-store-pg"), migrations("opsconductor-store-sqlite"));
}

/// The names of a crate's migrations.
fn migrations(of: &str) -> Vec<String> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("..").join(of).join("migrations");
    let files = std::fs::read_dir(folder).unwrap();
    let mut names: Vec<_> = files.map(|file| file.unwrap().file_name().into_string().unwrap()).collect();
    names.sort_unstable();
    names
}
