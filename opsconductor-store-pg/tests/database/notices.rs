//! What one process commits, another hears.

use std::time::{Duration, Instant};

use opsconductor_core::{
    store::{Notice, Store},
    testing::store::{Fixture, PlanSketch},
};
use opsconductor_store_pg::sqlx::postgres::PgListener;

use crate::support::{Shared, hear, number, open, outsider, place, run};

/// The statement of a session that listens.
const LISTENERS: &str =
    "SELECT count(*) FROM pg_stat_activity WHERE application_name = ':schema' AND query LIKE 'LISTEN%'";

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn another_process_hears_of_work_of_cancels_and_of_events() {
    let place = place();
    let listener = open(&place).await;
    let mut heard = listener.notices().unwrap();
    wait_for_listeners(&place, 1).await;
    let (fixture, ()) = Fixture::build(&Shared(&place)).await;
    let run = fixture.single().await;
    hear(&mut heard, Notice::Ready).await;
    fixture.claim_one().await;
    hear(&mut heard, Notice::Run(run.id)).await;
    fixture.store.cancel_run(fixture.tenant, run.id, "enough").await.unwrap();
    hear(&mut heard, Notice::Cancel(run.id)).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_listener_that_is_cut_off_listens_again() {
    let place = place();
    let listener = open(&place).await;
    let mut heard = listener.notices().unwrap();
    wait_for_listeners(&place, 1).await;
    let mut owner = outsider(&place).await;
    let cut = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = ':schema' AND query LIKE 'LISTEN%'";
    run(&mut owner, &place, cut).await;
    hear(&mut heard, Notice::Ready).await;
    wait_for_listeners(&place, 1).await;
    let (fixture, ()) = Fixture::build(&Shared(&place)).await;
    let run = fixture.single().await;
    hear(&mut heard, Notice::Run(run.id)).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_burst_is_told_of_in_few_words() {
    const RUNS: usize = 200;
    let place = place();
    let (fixture, ()) = Fixture::build(&Shared(&place)).await;
    let job = fixture.job().await;
    let plan = PlanSketch::new(&job, &[]).step(&[], &[]).build();
    let mut listener = PgListener::connect(place.url()).await.unwrap();
    listener.listen(place.schema()).await.unwrap();
    let began = Instant::now();
    let runs = (0..RUNS).map(|_| fixture.enqueue(fixture.new_run(&job, plan.clone())));
    let last = futures_util::future::join_all(runs).await.into_iter().map(|run| run.id.get()).max().unwrap();
    // The last word on it: nothing of the burst is left out.
    let mut payloads = 0;
    let mut told = std::collections::BTreeSet::new();
    while told.len() < RUNS {
        let notification =
            tokio::time::timeout(Duration::from_secs(30), listener.recv()).await.unwrap().unwrap();
        payloads += 1;
        let ids =
            notification.payload().split(' ').filter_map(|word| word.strip_prefix('E')?.parse::<i64>().ok());
        told.extend(ids);
    }
    assert!(told.contains(&last));
    let most = began.elapsed().as_millis() / 4 + 2;
    assert!(payloads <= most, "{payloads} notifications in {:?}", began.elapsed());
}

async fn wait_for_listeners(place: &opsconductor_store_pg::testing::Place, wanted: i64) {
    let mut owner = outsider(place).await;
    let began = Instant::now();
    while number(&mut owner, place, LISTENERS).await < wanted {
        assert!(began.elapsed() < crate::support::LIMIT, "it listens");
        tokio::task::yield_now().await;
    }
}
