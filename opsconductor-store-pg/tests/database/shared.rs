//! Several stores on one database.

use std::{collections::BTreeSet, sync::Arc};

use opsconductor_core::{
    run::{Join, RunStatus, TaskStatus},
    store::{Completion, Settled},
    testing::store::{Fixture, PlanSketch},
};

use crate::support::{Shared, place};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn two_stores_share_the_queue() {
    let place = place();
    let (a, ()) = Fixture::build(&Shared(&place)).await;
    let (b, ()) = Fixture::build(&Shared(&place)).await;
    let run = a.wide(3).await;
    let first = b.claim(1).await.remove(0);
    let second = a.claim(1).await.remove(0);
    assert_ne!(first.lease.task, second.lease.task);
    a.end(second.lease, TaskStatus::Succeeded).await;
    b.end(first.lease, TaskStatus::Succeeded).await;
    let third = b.claim_one().await;
    assert_eq!(b.end(third.lease, TaskStatus::Succeeded).await, Some(RunStatus::Succeeded));
    assert_eq!(a.run(run.id).await, b.run(run.id).await);
    assert_eq!(a.events(run.id).await, b.events(run.id).await);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_task_is_never_given_to_two_of_four_stores() {
    const TASKS: usize = 300;
    let place = place();
    let (first, ()) = Fixture::build(&Shared(&place)).await;
    first.wide(TASKS).await;
    let mut claimers = Vec::new();
    for _ in 0..4 {
        let (store, ()) = Fixture::build(&Shared(&place)).await;
        claimers.push(tokio::spawn(async move {
            let mut mine = Vec::new();
            while let claimed @ [_, ..] = store.claim(5).await.as_slice() {
                mine.extend(claimed.iter().map(|task| task.lease.task));
            }
            mine
        }));
    }
    let mut seen = BTreeSet::new();
    for claimer in claimers {
        for task in claimer.await.unwrap() {
            assert!(seen.insert(task), "task {task} was given twice");
        }
    }
    assert_eq!(seen.len(), TASKS, "every task was given");
}

/// Claims, ends (one in seven badly), gives back and cancels at once, over runs of several steps. Nobody waits in a circle,
/// every run ends, and every task ends once.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn many_at_once_never_block_each_other() {
    const RUNS: usize = 24;
    let place = place();
    let (fixture, ()) = Fixture::build(&Shared(&place)).await;
    let fixture = Arc::new(fixture);
    let (job, targets) = (fixture.job().await, fixture.targets(6).await);
    let all = [0, 1, 2, 3, 4, 5];
    let plan = PlanSketch::new(&job, &targets)
        .step(&all, &[])
        .step(&all, &[(0, Join::PerTarget)])
        .step(&[0, 1], &[(1, Join::Barrier)])
        .step(&all, &[(1, Join::PerTarget), (2, Join::Barrier)])
        .build();
    let mut runs = Vec::new();
    for _ in 0..RUNS {
        runs.push(fixture.enqueue(fixture.new_run(&job, plan.clone())).await.id);
    }
    let workers: Vec<_> = (0..6_i64)
        .map(|number| {
            let worker = fixture.other_worker();
            tokio::spawn(async move {
                let mut idle = 0;
                while idle < 20 {
                    let claimed = worker.claim(4 + number as usize).await;
                    idle = if claimed.is_empty() { idle + 1 } else { 0 };
                    let (back, end): (Vec<_>, Vec<_>) = claimed
                        .into_iter()
                        .partition(|task| task.attempt == 1 && task.lease.task.get() % 11 == number);
                    let back = back.iter().map(|task| Fixture::requeue(task.lease, Default::default()));
                    worker.store.requeue(back.collect()).await.unwrap();
                    let end: Vec<Completion> = end
                        .iter()
                        .map(|task| {
                            let bad = task.lease.task.get() % 7 == 0;
                            let status = if bad { TaskStatus::Failed } else { TaskStatus::Succeeded };
                            Fixture::completion(task.lease, status)
                        })
                        .collect();
                    let settled = worker.store.complete(end).await.unwrap();
                    assert!(settled.iter().all(|settled| *settled != Settled::Stale));
                }
            })
        })
        .collect();
    for run in runs.iter().step_by(3) {
        fixture.store.cancel_run(fixture.tenant, *run, "enough").await.unwrap();
    }
    for worker in workers {
        worker.await.unwrap();
    }
    assert_eq!(fixture.store.queue_depth().await.unwrap(), (0, 0));
    for run in runs {
        assert!(fixture.run(run).await.status.is_final());
        assert!(fixture.statuses(run).await.iter().all(|status| status.is_final()));
        let names = fixture.event_names(run).await;
        let ends = |wanted: &str| names.iter().filter(|name| **name == wanted).count();
        assert_eq!((ends("step.finished"), ends("run.finished")), (20, 1), "each ends once");
        assert_eq!(names.last(), Some(&"run.finished"));
    }
}
