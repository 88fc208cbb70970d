//! Tasks that ended badly for good.

use serde_json::json;

use super::kind;
use crate::{
    ErrorKind,
    id::{LetterId, RunId},
    run::{RunStatus, TaskStatus, plan::Join},
    store::{DeadLetter, NewRun, Page, Repeats, RunRecord},
    testing::store::{Fixture, PlanSketch},
};

async fn letters(f: &Fixture) -> Vec<DeadLetter> {
    f.store.list_dead_letters(f.tenant, None, Fixture::ALL).await.unwrap().items
}

/// A run of one task that ended so.
async fn ended(f: &Fixture, status: TaskStatus) -> RunRecord {
    let run = f.single().await;
    f.end(f.claim_one().await.lease, status).await;
    run
}

/// What is enqueued in place of the letters of a run.
async fn again(f: &Fixture, run: &RunRecord) -> NewRun {
    let plan = f.store.run_plan(f.tenant, run.id).await.unwrap();
    let job = f.store.job(f.tenant, run.job).await.unwrap();
    NewRun { parent: Some(run.id), ..f.new_run(&job, plan) }
}

pub async fn a_task_that_failed_or_was_lost_leaves_one(f: Fixture) {
    let (job, target) = (f.job().await, f.targets(1).await[0]);
    let plan = PlanSketch::new(&job, &[target]).step(&[0], &[]).step(&[0], &[(0, Join::PerTarget)]).build();
    let run = f.enqueue(f.new_run(&job, plan)).await;
    let claimed = f.claim_one().await;
    f.end(claimed.lease, TaskStatus::Failed).await;
    let lost = ended(&f, TaskStatus::Lost).await;
    let found = letters(&f).await;
    assert_eq!(found.iter().map(|letter| letter.run).collect::<Vec<_>>(), [lost.id, run.id]);
    assert_eq!(found[0].topic, "task.lost");
    let letter = &found[1];
    assert_eq!((letter.topic.as_str(), letter.task), ("task.failed", claimed.lease.task));
    assert_eq!(letter.error.as_deref(), Some("because"));
    let payload = json!({
        "job": job.name, "jobVersion": 1, "step": "step0", "kind": "test.noop",
        "target": format!("target-{target}"), "attempt": 1,
    });
    assert_eq!(letter.payload, payload, "no parameters and no output");
    assert_eq!(letter.created_at, f.run(run.id).await.finished_at.unwrap());
    assert_eq!(f.store.dead_letter(f.tenant, letter.id).await.unwrap(), *letter);
}

pub async fn what_is_handled_leaves_none(f: Fixture) {
    for status in [TaskStatus::Succeeded, TaskStatus::Aborted, TaskStatus::Skipped] {
        ended(&f, status).await;
    }
    let job = f.job().await;
    let may_fail = PlanSketch::new(&job, &[]).step(&[], &[]).continue_on_error().build();
    f.enqueue(f.new_run(&job, may_fail)).await;
    f.end(f.claim_one().await.lease, TaskStatus::Failed).await;
    let retried = f.single().await;
    let held = f.claim_one().await.lease;
    f.store.requeue(vec![Fixture::requeue(held, std::time::Duration::ZERO)]).await.unwrap();
    let held = f.claim_one().await.lease;
    f.end(held, TaskStatus::Succeeded).await;
    assert_eq!(f.run(retried.id).await.status, RunStatus::Succeeded);
    let canceled = f.single().await;
    let held = f.claim_one().await.lease;
    f.store.cancel_run(f.tenant, canceled.id, "seen").await.unwrap();
    f.end(held, TaskStatus::Lost).await;
    assert_eq!(letters(&f).await, []);
}

pub async fn a_repeat_and_a_stale_lease_leave_no_second(f: Fixture) {
    f.single().await;
    let held = f.claim_one().await.lease;
    let twice =
        vec![Fixture::completion(held, TaskStatus::Failed), Fixture::completion(held, TaskStatus::Failed)];
    f.store.complete(twice).await.unwrap();
    f.finish(held, TaskStatus::Failed).await;
    assert_eq!(letters(&f).await.len(), 1);
}

pub async fn they_are_listed_in_parts_and_by_run(f: Fixture) {
    let run = f.wide(3).await;
    for claimed in f.claim(3).await {
        f.end(claimed.lease, TaskStatus::Failed).await;
    }
    ended(&f, TaskStatus::Failed).await;
    let all = letters(&f).await;
    assert_eq!(all.len(), 4);
    assert!(all.windows(2).all(|pair| pair[0].id > pair[1].id), "newest first");
    let part = f.store.list_dead_letters(f.tenant, None, Page { skip: 1, limit: 2 }).await.unwrap();
    assert_eq!((part.items.as_slice(), part.total), (&all[1..3], 4));
    let of_run = f.store.list_dead_letters(f.tenant, Some(run.id), Fixture::ALL).await.unwrap();
    assert_eq!((of_run.items.as_slice(), of_run.total), (&all[1..], 3));
}

pub async fn one_that_is_discarded_is_gone(f: Fixture) {
    let run = ended(&f, TaskStatus::Failed).await;
    let id = letters(&f).await[0].id;
    f.store.discard_dead_letter(f.tenant, id).await.unwrap();
    assert_eq!(letters(&f).await, []);
    assert_eq!(kind(f.store.discard_dead_letter(f.tenant, id).await), ErrorKind::NotFound);
    assert_eq!(kind(f.store.dead_letter(f.tenant, id).await), ErrorKind::NotFound);
    assert_eq!(f.statuses(run.id).await, [TaskStatus::Failed], "the history stays");
}

pub async fn a_redrive_puts_a_run_in_their_place(f: Fixture) {
    let run = f.wide(2).await;
    for claimed in f.claim(2).await {
        f.end(claimed.lease, TaskStatus::Failed).await;
    }
    let other = ended(&f, TaskStatus::Failed).await;
    let enqueued = f.store.redrive(f.tenant, run.id, again(&f, &run).await).await.unwrap();
    assert_eq!(enqueued.run.parent, Some(run.id));
    assert_eq!(letters(&f).await.iter().map(|letter| letter.run).collect::<Vec<_>>(), [other.id]);
    let claimed = f.claim(10).await;
    assert!(claimed.len() == 2 && claimed.iter().all(|claimed| claimed.lease.run == enqueued.run.id));
    let repeat = f.store.redrive(f.tenant, run.id, again(&f, &run).await).await;
    assert_eq!(kind(repeat), ErrorKind::NotFound, "once");
}

pub async fn a_redrive_that_cannot_be_changes_nothing(f: Fixture) {
    let alive = f.wide(2).await;
    f.end(f.claim(2).await[0].lease, TaskStatus::Failed).await;
    let early = f.store.redrive(f.tenant, alive.id, again(&f, &alive).await).await;
    assert_eq!(kind(early), ErrorKind::Conflict);
    let over = ended(&f, TaskStatus::Failed).await;
    let wrong = NewRun { parent: Some(RunId::new(999_999)), ..again(&f, &over).await };
    assert_eq!(kind(f.store.redrive(f.tenant, over.id, wrong).await), ErrorKind::NotFound);
    assert_eq!(letters(&f).await.len(), 2);
    assert!(f.claim(10).await.is_empty());
    let good = ended(&f, TaskStatus::Succeeded).await;
    assert_eq!(kind(f.store.redrive(f.tenant, good.id, again(&f, &good).await).await), ErrorKind::NotFound);
}

pub async fn of_redrives_at_once_one_enqueues(f: Fixture) {
    let run = ended(&f, TaskStatus::Failed).await;
    let callers: Vec<_> = {
        let mut callers = Vec::new();
        for _ in 0..4 {
            let (store, tenant, new) = (f.store.clone(), f.tenant, again(&f, &run).await);
            callers.push(tokio::spawn(async move { store.redrive(tenant, run.id, new).await.is_ok() }));
        }
        callers
    };
    let mut enqueued = 0;
    for caller in callers {
        enqueued += usize::from(caller.await.unwrap());
    }
    assert_eq!((enqueued, f.claim(10).await.len()), (1, 1));
}

pub async fn tenants_see_their_own(f: Fixture) {
    let other = f.other_tenant().await;
    let run = other.single().await;
    other.end(other.claim_one().await.lease, TaskStatus::Failed).await;
    let theirs = letters(&other).await;
    assert_eq!((theirs.len(), letters(&f).await.len()), (1, 0));
    assert_eq!(kind(f.store.dead_letter(f.tenant, theirs[0].id).await), ErrorKind::NotFound);
    assert_eq!(kind(f.store.discard_dead_letter(f.tenant, theirs[0].id).await), ErrorKind::NotFound);
    let job = f.job().await;
    let new = f.new_run(&job, PlanSketch::new(&job, &[]).step(&[], &[]).build());
    assert_eq!(kind(f.store.redrive(f.tenant, run.id, new).await), ErrorKind::NotFound);
    assert_eq!(kind(f.store.dead_letter(f.tenant, LetterId::new(999)).await), ErrorKind::NotFound);
    assert_eq!(letters(&other).await.len(), 1);
}

pub async fn a_run_is_repeated_with_or_without_letters(f: Fixture) {
    let failed = ended(&f, TaskStatus::Failed).await;
    let succeeded = ended(&f, TaskStatus::Succeeded).await;
    let other = ended(&f, TaskStatus::Failed).await;
    for run in [&failed, &succeeded] {
        let enqueued = f.store.repeat(f.tenant, run.id, again(&f, run).await, Repeats::Often).await.unwrap();
        assert_eq!(enqueued.run.parent, Some(run.id));
        assert_eq!(f.end(f.claim_one().await.lease, TaskStatus::Succeeded).await, Some(RunStatus::Succeeded));
    }
    assert_eq!(letters(&f).await.iter().map(|letter| letter.run).collect::<Vec<_>>(), [other.id]);
    let more = f.store.repeat(f.tenant, failed.id, again(&f, &failed).await, Repeats::Often).await.unwrap();
    assert_eq!(more.run.parent, Some(failed.id), "what did it again is over");
}

pub async fn a_run_is_not_repeated_while_it_or_its_repeat_goes_on(f: Fixture) {
    let run = f.single().await;
    let held = f.claim_one().await.lease;
    assert_eq!(
        kind(f.store.repeat(f.tenant, run.id, again(&f, &run).await, Repeats::Often).await),
        ErrorKind::Conflict
    );
    f.end(held, TaskStatus::Failed).await;
    f.store.repeat(f.tenant, run.id, again(&f, &run).await, Repeats::Often).await.unwrap();
    assert_eq!(
        kind(f.store.repeat(f.tenant, run.id, again(&f, &run).await, Repeats::Often).await),
        ErrorKind::Conflict
    );
    let held = f.claim_one().await.lease;
    assert_eq!(
        kind(f.store.repeat(f.tenant, run.id, again(&f, &run).await, Repeats::Often).await),
        ErrorKind::Conflict
    );
    f.end(held, TaskStatus::Failed).await;
    let left = letters(&f).await.len();
    let other = f.other_tenant().await;
    let astray = other.store.repeat(other.tenant, run.id, again(&f, &run).await, Repeats::Often).await;
    assert_eq!(kind(astray), ErrorKind::NotFound);
    let wrong = NewRun { parent: Some(RunId::new(999_999)), ..again(&f, &run).await };
    assert_eq!(kind(f.store.repeat(f.tenant, run.id, wrong, Repeats::Often).await), ErrorKind::NotFound);
    assert_eq!((letters(&f).await.len(), f.claim(10).await.len()), (left, 0), "nothing changed");
}

pub async fn what_stands_in_the_place_of_a_run_is_repeated_in_its_place(f: Fixture) {
    let first = ended(&f, TaskStatus::Failed).await;
    let again_of = async |run: &RunRecord, repeats| {
        f.store.repeat(f.tenant, run.id, again(&f, run).await, repeats).await.map(|enqueued| enqueued.run)
    };
    let second = again_of(&first, Repeats::Once).await.unwrap();
    f.end(f.claim_one().await.lease, TaskStatus::Failed).await;
    let refused = again_of(&first, Repeats::Once).await.unwrap_err();
    assert_eq!(refused.kind(), ErrorKind::Conflict, "once");
    // Their own child goes on, or that of a child, or one that came of the same first run.
    let third = again_of(&second, Repeats::Once).await.unwrap();
    for run in [&first, &second] {
        assert_eq!(kind(again_of(run, Repeats::Often).await), ErrorKind::Conflict);
    }
    f.end(f.claim_one().await.lease, TaskStatus::Failed).await;
    again_of(&first, Repeats::Often).await.unwrap();
    for run in [&second, &third] {
        assert_eq!(kind(again_of(run, Repeats::Often).await), ErrorKind::Conflict);
    }
    let letter = f.store.redrive(f.tenant, third.id, again(&f, &third).await).await;
    assert_eq!(kind(letter), ErrorKind::Conflict, "a redrive does the same");
    f.end(f.claim_one().await.lease, TaskStatus::Succeeded).await;
    f.store.redrive(f.tenant, third.id, again(&f, &third).await).await.unwrap();
    assert_eq!(f.claim(10).await.len(), 1, "what was refused enqueued nothing");
}

pub async fn of_repeats_and_redrives_at_once_one_enqueues(f: Fixture) {
    let run = ended(&f, TaskStatus::Failed).await;
    let mut callers = Vec::new();
    for number in 0..6 {
        let (store, tenant, new) = (f.store.clone(), f.tenant, again(&f, &run).await);
        callers.push(tokio::spawn(async move {
            match number % 2 {
                0 => store.repeat(tenant, run.id, new, Repeats::Often).await.is_ok(),
                _ => store.redrive(tenant, run.id, new).await.is_ok(),
            }
        }));
    }
    let mut enqueued = 0;
    for caller in callers {
        enqueued += usize::from(caller.await.unwrap());
    }
    assert_eq!((enqueued, f.claim(10).await.len()), (1, 1));
}
