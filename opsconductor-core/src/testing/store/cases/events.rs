//! The numbered events of a run.

use std::time::Duration;

use super::kind;
use crate::{ErrorKind, id::RunId, run::TaskStatus, store::Notice, testing::store::Fixture};

pub async fn a_run_tells_its_story_in_order(f: Fixture) {
    let run = f.single().await;
    let lease = f.claim_one().await.lease;
    f.store.append_output(vec![Fixture::piece(lease, 1, "hello")]).await.unwrap();
    f.store.requeue(vec![Fixture::requeue(lease, Duration::ZERO)]).await.unwrap();
    let lease = f.claim_one().await.lease;
    f.end(lease, TaskStatus::Succeeded).await;
    let expected = [
        "run.queued",
        "run.started",
        "step.started",
        "step.output",
        "step.waiting",
        "step.started",
        "step.finished",
        "run.finished",
    ];
    assert_eq!(f.event_names(run.id).await, expected);
}

pub async fn reading_goes_on_after_a_number(f: Fixture) {
    let run = f.single().await;
    f.end(f.claim_one().await.lease, TaskStatus::Succeeded).await;
    let all = f.events(run.id).await;
    assert_eq!(all.len(), 5);
    let read = async |after, limit| f.store.events(f.tenant, run.id, after, limit).await.unwrap();
    assert_eq!(read(2, 2).await, all[2..4]);
    assert_eq!(read(4, 100).await, all[4..]);
    assert!(read(5, 100).await.is_empty() && read(u64::MAX, 100).await.is_empty());
    assert!(read(0, 0).await.is_empty());
    assert_eq!(kind(f.store.events(f.tenant, RunId::new(999), 0, 10).await), ErrorKind::NotFound);
}

pub async fn runs_count_for_themselves(f: Fixture) {
    let (first, second) = (f.wide(3).await, f.wide(2).await);
    for claimed in f.claim(10).await {
        f.store.append_output(vec![Fixture::piece(claimed.lease, 1, "x")]).await.unwrap();
        f.end(claimed.lease, TaskStatus::Succeeded).await;
    }
    assert_eq!(f.events(first.id).await.len(), 3 + 3 * 3);
    assert_eq!(f.events(second.id).await.len(), 3 + 2 * 3);
}

pub async fn a_reader_that_follows_misses_nothing(f: Fixture) {
    let run = f.wide(30).await;
    let reader = tokio::spawn({
        let (store, tenant) = (f.store.clone(), f.tenant);
        async move {
            let mut last = 0;
            loop {
                for event in store.events(tenant, run.id, last, 7).await.unwrap() {
                    assert_eq!(event.seq, last + 1, "no event appears behind one that was read");
                    last = event.seq;
                    if event.kind.as_str() == "run.finished" {
                        return last;
                    }
                }
                tokio::task::yield_now().await;
            }
        }
    });
    let workers: Vec<_> = (0..3)
        .map(|_| {
            let worker = f.other_worker();
            tokio::spawn(async move {
                while let Some(claimed) = worker.claim(1).await.pop() {
                    let piece = Fixture::piece(claimed.lease, 1, "x");
                    worker.store.append_output(vec![piece]).await.unwrap();
                    worker.end(claimed.lease, TaskStatus::Succeeded).await;
                }
            })
        })
        .collect();
    for worker in workers {
        worker.await.unwrap();
    }
    assert_eq!(reader.await.unwrap(), 3 + 3 * 30);
}

pub async fn listeners_hear_of_a_run_that_went_on(f: Fixture) {
    let run = f.single().await;
    let Some(mut notices) = f.store.notices() else { return };
    f.end(f.claim_one().await.lease, TaskStatus::Succeeded).await;
    let mut heard = Vec::new();
    while let Ok(notice) = notices.try_recv() {
        heard.push(notice);
    }
    assert!(heard.iter().all(|notice| *notice == Notice::Run(run.id)) && !heard.is_empty(), "{heard:?}");
}
