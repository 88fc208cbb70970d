//! Runs that come in at once are written together, and each gets its own answer.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

use futures_util::future::join_all;
use opsconductor_core::{
    ErrorKind,
    id::JobId,
    store::{Idempotency, NewRun},
    testing::store::Fixture,
};

use opsconductor_store_pg::{PgStore, sqlx::PgPool};

use crate::support::{LIMIT, Shared, number, open, outsider, place, run};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_comes_at_once_gets_its_own_answers() {
    let place = place();
    let (fixture, ()) = Fixture::build(&Shared(&place)).await;
    let job = fixture.job().await;
    let first = fixture.single().await;
    let plan = fixture.store.run_plan(fixture.tenant, first.id).await.unwrap();
    let new = |number: u8| -> NewRun {
        let mut new = fixture.new_run(&job, plan.clone());
        match number % 5 {
            // Refused by the server, with the statement that it is in.
            1 => new.labels = BTreeMap::from([("label".to_owned(), "\u{0}".to_owned())]),
            2 => new.job = JobId::new(1 << 40),
            3 => new.idempotency = Some(Idempotency { key: "same".into(), digest: [3; 32] }),
            4 => new.idempotency = Some(Idempotency { key: "same".into(), digest: [number; 32] }),
            _ => {}
        }
        new
    };
    let runs: Vec<_> = (0..60).map(new).collect();
    // The one that the others of its key repeat, or are in conflict with.
    let key = fixture.store.enqueue(fixture.tenant, runs[3].clone()).await.unwrap().run.id;
    let answers = join_all(runs.into_iter().map(|new| fixture.store.enqueue(fixture.tenant, new))).await;
    let mut fresh = BTreeSet::new();
    for (number, answer) in answers.into_iter().enumerate() {
        match (number % 5, answer) {
            (0, Ok(enqueued)) => assert!(!enqueued.repeated && fresh.insert(enqueued.run.id)),
            (1, Err(error)) => assert_eq!(error.kind(), ErrorKind::InvalidInput, "{error}"),
            (2, Err(error)) => assert_eq!(error.kind(), ErrorKind::NotFound, "{error}"),
            (3, Ok(enqueued)) => assert_eq!((enqueued.repeated, enqueued.run.id), (true, key)),
            (4, Err(error)) => assert_eq!(error.kind(), ErrorKind::Conflict, "{error}"),
            (_, answer) => panic!("{number}: {answer:?}"),
        }
    }
    assert_eq!(fresh.len(), 12);
    assert_eq!(fixture.store.queue_depth().await.unwrap(), (14, 0), "nothing was written twice");
    for run in fresh {
        assert_eq!(fixture.event_names(run).await, ["run.queued"]);
        assert_eq!(fixture.tasks(run).await.len(), 1);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_key_that_a_host_holds_keeps_nobody_else_waiting() {
    let place = place();
    let (fixture, ()) = Fixture::build(&Shared(&place)).await;
    let store: PgStore = open(&place).await;
    let job = fixture.job().await;
    let first = fixture.single().await;
    let plan = fixture.store.run_plan(fixture.tenant, first.id).await.unwrap();
    let plain = || fixture.new_run(&job, plan.clone());
    let keyed =
        || NewRun { idempotency: Some(Idempotency { key: "held".into(), digest: [1; 32] }), ..plain() };
    let mut tx = PgPool::connect(place.url()).await.unwrap().begin().await.unwrap();
    let held = store.enqueue_in(&mut tx, fixture.tenant, keyed()).await.unwrap().run.id;

    // They come with others and alone.
    let mut wait = Vec::new();
    for _ in 0..3 {
        let (store, tenant, new) = (Arc::clone(&fixture.store), fixture.tenant, keyed());
        wait.push(tokio::spawn(async move { store.enqueue(tenant, new).await }));
        let others = join_all((0..4).map(|_| fixture.store.enqueue(fixture.tenant, plain())));
        let others = tokio::time::timeout(LIMIT, others).await.expect("they wait for nothing");
        assert!(others.into_iter().all(|enqueued| !enqueued.unwrap().repeated));
    }
    let mut watcher = outsider(&place).await;
    run(&mut watcher, &place, "SET opsconductor.all_tenants = 'on'").await;
    let waits = "SELECT count(*) FROM pg_stat_activity WHERE wait_event_type = 'Lock' AND application_name = ':schema'";
    while number(&mut watcher, &place, waits).await < 3 {}
    tx.commit().await.unwrap();
    for enqueued in wait {
        let enqueued = enqueued.await.unwrap().unwrap();
        assert_eq!((enqueued.repeated, enqueued.run.id), (true, held));
    }
}
