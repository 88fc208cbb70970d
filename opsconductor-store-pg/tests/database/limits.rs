//! Time-outs, connections that are cut, values at their bounds.

use std::{sync::Arc, time::Duration};

use opsconductor_core::{
    ErrorKind,
    id::WorkerId,
    run::{RunStatus, TaskStatus},
    store::{Catalog, Completion, History, OutputQuery, Queue, Store},
    tenant::DEFAULT_TENANT_NAME,
    testing::store::Fixture,
};
use opsconductor_store_pg::PgStore;
use serde_json::{Map, json};

use crate::support::{Shared, number, options, outsider, place, run, url};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_statement_that_takes_too_long_may_be_tried_again() {
    let place = place();
    let (fixture, ()) = Fixture::build(&Shared(&place)).await;
    fixture.single().await;
    // Enough for every statement that nothing holds up.
    let hasty = options(&place).with_statement_timeout(Duration::from_secs(2));
    let hasty = PgStore::connect(&url(&place), hasty).await.unwrap();
    let mut owner = outsider(&place).await;
    run(&mut owner, &place, "BEGIN; LOCK TABLE :schema.queue IN ACCESS EXCLUSIVE MODE").await;
    let error = hasty.claim(WorkerId::generate(), 10, Fixture::TTL).await.unwrap_err();
    assert_eq!((error.kind(), error.is_retryable()), (ErrorKind::StoreUnavailable, true), "{error:?}");
    assert!(error.to_string().contains("too long"), "{error}");
    run(&mut owner, &place, "ROLLBACK").await;
    let claimed = hasty.claim(WorkerId::generate(), 10, Fixture::TTL).await.unwrap();
    assert_eq!(claimed.len(), 1, "nothing was half-written, and the connection serves on");
    assert_eq!(claimed[0].attempt, 1);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_pool_without_a_free_connection_may_be_tried_again() {
    let place = place();
    let narrow = options(&place).with_connections(1).with_acquire_timeout(Duration::from_secs(3));
    let store = Arc::new(PgStore::connect(&url(&place), narrow).await.unwrap());
    let mut owner = outsider(&place).await;
    run(&mut owner, &place, "BEGIN; LOCK TABLE :schema.queue IN ACCESS EXCLUSIVE MODE").await;
    let held_up = tokio::spawn({
        let store = store.clone();
        async move { store.claim(WorkerId::generate(), 10, Fixture::TTL).await }
    });
    let waits = "SELECT count(*) FROM pg_stat_activity WHERE wait_event_type = 'Lock' AND application_name = ':schema'";
    let mut other = outsider(&place).await;
    while number(&mut other, &place, waits).await == 0 {
        tokio::task::yield_now().await;
    }
    let error = store.queue_depth().await.unwrap_err();
    assert_eq!((error.kind(), error.is_retryable()), (ErrorKind::StoreUnavailable, true), "{error:?}");
    assert!(error.to_string().contains("no connection"), "{error}");
    run(&mut owner, &place, "ROLLBACK").await;
    assert!(held_up.await.unwrap().is_ok_and(|claimed| claimed.is_empty()));
    assert_eq!(store.queue_depth().await.unwrap(), (0, 0));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn connections_that_are_cut_are_made_again() {
    let place = place();
    let (fixture, ()) = Fixture::build(&Shared(&place)).await;
    let run_record = fixture.single().await;
    let lease = fixture.claim_one().await.lease;
    let mut owner = outsider(&place).await;
    run(
        &mut owner,
        &place,
        "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = ':schema'",
    )
    .await;
    // Every connection that was cut may fail one call, never more, and with an error that says to try again.
    let mut failures = 0;
    let settled = loop {
        let completion = Fixture::completion(lease, TaskStatus::Succeeded);
        match fixture.store.complete(vec![completion]).await {
            Ok(settled) => break settled,
            Err(error) => {
                assert_eq!(
                    (error.kind(), error.is_retryable()),
                    (ErrorKind::StoreUnavailable, true),
                    "{error:?}"
                );
                failures += 1;
                assert!(failures < 20, "{error:?}");
            }
        }
    };
    assert_eq!(settled.len(), 1);
    while fixture.store.run(fixture.tenant, run_record.id).await.is_err() {
        failures += 1;
        assert!(failures < 20);
    }
    assert_eq!(fixture.run(run_record.id).await.status, RunStatus::Succeeded);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_postgresql_cannot_hold_never_stops_a_task_from_ending() {
    let place = place();
    let (fixture, ()) = Fixture::build(&Shared(&place)).await;
    let run_record = fixture.single().await;
    let lease = fixture.claim_one().await.lease;
    assert_eq!(fixture.store.append_output(vec![Fixture::piece(lease, 1, "a\0b")]).await.unwrap(), [true]);
    let completion = Completion {
        exit_code: Some(0xC000_0005),
        stdout: "a\0b".to_owned(),
        reason: Some("c\0d".to_owned()),
        metrics: Map::from_iter([("n\0".to_owned(), json!(["\0"]))]),
        ..Fixture::completion(lease, TaskStatus::Failed)
    };
    fixture.store.complete(vec![completion]).await.unwrap();
    let task = fixture.tasks(run_record.id).await.remove(0);
    assert_eq!((task.stdout.as_str(), task.exit_code), ("a\u{FFFD}b", Some(0xC000_0005)));
    assert_eq!(task.reason.as_deref(), Some("c\u{FFFD}d"));
    assert_eq!(task.metrics["n\u{FFFD}"], json!(["\u{FFFD}"]));
    let output =
        fixture.store.output(fixture.tenant, run_record.id, OutputQuery::default(), 10).await.unwrap();
    assert_eq!(output[0].text, "a\0b", "the output is kept as it came");
    for name in ["a\0b".to_owned(), "x".repeat(1 << 20)] {
        let error = fixture.store.create_tenant(&name).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::InvalidInput, "{error:?}");
    }
}

#[tokio::test]
async fn a_store_that_was_closed_says_so() {
    let place = place();
    let store = PgStore::connect(&url(&place), options(&place)).await.unwrap();
    store.close().await;
    let error = store.tenant_by_name(DEFAULT_TENANT_NAME).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::StoreUnavailable);
    assert_eq!(store.name(), "postgres");
}
