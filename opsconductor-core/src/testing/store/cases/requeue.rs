//! Tasks go back to the queue.

use std::time::Duration;

use super::kind;
use crate::{
    ErrorKind,
    id::WorkerId,
    run::{EventKind, RunStatus, TaskStatus},
    store::{Lease, Requeue, Settled},
    testing::store::Fixture,
};

pub async fn a_task_goes_back_and_is_tried_again(f: Fixture) {
    let run = f.single().await;
    let first = f.claim_one().await;
    f.clock.advance(Duration::from_secs(1));
    let answers = f.store.requeue(vec![Fixture::requeue(first.lease, Duration::ZERO)]).await.unwrap();
    assert_eq!(answers, [true]);
    let task = f.tasks(run.id).await.remove(0);
    assert_eq!((task.status, task.attempt, task.finished_at), (TaskStatus::Queued, 1, None));
    assert_eq!(f.run(run.id).await.status, RunStatus::Running, "a run that began stays begun");
    let second = f.other_worker().claim_one().await;
    assert_eq!((second.lease.task, second.attempt), (first.lease.task, 2));
    assert!(second.lease.epoch > first.lease.epoch);
    let events = f.events(run.id).await;
    assert_eq!(events[3].kind, EventKind::StepRequeued { reason: "again".to_owned() });
    assert_eq!(events[4].kind, EventKind::StepStarted { attempt: 2 });
    f.end(second.lease, TaskStatus::Succeeded).await;
    let attempts = f.store.attempts(f.tenant, run.id, task.id).await.unwrap();
    let kept: Vec<_> = attempts.iter().map(|a| (a.attempt, a.worker, a.status)).collect();
    let expected = [(1, f.worker, TaskStatus::Failed), (2, second.lease.worker, TaskStatus::Succeeded)];
    assert_eq!(kept, expected);
    assert_eq!(attempts[0].reason.as_deref(), Some("again"));
    assert_eq!(attempts[0].finished_at - attempts[0].started_at, chrono::TimeDelta::seconds(1));
}

pub async fn a_lease_that_gave_back_is_over(f: Fixture) {
    f.single().await;
    let lease = f.claim_one().await.lease;
    let back = Fixture::requeue(lease, Duration::ZERO);
    assert_eq!(f.store.requeue(vec![back.clone()]).await.unwrap(), [true]);
    assert_eq!(f.store.requeue(vec![back.clone()]).await.unwrap(), [false], "not twice");
    assert_eq!(f.finish(lease, TaskStatus::Succeeded).await, Settled::Stale);
    let piece = Fixture::piece(lease, 1, "x");
    assert_eq!(f.store.append_output(vec![piece]).await.unwrap(), [false]);
    f.claim_one().await;
    assert_eq!(f.store.requeue(vec![back]).await.unwrap(), [false], "nor after the next claim");
}

pub async fn a_stale_lease_gives_nothing_back(f: Fixture) {
    let run = f.wide(2).await;
    let claimed = f.claim(2).await;
    let stale = Lease { worker: WorkerId::generate(), ..claimed[0].lease };
    let asked =
        vec![Fixture::requeue(stale, Duration::ZERO), Fixture::requeue(claimed[1].lease, Duration::ZERO)];
    assert_eq!(f.store.requeue(asked).await.unwrap(), [false, true]);
    assert_eq!(f.statuses(run.id).await, [TaskStatus::Running, TaskStatus::Queued]);
}

pub async fn an_attempt_ends_in_a_final_status(f: Fixture) {
    let run = f.single().await;
    let lease = f.claim_one().await.lease;
    let open = Requeue { attempt_status: TaskStatus::Running, ..Fixture::requeue(lease, Duration::ZERO) };
    assert_eq!(kind(f.store.requeue(vec![open]).await), ErrorKind::InvalidInput);
    assert_eq!(f.statuses(run.id).await, [TaskStatus::Running]);
}

pub async fn in_a_canceled_run_it_ends_instead(f: Fixture) {
    let run = f.single().await;
    let lease = f.claim_one().await.lease;
    f.store.cancel_run(f.tenant, run.id, "enough").await.unwrap();
    let answers = f.store.requeue(vec![Fixture::requeue(lease, Duration::ZERO)]).await.unwrap();
    assert_eq!(answers, [true]);
    let task = f.tasks(run.id).await.remove(0);
    assert_eq!((task.status, task.attempt), (TaskStatus::Aborted, 1));
    assert_eq!(task.reason.as_deref(), Some("enough"), "the reason is the cancel's");
    assert!(task.started_at.is_some());
    assert_eq!(f.run(run.id).await.status, RunStatus::Canceled);
    assert!(f.claim(10).await.is_empty());
    assert_eq!(f.event_names(run.id).await[3..], ["step.finished", "run.finished"]);
    assert_eq!(f.store.attempts(f.tenant, run.id, task.id).await.unwrap().len(), 1);
}
