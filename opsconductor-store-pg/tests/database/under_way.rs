//! Limits and pauses that come while others are at work.

use std::{collections::BTreeSet, sync::Arc};

use opsconductor_core::{
    run::TaskStatus,
    store::{Limit, LimitScope},
    testing::store::{Fixture, PlanSketch},
};
use opsconductor_store_pg::{PgStore, sqlx::PgPool};

use crate::support::{LIMIT, Shared, number, open, outsider, place, run};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_a_claim_takes_that_was_under_way_counts() {
    let place = place();
    let (fixture, ()) = Fixture::build(&Shared(&place)).await;
    let wide = fixture.wide(3).await;
    let scope = LimitScope::Job(wide.job);
    let mut owner = outsider(&place).await;
    run(
        &mut owner,
        &place,
        "SET opsconductor.all_tenants = 'on'; BEGIN; SELECT FROM :schema.job_runs FOR UPDATE",
    )
    .await;
    let mut other = outsider(&place).await;
    run(&mut other, &place, "SET opsconductor.all_tenants = 'on'").await;

    let (store, worker) = (Arc::clone(&fixture.store), fixture.worker);
    let claim = tokio::spawn(async move { store.claim(worker, 10, Fixture::TTL).await });
    let waits = "SELECT count(*) FROM pg_stat_activity WHERE wait_event_type = 'Lock' AND application_name = ':schema'";
    while number(&mut other, &place, waits).await == 0 {}
    let (store, tenant) = (Arc::clone(&fixture.store), fixture.tenant);
    let set = tokio::spawn(async move { store.set_limit(tenant, scope, Limit::running(1)).await });
    while number(&mut other, &place, "SELECT count(*) FROM :schema.limits").await == 0 {}
    run(&mut owner, &place, "ROLLBACK").await;

    let claimed = claim.await.unwrap().unwrap();
    assert_eq!(claimed.len(), 3, "it did not know of the limit");
    set.await.unwrap().unwrap();
    let job = fixture.store.job(fixture.tenant, wide.job).await.unwrap();
    let plan = PlanSketch::new(&job, &[]).step(&[], &[]).build();
    let next = fixture.enqueue(fixture.new_run(&job, plan)).await;
    for task in claimed {
        assert!(fixture.claim(10).await.is_empty(), "what it took counts");
        fixture.end(task.lease, TaskStatus::Succeeded).await;
    }
    assert_eq!(fixture.claim_runs(10).await, [next.id]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_pause_waits_for_a_claim_under_limits_that_has_looked() {
    let place = place();
    let (fixture, ()) = Fixture::build(&Shared(&place)).await;
    // Of the one job no more may start, of the other the next is about to.
    let full = fixture.wide(2).await;
    let scope = LimitScope::Job(full.job);
    fixture.store.set_limit(fixture.tenant, scope, Limit::running(1)).await.unwrap();
    assert_eq!(fixture.claim(1).await.len(), 1);
    let other = fixture.single().await;
    let mut owner = outsider(&place).await;
    run(
        &mut owner,
        &place,
        "SET opsconductor.all_tenants = 'on'; BEGIN; SELECT FROM :schema.limits FOR UPDATE",
    )
    .await;
    let mut watcher = outsider(&place).await;
    run(&mut watcher, &place, "SET opsconductor.all_tenants = 'on'").await;

    let (store, worker) = (Arc::clone(&fixture.store), fixture.worker);
    let claim = tokio::spawn(async move { store.claim(worker, 1, Fixture::TTL).await });
    let waits = "SELECT count(*) FROM pg_stat_activity WHERE wait_event_type = 'Lock' AND application_name = ':schema'";
    while number(&mut watcher, &place, waits).await == 0 {}
    let (store, tenant, scope) = (Arc::clone(&fixture.store), fixture.tenant, LimitScope::Job(other.job));
    let pause = tokio::spawn(async move { store.pause(tenant, scope, "a test").await });
    while number(&mut watcher, &place, "SELECT count(*) FROM :schema.limits").await == 1 {}
    // Whoever looks for claims again and again waits for one.
    let looked =
        "SELECT coalesce(max(extract(epoch FROM query_start) * 1000000), 0)::bigint FROM pg_stat_activity
        WHERE application_name = ':schema' AND query LIKE '%RowShareLock%'";
    let mut looks = BTreeSet::new();
    while looks.len() < 4 && !pause.is_finished() {
        looks.insert(number(&mut watcher, &place, looked).await);
    }
    let early = pause.is_finished();
    run(&mut owner, &place, "ROLLBACK").await;

    let claimed = claim.await.unwrap().unwrap();
    assert_eq!(claimed.iter().map(|task| task.lease.run).collect::<Vec<_>>(), [other.id], "it did not know");
    assert!(!early, "the pause was acknowledged before what did not know of it had started");
    pause.await.unwrap().unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_transaction_of_the_hosts_holds_no_limit_up() {
    let place = place();
    let (fixture, ()) = Fixture::build(&Shared(&place)).await;
    let store: PgStore = open(&place).await;
    let job = fixture.job().await;
    let plan = PlanSketch::new(&job, &[]).step(&[], &[]).build();
    let pool = PgPool::connect(place.url()).await.unwrap();
    let mut tx = pool.begin().await.unwrap();
    store.enqueue_in(&mut tx, fixture.tenant, fixture.new_run(&job, plan)).await.unwrap();
    let set = fixture.store.set_limit(fixture.tenant, LimitScope::Tenant, Limit::running(1));
    tokio::time::timeout(LIMIT, set).await.expect("it is not waited for").unwrap();
    let pause = fixture.store.pause(fixture.tenant, LimitScope::Job(job.id), "a test");
    tokio::time::timeout(LIMIT, pause).await.expect("it is not waited for").unwrap();
    tx.commit().await.unwrap();
    assert!(fixture.claim(10).await.is_empty(), "the job is paused");
}
