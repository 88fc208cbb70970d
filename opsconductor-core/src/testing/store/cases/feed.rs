//! The events of all runs of a tenant in one row, and how its steps stand.

use std::{collections::BTreeMap, time::Duration};

use crate::{
    id::RunId,
    run::TaskStatus,
    store::{FeedEvent, Keep, StepCounts},
    testing::store::Fixture,
};

pub(crate) const DAY: Duration = Duration::from_secs(24 * 3_600);

/// Everything that is numbered, after all is.
async fn all(f: &Fixture) -> Vec<FeedEvent> {
    while f.store.number_events(3).await.unwrap() > 0 {}
    f.store.tenant_events(f.tenant, 0, 100_000).await.unwrap()
}

async fn last(f: &Fixture) -> u64 {
    f.store.last_tenant_event(f.tenant).await.unwrap()
}

pub async fn the_runs_of_a_tenant_tell_their_stories_in_one_row(f: Fixture) {
    let other = f.other_tenant().await;
    assert!(all(&f).await.is_empty() && last(&f).await == 0);
    let (first, second) = (f.wide(3).await, f.wide(2).await);
    let elsewhere = other.single().await;
    for claimed in f.claim(10).await {
        f.store.append_output(vec![Fixture::piece(claimed.lease, 1, "x")]).await.unwrap();
        f.end(claimed.lease, TaskStatus::Succeeded).await;
    }
    let events = all(&f).await;
    for (event, number) in events.iter().zip(1_u64..) {
        assert_eq!(event.seq, number, "without gaps");
    }
    assert_eq!(last(&f).await, events.len() as u64);
    for run in [first.id, second.id] {
        let own: Vec<_> =
            events.iter().map(|one| &one.event).filter(|event| event.run == run).cloned().collect();
        assert_eq!(own, f.events(run).await, "each run tells all, in its order");
    }
    let theirs = all(&other).await;
    assert!(
        !theirs.is_empty() && theirs[0].seq == 1 && theirs.iter().all(|one| one.event.run == elsewhere.id)
    );
}

pub async fn reading_goes_on_after_a_number(f: Fixture) {
    f.wide(3).await;
    for claimed in f.claim(10).await {
        f.end(claimed.lease, TaskStatus::Succeeded).await;
    }
    let events = all(&f).await;
    let read = async |after, limit| f.store.tenant_events(f.tenant, after, limit).await.unwrap();
    for after in 0..events.len() {
        assert_eq!(read(after as u64, 2).await[0], events[after]);
    }
    assert_eq!(read(2, 3).await, events[2..5]);
    assert!(read(events.len() as u64, 10).await.is_empty() && read(u64::MAX, 10).await.is_empty());
    assert!(read(0, 0).await.is_empty());
}

pub async fn what_is_numbered_once_keeps_its_number(f: Fixture) {
    f.single().await;
    let before = all(&f).await;
    f.single().await;
    f.end(f.claim(1).await[0].lease, TaskStatus::Failed).await;
    let after = all(&f).await;
    assert_eq!(after[..before.len()], before);
    assert!(after.len() > before.len());
}

pub async fn a_follower_misses_nothing_while_many_write(f: Fixture) {
    let runs = 12;
    let reader = tokio::spawn({
        let (store, tenant) = (f.store.clone(), f.tenant);
        async move {
            let (mut after, mut seen) = (0, BTreeMap::<RunId, Vec<u64>>::new());
            let mut over = 0;
            while over < runs {
                store.number_events(5).await.unwrap();
                for one in store.tenant_events(tenant, after, 7).await.unwrap() {
                    assert!(one.seq > after, "no event appears behind one that was read");
                    after = one.seq;
                    over += usize::from(one.event.kind.as_str() == "run.finished");
                    seen.entry(one.event.run).or_default().push(one.event.seq);
                }
                tokio::task::yield_now().await;
            }
            seen
        }
    });
    let workers: Vec<_> = (0..3)
        .map(|_| {
            let worker = f.other_worker();
            tokio::spawn(async move {
                for _ in 0..20 {
                    for claimed in worker.claim(2).await {
                        worker.end(claimed.lease, TaskStatus::Succeeded).await;
                    }
                    tokio::task::yield_now().await;
                }
            })
        })
        .collect();
    for _ in 0..runs {
        f.single().await;
    }
    for worker in workers {
        worker.await.unwrap();
    }
    while let Some(claimed) = f.claim(1).await.pop() {
        f.end(claimed.lease, TaskStatus::Succeeded).await;
    }
    for (run, seqs) in reader.await.unwrap() {
        assert_eq!(
            seqs,
            (1..=f.events(run).await.len() as u64).collect::<Vec<_>>(),
            "all of each, once, in order"
        );
    }
}

pub async fn events_of_runs_that_are_gone_are_left_out(f: Fixture) {
    f.single().await;
    f.end(f.claim_one().await.lease, TaskStatus::Succeeded).await;
    let end = all(&f).await.len() as u64;
    f.clock.advance(DAY);
    let stays = f.single().await;
    all(&f).await;
    let keep = Keep { age: Some(Duration::from_secs(60)), ..Keep::default() };
    assert_eq!(f.store.remove_runs(&keep, 10).await.unwrap(), 1);
    let left = f.store.tenant_events(f.tenant, 0, 100).await.unwrap();
    assert!(left.iter().all(|one| one.event.run == stays.id), "{left:?}");
    assert_eq!(left[0].seq, end + 1, "numbers stay");
    f.end(f.claim_one().await.lease, TaskStatus::Succeeded).await;
    all(&f).await;
    let end = last(&f).await;
    f.clock.advance(DAY);
    assert_eq!(f.store.remove_runs(&keep, 10).await.unwrap(), 1);
    f.single().await;
    assert_eq!(all(&f).await[0].seq, end + 1, "no number is given again");
}

pub async fn steps_are_counted_as_they_stand(f: Fixture) {
    let counts = async || f.store.step_counts(f.tenant, DAY).await.unwrap();
    assert_eq!(counts().await, StepCounts::default());
    f.wide(4).await;
    assert_eq!(counts().await, StepCounts { queued: 4, ..StepCounts::default() });
    let claimed = f.claim(3).await;
    f.end(claimed[0].lease, TaskStatus::Succeeded).await;
    f.end(claimed[1].lease, TaskStatus::Failed).await;
    assert_eq!(counts().await, StepCounts { queued: 1, running: 1, succeeded: 1, failed: 1 });
    f.clock.advance(DAY + Duration::from_secs(1));
    assert_eq!(counts().await, StepCounts { queued: 1, running: 1, ..StepCounts::default() });
}
