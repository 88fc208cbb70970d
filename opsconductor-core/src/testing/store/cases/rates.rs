//! How quickly tasks start.

use std::time::Duration;

use crate::{
    run::TaskStatus,
    store::{Limit, LimitScope, Rate},
    testing::store::Fixture,
};

const SECOND: Duration = Duration::from_secs(1);

async fn rate(f: &Fixture, scope: LimitScope, starts: u32, per: Duration, burst: u32) {
    let limit = Limit { running: None, rate: Some(Rate { starts, per, burst }) };
    f.store.set_limit(f.tenant, scope, limit).await.unwrap();
}

pub async fn starts_are_spread_and_the_next_is_foreseen(f: Fixture) {
    let target = f.targets(1).await[0];
    rate(&f, LimitScope::Target(target), 2, 10 * SECOND, 1).await;
    let mut runs = Vec::new();
    for _ in 0..3 {
        runs.push(f.on(target, 0).await);
    }
    let began = runs[0].queued_at;
    assert_eq!(f.claim_runs(10).await, [runs[0].id]);
    for (run, after) in [(&runs[1], 5), (&runs[2], 10)] {
        assert!(f.claim(10).await.is_empty());
        let due = f.store.next_due().await.unwrap();
        assert_eq!(due, Some(began + chrono::TimeDelta::seconds(after)));
        f.clock.advance(5 * SECOND - Duration::from_micros(1));
        assert!(f.claim(10).await.is_empty(), "a moment too early");
        f.clock.advance(Duration::from_micros(1));
        assert_eq!(f.claim_runs(10).await, [run.id]);
    }
    assert_eq!(f.store.next_due().await.unwrap(), None, "nothing waits any more");
}

pub async fn a_burst_comes_after_a_quiet_time(f: Fixture) {
    let target = f.targets(1).await[0];
    rate(&f, LimitScope::Target(target), 1, SECOND, 3).await;
    for _ in 0..9 {
        f.on(target, 0).await;
    }
    assert_eq!(f.claim(10).await.len(), 3);
    assert_eq!(f.claim(10).await.len(), 0);
    f.clock.advance(SECOND);
    assert_eq!(f.claim(10).await.len(), 1);
    f.clock.advance(60 * SECOND);
    assert_eq!(f.claim(10).await.len(), 3, "no more than the burst, however long it was quiet");
}

pub async fn an_end_gives_no_start_back(f: Fixture) {
    let target = f.targets(1).await[0];
    rate(&f, LimitScope::Target(target), 1, SECOND, 1).await;
    f.on(target, 0).await;
    let second = f.on(target, 0).await;
    let held = f.claim(10).await.remove(0).lease;
    f.end(held, TaskStatus::Succeeded).await;
    assert!(f.claim(10).await.is_empty());
    f.clock.advance(SECOND);
    assert_eq!(f.claim_runs(10).await, [second.id]);
}

pub async fn what_a_rate_keeps_holds_nothing_else_back(f: Fixture) {
    let (slow, other) = (f.targets(1).await[0], f.targets(1).await[0]);
    rate(&f, LimitScope::Target(slow), 1, 60 * SECOND, 1).await;
    for _ in 0..20 {
        f.on(slow, 9).await;
    }
    assert_eq!(f.claim(10).await.len(), 1);
    let free = f.on(other, 0).await;
    assert_eq!(f.claim_runs(10).await, [free.id]);
}

pub async fn what_a_rate_lets_go_comes_in_the_order_of_priority(f: Fixture) {
    let target = f.targets(1).await[0];
    rate(&f, LimitScope::Target(target), 1, SECOND, 1).await;
    f.on(target, 0).await;
    let low = f.on(target, -1).await;
    assert_eq!(f.claim(10).await.len(), 1);
    let urgent = f.on(target, 5).await;
    assert!(f.claim(10).await.is_empty());
    let plain = f.single_with_priority(3).await;
    f.clock.advance(SECOND);
    assert_eq!(f.claim_runs(10).await, [urgent.id, plain.id]);
    f.clock.advance(SECOND);
    assert_eq!(f.claim_runs(10).await, [low.id]);
}

pub async fn a_rate_and_a_limit_hold_together(f: Fixture) {
    let target = f.targets(1).await[0];
    let limit = Limit { running: Some(1), ..Limit::rate(1, SECOND) };
    f.store.set_limit(f.tenant, LimitScope::Target(target), limit).await.unwrap();
    f.on(target, 0).await;
    let second = f.on(target, 0).await;
    let held = f.claim(10).await.remove(0).lease;
    f.clock.advance(5 * SECOND);
    assert!(f.claim(10).await.is_empty(), "one still runs");
    f.end(held, TaskStatus::Succeeded).await;
    assert_eq!(f.claim_runs(10).await, [second.id]);
}

pub async fn a_new_rate_holds_from_now_on(f: Fixture) {
    let target = f.targets(1).await[0];
    let scope = LimitScope::Target(target);
    rate(&f, scope, 1, 3600 * SECOND, 1).await;
    for _ in 0..4 {
        f.on(target, 0).await;
    }
    assert_eq!(f.claim(10).await.len(), 1);
    assert!(f.claim(10).await.is_empty());
    rate(&f, scope, 1, SECOND, 1).await;
    assert_eq!(f.claim(10).await.len(), 1);
    rate(&f, scope, 1, SECOND, 1).await;
    assert!(f.claim(10).await.is_empty(), "setting the same again is no new beginning");
    f.store.set_limit(f.tenant, scope, Limit::default()).await.unwrap();
    assert_eq!(f.claim(10).await.len(), 2);
}

pub async fn claims_at_once_keep_a_rate_together(f: Fixture) {
    let target = f.targets(1).await[0];
    rate(&f, LimitScope::Target(target), 1, 60 * SECOND, 2).await;
    for _ in 0..8 {
        f.on(target, 0).await;
    }
    let claimers: Vec<_> = (0..4)
        .map(|_| {
            let worker = f.other_worker();
            tokio::spawn(async move { worker.claim(4).await.len() })
        })
        .collect();
    let mut started = 0;
    for claimer in claimers {
        started += claimer.await.unwrap();
    }
    assert_eq!(started, 2);
}
