//! The parts of a run, batches of targets, and how long it may take.

use std::time::Duration;

use crate::{
    ErrorKind,
    id::RunId,
    run::{EventKind, Join, RunStatus, Runs, TaskStatus},
    store::{Claimed, LeaseState, Limit, LimitScope, RunRecord},
    testing::store::{Fixture, PlanSketch},
};

use TaskStatus::{Aborted, Failed, Queued, Running, Skipped, Succeeded, Waiting};

/// A step, one that follows a failure, and two that are done in any case, one after the other.
async fn with_parts(f: &Fixture) -> RunRecord {
    let job = f.job().await;
    let plan = PlanSketch::new(&job, &[])
        .step(&[], &[])
        .step(&[], &[])
        .runs(Runs::OnFailure)
        .step(&[], &[])
        .runs(Runs::Always)
        .step(&[], &[(2, Join::Barrier)])
        .runs(Runs::Always);
    f.enqueue(f.new_run(&job, plan.build())).await
}

/// Ends the one task that is ready, which is of `step`.
async fn end_one(f: &Fixture, step: u32, status: TaskStatus) -> Option<RunStatus> {
    let claimed = f.claim_one().await;
    assert_eq!(claimed.step, step);
    f.end(claimed.lease, status).await
}

async fn reason(f: &Fixture, run: RunId, task: usize) -> String {
    f.tasks(run).await.remove(task).reason.unwrap()
}

pub async fn what_is_done_in_any_case_comes_last(f: Fixture) {
    let run = with_parts(&f).await;
    assert_eq!(f.statuses(run.id).await, [Queued, Waiting, Waiting, Waiting]);
    assert_eq!(end_one(&f, 0, Succeeded).await, None);
    assert_eq!(f.statuses(run.id).await, [Succeeded, Skipped, Queued, Waiting]);
    assert!(reason(&f, run.id, 1).await.contains("has not failed"));
    let skipped = f.events(run.id).await.into_iter().find_map(|event| match event.kind {
        EventKind::StepFinished { status: Skipped, .. } => event.step,
        _ => None,
    });
    assert_eq!(skipped, Some(1), "its end is told");
    assert_eq!(end_one(&f, 2, Succeeded).await, None);
    assert_eq!(end_one(&f, 3, Succeeded).await, Some(RunStatus::Succeeded));
}

pub async fn what_follows_a_failure_comes_before_it(f: Fixture) {
    let run = with_parts(&f).await;
    assert_eq!(end_one(&f, 0, Failed).await, None);
    assert_eq!(f.statuses(run.id).await, [Failed, Queued, Waiting, Waiting]);
    assert_eq!(end_one(&f, 1, Succeeded).await, None);
    assert_eq!(end_one(&f, 2, Succeeded).await, None);
    assert_eq!(end_one(&f, 3, Succeeded).await, Some(RunStatus::Failed), "what failed stays failed");
}

pub async fn a_failure_in_it_fails_the_run_and_holds_back_nothing_of_it(f: Fixture) {
    let run = with_parts(&f).await;
    end_one(&f, 0, Succeeded).await;
    assert_eq!(end_one(&f, 2, Failed).await, None);
    assert_eq!(f.statuses(run.id).await, [Succeeded, Skipped, Failed, Queued]);
    assert_eq!(end_one(&f, 3, Succeeded).await, Some(RunStatus::Failed));
}

pub async fn what_may_fail_is_no_failure(f: Fixture) {
    let job = f.job().await;
    let plan =
        PlanSketch::new(&job, &[]).step(&[], &[]).continue_on_error().step(&[], &[]).runs(Runs::OnFailure);
    let run = f.enqueue(f.new_run(&job, plan.build())).await;
    assert_eq!(end_one(&f, 0, Failed).await, Some(RunStatus::Succeeded));
    assert_eq!(f.statuses(run.id).await, [Failed, Skipped]);
}

pub async fn a_cancel_spares_what_is_done_in_any_case(f: Fixture) {
    let run = with_parts(&f).await;
    let lease = f.claim_one().await.lease;
    let canceled = f.store.cancel_run(f.tenant, run.id, "enough").await.unwrap();
    assert_eq!((canceled.status, canceled.cancel_requested), (RunStatus::Running, true));
    assert_eq!(f.statuses(run.id).await, [Running, Aborted, Waiting, Waiting]);
    assert_eq!(f.store.renew(&[lease], Fixture::TTL).await.unwrap(), [LeaseState::Canceled]);
    let again = f.store.cancel_run(f.tenant, run.id, "enough").await.unwrap();
    assert_eq!(again, canceled, "a repeat changes nothing");
    assert_eq!(f.end(lease, Aborted).await, None);
    let last = f.claim_one().await;
    assert_eq!(last.step, 2);
    assert_eq!(f.store.renew(&[last.lease], Fixture::TTL).await.unwrap(), [LeaseState::Held]);
    f.store.record_dispatch(&last.lease, &Fixture::handle("last")).await.unwrap();
    f.clock.advance(Fixture::TTL);
    let expired = f.store.take_expired(f.worker, 1, Fixture::TTL).await.unwrap();
    assert!(!expired[0].canceled && expired[0].dispatched.is_some());
    f.store.requeue(vec![Fixture::requeue(expired[0].claimed.lease, Duration::ZERO)]).await.unwrap();
    assert_eq!(end_one(&f, 2, Succeeded).await, None);
    assert_eq!(end_one(&f, 3, Succeeded).await, Some(RunStatus::Canceled));
}

pub async fn a_queued_run_that_is_canceled_does_it_too(f: Fixture) {
    let run = with_parts(&f).await;
    let canceled = f.store.cancel_run(f.tenant, run.id, "enough").await.unwrap();
    assert!(!canceled.status.is_final());
    assert_eq!(f.statuses(run.id).await, [Aborted, Aborted, Queued, Waiting]);
    end_one(&f, 2, Succeeded).await;
    assert_eq!(end_one(&f, 3, Succeeded).await, Some(RunStatus::Canceled));
}

pub async fn a_cancel_that_comes_again_when_nothing_else_is_left_ends_it(f: Fixture) {
    let run = with_parts(&f).await;
    f.store.cancel_run(f.tenant, run.id, "enough").await.unwrap();
    let lease = f.claim_one().await.lease;
    f.store.cancel_run(f.tenant, run.id, "now").await.unwrap();
    assert_eq!(f.statuses(run.id).await, [Aborted, Aborted, Running, Aborted]);
    assert_eq!(f.store.renew(&[lease], Fixture::TTL).await.unwrap(), [LeaseState::Canceled]);
    let refused = f.store.record_dispatch(&lease, &Fixture::handle("late")).await.unwrap_err();
    assert_eq!(refused.kind(), ErrorKind::Canceled);
    assert_eq!(f.end(lease, Aborted).await, Some(RunStatus::Canceled));
}

pub async fn batches_go_one_after_the_other(f: Fixture) {
    let (job, targets) = (f.job().await, f.targets(5).await);
    let plan = PlanSketch::new(&job, &targets).step(&[0, 1, 2, 3, 4], &[]).batches(&[1, 2], None);
    let run = f.enqueue(f.new_run(&job, plan.build())).await;
    let mut seen = Vec::new();
    loop {
        let claimed = f.claim(10).await;
        seen.push(claimed.len());
        let mut over = None;
        for (at, task) in claimed.iter().enumerate() {
            assert!(f.claim(10).await.is_empty(), "the batch has not ended");
            let status = if at == 0 && seen.len() == 2 { Failed } else { Succeeded };
            over = f.end(task.lease, status).await;
        }
        if over.is_some() {
            assert_eq!(over, Some(RunStatus::Failed));
            break;
        }
    }
    assert_eq!(seen, [1, 2, 2]);
    assert_eq!(f.statuses(run.id).await, [Succeeded, Failed, Succeeded, Succeeded, Succeeded]);
}

pub async fn a_batch_waits_for_the_steps_before_it_too(f: Fixture) {
    let (job, targets) = (f.job().await, f.targets(3).await);
    let plan = PlanSketch::new(&job, &targets)
        .step(&[0, 1, 2], &[])
        .step(&[0, 1, 2], &[(0, Join::PerTarget)])
        .batches(&[1], None);
    let run = f.enqueue(f.new_run(&job, plan.build())).await;
    let first = f.claim(10).await;
    // The second drops out before it had its turn; the third is ready before it has it.
    f.end(first[1].lease, Failed).await;
    f.end(first[2].lease, Succeeded).await;
    assert_eq!(f.statuses(run.id).await[3..], [Waiting, Aborted, Waiting]);
    f.end(first[0].lease, Succeeded).await;
    let claimed = f.claim_one().await;
    assert_eq!(claimed.target, Some(targets[0]));
    f.end(claimed.lease, Succeeded).await;
    let claimed = f.claim_one().await;
    assert_eq!(claimed.target, Some(targets[2]));
    assert_eq!(f.end(claimed.lease, Succeeded).await, Some(RunStatus::Failed));
}

pub async fn a_batch_that_fails_whole_gives_the_step_up(f: Fixture) {
    let (job, targets) = (f.job().await, f.targets(4).await);
    let plan = PlanSketch::new(&job, &targets)
        .step(&[0, 1, 2, 3], &[])
        .batches(&[2], None)
        .step(&[0, 1, 2, 3], &[(0, Join::PerTarget)]);
    let run = f.enqueue(f.new_run(&job, plan.build())).await;
    let claimed = f.claim(10).await;
    assert_eq!(f.end(claimed[0].lease, Failed).await, None);
    assert_eq!(f.end(claimed[1].lease, Failed).await, Some(RunStatus::Failed));
    let stand = f.statuses(run.id).await;
    assert_eq!(stand[..4], [Failed, Failed, Aborted, Aborted]);
    assert!(stand[4..].iter().all(|status| *status == Aborted));
    assert!(reason(&f, run.id, 2).await.contains("a whole batch failed"));
}

pub async fn too_many_failures_give_the_step_up(f: Fixture) {
    let (job, targets) = (f.job().await, f.targets(4).await);
    let plan = PlanSketch::new(&job, &targets)
        .step(&[0, 1, 2, 3], &[])
        .batches(&[], Some(25))
        .step(&[0, 1, 2, 3], &[(0, Join::PerTarget)]);
    let run = f.enqueue(f.new_run(&job, plan.build())).await;
    let claimed = f.claim(3).await;
    assert_eq!(f.end(claimed[0].lease, Failed).await, None);
    assert_eq!(f.statuses(run.id).await[3], Queued, "a quarter is not more than a quarter");
    assert_eq!(f.end(claimed[1].lease, Failed).await, None);
    let stand = f.statuses(run.id).await;
    assert_eq!(stand[..4], [Failed, Failed, Running, Aborted], "what runs goes on");
    assert_eq!(stand[4..], [Aborted, Aborted, Waiting, Aborted], "what follows what was given up does not");
    let why = reason(&f, run.id, 3).await;
    assert!(why.contains("2 of 4") && why.contains("25"), "{why}");
    f.end(claimed[2].lease, Succeeded).await;
    assert_eq!(f.end(f.claim_one().await.lease, Succeeded).await, Some(RunStatus::Failed));
    assert_eq!(f.store.queue_depth().await.unwrap(), (0, 0));
}

pub async fn a_run_over_its_time_stops_and_fails(f: Fixture) {
    let job = f.job().await;
    let plan = PlanSketch::new(&job, &[])
        .step(&[], &[])
        .step(&[], &[(0, Join::Barrier)])
        .step(&[], &[])
        .runs(Runs::OnFailure)
        .step(&[], &[])
        .runs(Runs::Always)
        .timeout_sec(60);
    let run = f.enqueue(f.new_run(&job, plan.build())).await;
    f.clock.advance(Duration::from_secs(100));
    assert!(f.store.stop_overdue(10).await.unwrap().is_empty(), "it counts from the first start");
    let lease = f.claim_one().await.lease;
    f.clock.advance(Duration::from_secs(59));
    assert!(f.store.stop_overdue(10).await.unwrap().is_empty());
    f.clock.advance(Duration::from_secs(1));
    assert!(f.store.stop_overdue(0).await.unwrap().is_empty());
    assert_eq!(f.store.stop_overdue(10).await.unwrap(), [run.id]);
    assert!(f.store.stop_overdue(10).await.unwrap().is_empty(), "once");
    assert_eq!(f.statuses(run.id).await, [Running, Aborted, Waiting, Waiting]);
    assert!(reason(&f, run.id, 1).await.contains("timeoutSec of 60 s"));
    assert!(!f.run(run.id).await.cancel_requested, "nobody canceled it");
    assert_eq!(f.store.renew(&[lease], Fixture::TTL).await.unwrap(), [LeaseState::Overdue]);
    let refused = f.store.record_dispatch(&lease, &Fixture::handle("late")).await.unwrap_err();
    assert_eq!(refused.kind(), ErrorKind::Canceled);
    assert_eq!(f.end(lease, Aborted).await, None);
    assert_eq!(end_one(&f, 2, Succeeded).await, None);
    assert_eq!(end_one(&f, 3, Succeeded).await, Some(RunStatus::Failed));
}

pub async fn so_many_tasks_of_a_run_go_at_once(f: Fixture) {
    let (job, targets) = (f.job().await, f.targets(5).await);
    let plan = PlanSketch::new(&job, &targets).step(&[0, 1, 2, 3, 4], &[]).max_parallel(2).build();
    let narrow = f.enqueue(f.new_run(&job, plan.clone())).await;
    let other = f.enqueue(f.new_run(&job, plan)).await;
    let wide = f.wide(3).await;
    // Claims that come at once cannot pass it together.
    let workers: Vec<_> = (0..4).map(|_| f.other_worker()).collect();
    let claimed =
        futures_util::future::join_all(workers.iter().map(|worker| worker.claim(10))).await.concat();
    let of =
        |run: &RunRecord, claimed: &[Claimed]| claimed.iter().filter(|task| task.lease.run == run.id).count();
    assert_eq!((of(&narrow, &claimed), of(&other, &claimed), of(&wide, &claimed)), (2, 2, 3));
    assert!(f.claim(10).await.is_empty());
    let mut held: Vec<_> =
        claimed.iter().filter(|task| task.lease.run == narrow.id).map(|task| task.lease).collect();
    f.end(held.remove(0), Succeeded).await;
    let next = f.claim(10).await;
    assert_eq!((next.len(), of(&narrow, &next)), (1, 1), "an end makes room for one");
    f.store.requeue(vec![Fixture::requeue(next[0].lease, Duration::ZERO)]).await.unwrap();
    let next = f.claim(10).await;
    assert_eq!((next.len(), of(&narrow, &next)), (1, 1), "and so does a way back");
    f.store.cancel_run(f.tenant, other.id, "enough").await.unwrap();
    assert!(f.claim(10).await.is_empty(), "what is canceled leaves its room to no other run");
    assert_eq!(f.store.list_limits(f.tenant, Fixture::ALL).await.unwrap().total, 0, "nobody set a limit");
    let refused =
        f.store.set_limit(f.tenant, LimitScope::Run(narrow.id), Limit::running(5)).await.unwrap_err();
    assert_eq!(refused.kind(), ErrorKind::InvalidInput);
    f.store.wake_limited().await.unwrap();
    held.push(next[0].lease);
    while !held.is_empty() {
        assert!(held.len() <= 2);
        for lease in std::mem::take(&mut held) {
            f.end(lease, Succeeded).await;
        }
        held.extend(f.claim(10).await.iter().map(|task| task.lease));
    }
    assert_eq!(f.run(narrow.id).await.status, RunStatus::Succeeded);
    f.store.wake_limited().await.unwrap();
    assert!(f.claim(1).await.is_empty());
}
