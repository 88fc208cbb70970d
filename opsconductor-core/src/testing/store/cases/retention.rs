//! Old runs go.

use std::time::Duration;

use super::kind;
use crate::{
    ErrorKind,
    id::RunId,
    run::{RunStatus, TaskStatus},
    store::{Idempotency, JobRecord, Keep, NewRun, RunFilter},
    testing::store::{Fixture, PlanSketch},
};

const HOUR: Duration = Duration::from_secs(3600);

fn younger_than(age: Duration) -> Keep {
    Keep { age: Some(age), runs_per_job: None }
}

fn newest(runs: u32) -> Keep {
    Keep { age: None, runs_per_job: Some(runs) }
}

/// A run of a job that is over.
async fn over(f: &Fixture, job: &JobRecord) -> RunId {
    let plan = PlanSketch::new(job, &[]).step(&[], &[]).build();
    let run = f.enqueue(f.new_run(job, plan)).await;
    f.end(f.claim_one().await.lease, TaskStatus::Succeeded).await;
    run.id
}

async fn left(f: &Fixture) -> Vec<RunId> {
    let runs = f.store.list_runs(f.tenant, RunFilter::default(), Fixture::ALL).await.unwrap();
    let mut ids: Vec<_> = runs.items.iter().map(|run| run.id).collect();
    ids.reverse();
    ids
}

pub async fn runs_go_by_age_with_all_that_is_theirs(f: Fixture) {
    let job = f.job().await;
    let old = f.wide(2).await;
    let claimed = f.claim(2).await;
    f.store.append_output(vec![Fixture::piece(claimed[0].lease, 1, "text")]).await.unwrap();
    f.end(claimed[0].lease, TaskStatus::Succeeded).await;
    f.end(claimed[1].lease, TaskStatus::Failed).await;
    f.clock.advance(HOUR);
    assert_eq!(
        f.store.remove_runs(&younger_than(HOUR), 10).await.unwrap(),
        0,
        "it is just old enough to stay"
    );
    let young = over(&f, &job).await;
    f.clock.advance(Duration::from_micros(1));
    assert_eq!(f.store.remove_runs(&younger_than(HOUR), 10).await.unwrap(), 1);
    assert_eq!(left(&f).await, [young]);
    assert_eq!(kind(f.store.run(f.tenant, old.id).await), ErrorKind::NotFound);
    assert_eq!(kind(f.store.run_plan(f.tenant, old.id).await), ErrorKind::NotFound);
    assert_eq!(kind(f.store.events(f.tenant, old.id, 0, 10).await), ErrorKind::NotFound);
    assert_eq!(kind(f.store.tasks(f.tenant, old.id, Fixture::ALL).await), ErrorKind::NotFound);
    assert_eq!(f.store.list_dead_letters(f.tenant, None, Fixture::ALL).await.unwrap().total, 0);
    f.store.delete_job(f.tenant, old.job).await.unwrap();
    assert_eq!(f.event_names(young).await.len(), 5, "what stays is whole");
}

pub async fn of_each_job_the_newest_stay(f: Fixture) {
    let (one, two) = (f.job().await, f.job().await);
    let mut ones = Vec::new();
    for _ in 0..4 {
        ones.push(over(&f, &one).await);
    }
    let twos = [over(&f, &two).await, over(&f, &two).await];
    let alive = f.enqueue(f.new_run(&one, PlanSketch::new(&one, &[]).step(&[], &[]).build())).await;
    assert_eq!(f.store.remove_runs(&newest(2), 10).await.unwrap(), 2);
    assert_eq!(left(&f).await, [ones[2], ones[3], twos[0], twos[1], alive.id]);
    assert_eq!(f.store.remove_runs(&newest(2), 10).await.unwrap(), 0);
    assert_eq!(f.store.remove_runs(&newest(0), 10).await.unwrap(), 4);
    assert_eq!(left(&f).await, [alive.id]);
}

pub async fn those_go_first_that_ended_first(f: Fixture) {
    let job = f.job().await;
    let slow = f.single().await;
    let held = f.claim_one().await.lease;
    let mut quick = Vec::new();
    for _ in 0..3 {
        quick.push(over(&f, &job).await);
        f.clock.advance(Duration::from_secs(1));
    }
    f.end(held, TaskStatus::Succeeded).await;
    f.clock.advance(HOUR);
    assert_eq!(f.store.remove_runs(&younger_than(HOUR / 2), 2).await.unwrap(), 2);
    assert_eq!(left(&f).await, [slow.id, quick[2]]);
    assert_eq!(f.store.remove_runs(&younger_than(HOUR / 2), 1).await.unwrap(), 1);
    assert_eq!(left(&f).await, [slow.id], "it began first and ended last");
}

pub async fn a_run_that_is_alive_stays_however_old(f: Fixture) {
    let queued = f.single().await;
    f.clock.advance(HOUR);
    let running = f.single_with_priority(1).await;
    let held = f.claim(1).await[0].lease;
    f.store.cancel_run(f.tenant, running.id, "stopping").await.unwrap();
    f.clock.advance(1000 * HOUR);
    let none = Keep { age: Some(Duration::ZERO), runs_per_job: Some(0) };
    assert_eq!(f.store.remove_runs(&none, 10).await.unwrap(), 0);
    assert_eq!(left(&f).await, [queued.id, running.id]);
    assert_eq!(f.end(held, TaskStatus::Aborted).await, Some(RunStatus::Canceled));
    f.clock.advance(Duration::from_secs(1));
    assert_eq!(f.store.remove_runs(&none, 10).await.unwrap(), 1);
    assert_eq!(f.claim_one().await.lease.run, queued.id, "and goes on");
}

pub async fn a_repeat_of_a_removed_run_stands_alone(f: Fixture) {
    let job = f.job().await;
    let first = over(&f, &job).await;
    let plan = PlanSketch::new(&job, &[]).step(&[], &[]).build();
    let key = Idempotency { key: "k".to_owned(), digest: [1; 32] };
    let child = NewRun { parent: Some(first), ..f.new_run(&job, plan.clone()) };
    let child = f.enqueue(child).await;
    f.clock.advance(HOUR);
    assert_eq!(f.store.remove_runs(&younger_than(HOUR / 2), 10).await.unwrap(), 1);
    assert_eq!(f.run(child.id).await.parent, None);
    f.end(f.claim_one().await.lease, TaskStatus::Succeeded).await;
    let keyed = NewRun { idempotency: Some(key.clone()), ..f.new_run(&job, plan.clone()) };
    let with_key = f.enqueue(keyed.clone()).await;
    f.end(f.claim_one().await.lease, TaskStatus::Succeeded).await;
    assert!(f.store.enqueue(f.tenant, keyed.clone()).await.unwrap().repeated);
    f.clock.advance(HOUR);
    f.store.remove_runs(&younger_than(HOUR / 2), 10).await.unwrap();
    let again = f.store.enqueue(f.tenant, keyed).await.unwrap();
    assert!(!again.repeated && again.run.id != with_key.id, "the key lived as long as its run");
}

pub async fn every_tenant_is_cleaned_and_all_is_kept_by_default(f: Fixture) {
    let other = f.other_tenant().await;
    let (mine, theirs) = (f.job().await, other.job().await);
    over(&f, &mine).await;
    over(&other, &theirs).await;
    f.clock.advance(HOUR);
    assert_eq!(f.store.remove_runs(&Keep::default(), 10).await.unwrap(), 0, "the default keeps all");
    assert_eq!(f.store.remove_runs(&younger_than(HOUR / 2), 10).await.unwrap(), 2);
    assert!(left(&f).await.is_empty() && left(&other).await.is_empty());
}

pub async fn cleaners_at_once_do_no_harm(f: Fixture) {
    let job = f.job().await;
    for _ in 0..20 {
        over(&f, &job).await;
    }
    f.clock.advance(HOUR);
    let cleaners: Vec<_> = (0..4)
        .map(|_| {
            let store = f.store.clone();
            tokio::spawn(async move { store.remove_runs(&younger_than(HOUR / 2), 5).await.unwrap() })
        })
        .collect();
    let mut removed = 0;
    for cleaner in cleaners {
        removed += cleaner.await.unwrap();
    }
    loop {
        match f.store.remove_runs(&younger_than(HOUR / 2), 5).await.unwrap() {
            0 => break,
            some => removed += some,
        }
    }
    assert_eq!(removed, 20);
    assert!(left(&f).await.is_empty());
}
