//! Workers take what is ready.

use std::{collections::BTreeSet, time::Duration};

use crate::{
    run::{EventKind, RunStatus, TaskStatus},
    store::NewRun,
    testing::store::{Fixture, PlanSketch},
};

pub async fn a_claim_starts_the_task_and_the_run(f: Fixture) {
    let run = f.single().await;
    f.clock.advance(Duration::from_secs(3));
    let claimed = f.claim_one().await;
    let task = f.tasks(run.id).await.remove(0);
    assert_eq!((claimed.lease.task, claimed.lease.run, claimed.lease.worker), (task.id, run.id, f.worker));
    assert_eq!((claimed.tenant, claimed.step, claimed.target), (f.tenant, 0, None));
    assert_eq!((claimed.attempt, claimed.ttl), (1, Fixture::TTL));
    assert_eq!((task.status, task.attempt), (TaskStatus::Running, 1));
    assert!(task.started_at.is_some_and(|at| at > run.queued_at) && task.finished_at.is_none());
    let run = f.run(run.id).await;
    assert_eq!((run.status, run.started_at), (RunStatus::Running, task.started_at));
    let events = f.events(run.id).await;
    assert_eq!(events[1].kind, EventKind::RunStarted);
    assert_eq!((&events[2].kind, events[2].task), (&EventKind::StepStarted { attempt: 1 }, Some(task.id)));
    assert_eq!(f.store.queue_depth().await.unwrap(), (0, 1));
}

pub async fn a_second_claimer_gets_nothing(f: Fixture) {
    f.single().await;
    assert_eq!(f.claim(10).await.len(), 1);
    assert!(f.other_worker().claim(10).await.is_empty());
    assert!(f.claim(10).await.is_empty(), "nor does the first");
}

pub async fn an_empty_queue_gives_nothing(f: Fixture) {
    assert!(f.claim(10).await.is_empty());
    assert_eq!(f.store.next_due().await.unwrap(), None);
}

pub async fn no_more_than_the_limit_is_taken(f: Fixture) {
    let run = f.wide(5).await;
    assert!(f.claim(0).await.is_empty());
    assert_eq!(f.claim(2).await.len(), 2);
    assert_eq!(f.claim(10).await.len(), 3);
    let started = f.event_names(run.id).await.iter().filter(|name| **name == "run.started").count();
    assert_eq!(started, 1, "a run starts once");
}

pub async fn waiting_tasks_are_not_taken(f: Fixture) {
    let job = f.job().await;
    let plan =
        PlanSketch::new(&job, &[]).step(&[], &[]).step(&[], &[(0, crate::run::Join::PerTarget)]).build();
    f.enqueue(f.new_run(&job, plan)).await;
    assert_eq!(f.claim(10).await.len(), 1);
}

pub async fn higher_priority_goes_first_then_due_time_then_id(f: Fixture) {
    let late_low = f.single_with_priority(-5).await;
    let (first, second) = (f.single().await, f.single().await);
    f.clock.advance(Duration::from_secs(1));
    let third = f.single().await;
    let urgent = f.single_with_priority(9).await;
    let order: Vec<_> = f.claim(10).await.iter().map(|claimed| claimed.lease.run).collect();
    assert_eq!(order, [urgent.id, first.id, second.id, third.id, late_low.id]);
}

pub async fn a_small_limit_takes_the_first_in_order(f: Fixture) {
    f.single().await;
    let urgent = f.single_with_priority(1).await;
    let most_urgent = f.single_with_priority(2).await;
    let order: Vec<_> = f.claim(2).await.iter().map(|claimed| claimed.lease.run).collect();
    assert_eq!(order, [most_urgent.id, urgent.id]);
}

pub async fn tasks_of_a_run_go_in_the_order_of_their_targets(f: Fixture) {
    let run = f.wide(6).await;
    let expected: Vec<_> = f.tasks(run.id).await.iter().map(|task| task.id).collect();
    let mut order: Vec<_> = f.claim(4).await.iter().map(|claimed| claimed.lease.task).collect();
    order.extend(f.claim(4).await.iter().map(|claimed| claimed.lease.task));
    assert_eq!(order, expected);
}

pub async fn what_is_not_yet_due_waits_without_holding_others_back(f: Fixture) {
    f.single_with_priority(5).await;
    let urgent = f.claim_one().await;
    let delay = Duration::from_secs(60);
    f.store.requeue(vec![Fixture::requeue(urgent.lease, delay)]).await.unwrap();
    let plain = f.single().await;
    let claimed = f.claim(10).await;
    assert_eq!(claimed.len(), 1, "the urgent one is not due");
    assert_eq!(claimed[0].lease.run, plain.id);
    let due = f.store.next_due().await.unwrap().unwrap();
    assert_eq!(due - plain.queued_at, chrono::TimeDelta::seconds(60));
    f.clock.advance(delay - Duration::from_micros(1));
    assert!(f.claim(10).await.is_empty());
    f.clock.advance(Duration::from_micros(1));
    assert_eq!(f.claim_one().await.lease.task, urgent.lease.task, "due from this very moment");
    assert_eq!(f.store.next_due().await.unwrap(), None);
}

pub async fn a_task_is_never_given_to_two_of_eight(f: Fixture) {
    const TASKS: usize = 200;
    let (job, targets) = (f.job().await, f.targets(TASKS).await);
    let all: Vec<u32> = (0..TASKS as u32).collect();
    f.enqueue(f.new_run(&job, PlanSketch::new(&job, &targets).step(&all, &[]).build())).await;
    let claimers: Vec<_> = (0..8)
        .map(|_| {
            let worker = f.other_worker();
            tokio::spawn(async move {
                let mut mine = Vec::new();
                loop {
                    let claimed = worker.claim(7).await;
                    if claimed.is_empty() {
                        return mine;
                    }
                    mine.extend(claimed.into_iter().map(|claimed| claimed.lease.task));
                }
            })
        })
        .collect();
    let mut seen = BTreeSet::new();
    for claimer in claimers {
        for task in claimer.await.unwrap() {
            assert!(seen.insert(task), "task {task} was given twice");
        }
    }
    assert_eq!(seen.len(), TASKS, "every task was given");
}

pub async fn the_extremes_of_priority_are_kept(f: Fixture) {
    let job = f.job().await;
    let plan = PlanSketch::new(&job, &[]).step(&[], &[]).build();
    for priority in [i16::MIN, 0, i16::MAX] {
        f.enqueue(NewRun { priority, ..f.new_run(&job, plan.clone()) }).await;
    }
    let order: Vec<_> = {
        let mut order = Vec::new();
        for claimed in f.claim(3).await {
            order.push(f.run(claimed.lease.run).await.priority);
        }
        order
    };
    assert_eq!(order, [i16::MAX, 0, i16::MIN]);
}
