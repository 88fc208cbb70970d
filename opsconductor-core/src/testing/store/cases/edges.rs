//! What waits for what.

use super::kind;
use crate::{
    ErrorKind,
    id::TargetId,
    run::{EventKind, Join, RunStatus, TaskStatus, plan::TaskKey},
    store::{Claimed, RunRecord},
    testing::store::{Fixture, PlanSketch},
};

use TaskStatus::{Aborted, Failed, Queued, Running, Succeeded, Waiting};

async fn enqueue(f: &Fixture, targets: usize, sketch: impl FnOnce(PlanSketch) -> PlanSketch) -> RunRecord {
    let (job, ids) = (f.job().await, f.targets(targets).await);
    f.enqueue(f.new_run(&job, sketch(PlanSketch::new(&job, &ids)).build())).await
}

fn at(claimed: &[Claimed], step: u32, target: Option<TargetId>) -> &Claimed {
    claimed.iter().find(|task| task.step == step && task.target == target).unwrap()
}

pub async fn a_target_goes_on_by_itself_and_drops_out_when_it_fails(f: Fixture) {
    let run = enqueue(&f, 2, |plan| {
        plan.step(&[0, 1], &[]).step(&[0, 1], &[(0, Join::PerTarget)]).step(&[0, 1], &[(1, Join::PerTarget)])
    })
    .await;
    let claimed = f.claim(10).await;
    assert_eq!(claimed.len(), 2);
    assert_eq!(f.end(claimed[0].lease, Failed).await, None);
    let [a, b] = [0, 1].map(|index: usize| claimed[index].target);
    assert_eq!(f.statuses(run.id).await, [Failed, Running, Aborted, Waiting, Aborted, Waiting]);
    let dropped = f.tasks(run.id).await.remove(4);
    assert_eq!((dropped.target, dropped.attempt, dropped.started_at), (a, 0, None));
    assert!(dropped.finished_at.is_some() && dropped.reason.unwrap().contains("step1"));
    f.end(claimed[1].lease, Succeeded).await;
    assert_eq!(f.statuses(run.id).await, [Failed, Succeeded, Aborted, Queued, Aborted, Waiting]);
    f.end(at(&f.claim(10).await, 1, b).lease, Succeeded).await;
    assert_eq!(f.end(at(&f.claim(10).await, 2, b).lease, Succeeded).await, Some(RunStatus::Failed));
    let finished = f.events(run.id).await;
    let finished = finished.iter().filter(|event| matches!(event.kind, EventKind::StepFinished { .. }));
    assert_eq!(finished.count(), 6, "each task ends once");
}

pub async fn the_success_of_one_target_releases_that_target_alone(f: Fixture) {
    let run = enqueue(&f, 3, |plan| {
        plan.step(&[0, 1, 2], &[])
            .step(&[0, 1, 2], &[(0, Join::PerTarget)])
            .step(&[], &[])
            .step(&[], &[(2, Join::PerTarget)])
    })
    .await;
    let claimed = f.claim(10).await;
    f.end(claimed[1].lease, Succeeded).await;
    let stand = f.statuses(run.id).await;
    assert_eq!(stand[3..6], [Waiting, Queued, Waiting], "the middle one goes on");
    assert_eq!(stand[7], Waiting, "a step without targets is not meant either");
    f.end(claimed[0].lease, Failed).await;
    assert_eq!(
        f.statuses(run.id).await[3..6],
        [Aborted, Queued, Waiting],
        "nor does a failure touch the others"
    );
    f.end(claimed[3].lease, Succeeded).await;
    assert_eq!(f.statuses(run.id).await[7], Queued);
}

pub async fn a_target_that_a_step_shares_waits_for_its_own_and_any_other_for_nothing(f: Fixture) {
    let run = enqueue(&f, 3, |plan| {
        plan.step(&[1], &[])
            .step(&[0, 1], &[(0, Join::SharedTargets)])
            .step(&[0, 1], &[(1, Join::PerTarget)])
            .step(&[1, 2], &[(1, Join::SharedTargets)])
    })
    .await;
    let [t0, t1, t2] = [1, 0, 6].map(async |place| f.tasks(run.id).await[place].target);
    let (t0, t1, t2) = (t0.await, t1.await, t2.await);
    assert_eq!(f.statuses(run.id).await, [Queued, Queued, Waiting, Waiting, Waiting, Waiting, Queued]);
    let claimed = f.claim(10).await;
    assert_eq!(claimed.len(), 3);
    f.end(at(&claimed, 1, t0).lease, Succeeded).await;
    assert_eq!(f.statuses(run.id).await, [Running, Succeeded, Waiting, Queued, Waiting, Waiting, Running]);
    f.end(at(&claimed, 0, t1).lease, Failed).await;
    f.end(at(&claimed, 3, t2).lease, Succeeded).await;
    assert_eq!(f.statuses(run.id).await, [Failed, Succeeded, Aborted, Queued, Aborted, Aborted, Succeeded]);
    assert_eq!(f.end(f.claim_one().await.lease, Succeeded).await, Some(RunStatus::Failed));
}

pub async fn a_step_that_goes_whole_takes_only_the_targets_that_are_shared_with_it(f: Fixture) {
    let run = enqueue(&f, 3, |plan| {
        plan.step(&[], &[]).step(&[0, 1], &[(0, Join::Barrier)]).step(&[1, 2], &[(1, Join::SharedTargets)])
    })
    .await;
    let claimed = f.claim(10).await;
    assert_eq!(f.statuses(run.id).await, [Running, Waiting, Waiting, Waiting, Running]);
    f.end(at(&claimed, 0, None).lease, Failed).await;
    assert_eq!(f.statuses(run.id).await, [Failed, Aborted, Aborted, Aborted, Running]);
}

pub async fn how_each_task_ended_is_told_of_those_that_have(f: Fixture) {
    let run = enqueue(&f, 2, |plan| plan.step(&[0, 1], &[]).step(&[0, 1], &[(0, Join::PerTarget)])).await;
    let claimed = f.claim(10).await;
    f.end(claimed[0].lease, Failed).await;
    let key = |step, claimed: &Claimed| TaskKey { step, target: claimed.target };
    let [failed, other] = [&claimed[0], &claimed[1]];
    let outcomes = f.store.outcomes(f.tenant, run.id).await.unwrap();
    assert_eq!(outcomes, [(key(0, failed), Failed), (key(1, failed), Aborted)]);
    f.end(other.lease, Succeeded).await;
    f.end(f.claim_one().await.lease, Succeeded).await;
    let outcomes = f.store.outcomes(f.tenant, run.id).await.unwrap();
    let all = [(0, failed, Failed), (0, other, Succeeded), (1, failed, Aborted), (1, other, Succeeded)];
    assert_eq!(outcomes, all.map(|(step, task, status)| (key(step, task), status)));
    let elsewhere = f.other_tenant().await;
    assert_eq!(kind(f.store.outcomes(elsewhere.tenant, run.id).await), ErrorKind::NotFound);
}

pub async fn a_barrier_waits_for_all(f: Fixture) {
    let run = enqueue(&f, 3, |plan| plan.step(&[0, 1], &[]).step(&[2, 0], &[(0, Join::Barrier)])).await;
    let claimed = f.claim(10).await;
    f.end(claimed[0].lease, Succeeded).await;
    assert_eq!(f.statuses(run.id).await, [Succeeded, Running, Waiting, Waiting]);
    assert!(f.claim(10).await.is_empty());
    f.end(claimed[1].lease, Succeeded).await;
    assert_eq!(f.statuses(run.id).await, [Succeeded, Succeeded, Queued, Queued]);
    let claimed = f.claim(10).await;
    f.end(claimed[0].lease, Succeeded).await;
    assert_eq!(f.end(claimed[1].lease, Succeeded).await, Some(RunStatus::Succeeded));
}

pub async fn a_barrier_behind_a_failure_aborts_all_that_follows(f: Fixture) {
    let run = enqueue(&f, 3, |plan| {
        plan.step(&[0, 1], &[]).step(&[], &[(0, Join::Barrier)]).step(&[2], &[(1, Join::Barrier)])
    })
    .await;
    let claimed = f.claim(10).await;
    let batch =
        vec![Fixture::completion(claimed[0].lease, Failed), Fixture::completion(claimed[1].lease, Succeeded)];
    f.store.complete(batch).await.unwrap();
    assert_eq!(f.statuses(run.id).await, [Failed, Succeeded, Aborted, Aborted]);
    assert_eq!(f.run(run.id).await.status, RunStatus::Failed);
    assert_eq!(f.store.queue_depth().await.unwrap(), (0, 0));
    let names = f.event_names(run.id).await;
    assert_eq!(names[4..], ["step.finished"; 4].iter().copied().chain(["run.finished"]).collect::<Vec<_>>());
}

pub async fn a_task_with_two_edges_waits_for_both(f: Fixture) {
    let run = enqueue(&f, 1, |plan| {
        plan.step(&[0], &[]).step(&[], &[]).step(&[0], &[(0, Join::PerTarget), (1, Join::Barrier)])
    })
    .await;
    let claimed = f.claim(10).await;
    f.end(claimed[0].lease, Succeeded).await;
    assert_eq!(f.statuses(run.id).await[2], Waiting);
    f.end(claimed[1].lease, Succeeded).await;
    assert_eq!(f.statuses(run.id).await[2], Queued);
}

pub async fn a_step_may_fail_without_harm(f: Fixture) {
    let run = enqueue(&f, 2, |plan| {
        plan.step(&[0, 1], &[])
            .continue_on_error()
            .step(&[0, 1], &[(0, Join::PerTarget)])
            .step(&[], &[(0, Join::Barrier), (1, Join::Barrier)])
    })
    .await;
    for status in [Failed, Succeeded, Succeeded] {
        let batch = f.claim(10).await.into_iter().map(|task| Fixture::completion(task.lease, status));
        f.store.complete(batch.collect()).await.unwrap();
    }
    assert_eq!(f.statuses(run.id).await, [Failed, Failed, Succeeded, Succeeded, Succeeded]);
    assert_eq!(f.run(run.id).await.status, RunStatus::Succeeded);
}

pub async fn released_tasks_of_older_runs_go_first(f: Fixture) {
    let older = enqueue(&f, 0, |plan| plan.step(&[], &[]).step(&[], &[(0, Join::PerTarget)])).await;
    let first = f.claim_one().await;
    f.clock.advance(std::time::Duration::from_secs(1));
    let younger = f.single().await;
    f.end(first.lease, Succeeded).await;
    let order: Vec<_> = f.claim(10).await.iter().map(|task| task.lease.run).collect();
    assert_eq!(order, [older.id, younger.id]);
}
