//! Answers of people, and what they leave behind on the server.

use std::{thread, time::Duration};

use opsconductor_core::{
    ErrorKind,
    run::TaskStatus,
    store::{Decision, Requeue, WaitsFor},
    testing::store::Fixture,
};
use opsconductor_store_pg::testing::Place;

use crate::support::{Shared, number, outsider, place, run};

/// The rows of the queue that nobody locks at this moment. The runtime of the test stands still meanwhile: what it was left
/// to do later is not done yet.
fn free_rows(place: &Place) -> i64 {
    let look = || {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(async {
            let mut other = outsider(place).await;
            run(&mut other, place, "SET opsconductor.all_tenants = 'on'").await;
            let free = "SELECT count(*) FROM (SELECT FROM :schema.queue FOR UPDATE SKIP LOCKED) AS free";
            number(&mut other, place, free).await
        })
    };
    thread::scope(|scope| scope.spawn(look).join().unwrap())
}

#[tokio::test]
async fn an_answer_that_is_refused_leaves_its_task_to_whoever_claims() {
    let place = place();
    let (fixture, ()) = Fixture::build(&Shared(&place)).await;
    let asking = fixture.single().await;
    let lease = fixture.claim_one().await.lease;
    let requeue =
        Requeue { suspend: Some(WaitsFor::Approval), ..Fixture::requeue(lease, Duration::from_secs(3_600)) };
    assert_eq!(fixture.store.requeue(vec![requeue]).await.unwrap(), [true]);
    let answer = |approved| {
        let decision = Decision { approved, by: "eve".to_owned(), note: None };
        fixture.store.decide(fixture.tenant, asking.id, 0, None, decision)
    };
    answer(true).await.unwrap();
    let second = answer(false).await.unwrap_err();
    assert_eq!(free_rows(&place), 1, "the row is locked by whoever was refused");
    assert_eq!(second.kind(), ErrorKind::Conflict);
    fixture.end(fixture.claim_one().await.lease, TaskStatus::Succeeded).await;
}
