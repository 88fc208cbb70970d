//! Tasks that wait for their time or for a person.

use std::time::Duration;

use crate::{
    ErrorKind,
    id::RunId,
    run::{EventKind, RunStatus, TaskStatus, plan::Join},
    store::{Decision, Lease, Page, Question, Requeue, Suspended, WaitsFor},
    testing::store::{Fixture, PlanSketch},
};

use TaskStatus::{Aborted, Lost, Queued, Succeeded, Waiting};

const HOUR: Duration = Duration::from_secs(3_600);

async fn suspend(f: &Fixture, lease: Lease, waits_for: WaitsFor) {
    let requeue = Requeue { suspend: Some(waits_for), attempt_status: Lost, ..Fixture::requeue(lease, HOUR) };
    assert_eq!(f.store.requeue(vec![requeue]).await.unwrap(), [true]);
}

fn decision(approved: bool) -> Decision {
    Decision { approved, by: "eve".to_owned(), note: Some("ünlikely".to_owned()) }
}

async fn decide(f: &Fixture, run: RunId, approved: bool) -> crate::Result<()> {
    f.store.decide(f.tenant, run, 0, None, decision(approved)).await
}

pub async fn a_task_waits_for_its_time_and_holds_nothing(f: Fixture) {
    let run = f.single().await;
    let queued_at = f.run(run.id).await.queued_at;
    let first = f.claim_one().await;
    assert_eq!(f.store.suspended(&first.lease).await.unwrap(), None, "it never waited");
    suspend(&f, first.lease, WaitsFor::Time).await;
    let task = f.tasks(run.id).await.remove(0);
    assert_eq!((task.status, task.attempt), (Waiting, 1));
    assert_eq!(f.store.queue_depth().await.unwrap(), (0, 0), "it is nobody's work");
    assert_eq!(f.store.next_due().await.unwrap(), Some(queued_at + HOUR));
    f.clock.advance(HOUR - Duration::from_micros(1));
    assert!(f.claim(1).await.is_empty());
    assert_eq!(decide(&f, run.id, true).await.unwrap_err().kind(), ErrorKind::InvalidInput);
    f.clock.advance(Duration::from_micros(1));
    let again = f.claim_one().await;
    assert_eq!(again.attempt, 1, "the attempt goes on");
    let waited = Suspended { waits_for: WaitsFor::Time, decision: None };
    assert_eq!(f.store.suspended(&again.lease).await.unwrap(), Some(waited));
    assert_eq!(f.store.suspended(&first.lease).await.unwrap_err().kind(), ErrorKind::LeaseLost);
    assert_eq!(f.end(again.lease, Succeeded).await, Some(RunStatus::Succeeded));
    let attempts = f.store.attempts(f.tenant, run.id, again.lease.task).await.unwrap();
    assert_eq!(attempts.iter().map(|attempt| attempt.attempt).collect::<Vec<_>>(), [1]);
}

pub async fn an_answer_makes_a_task_ready_and_is_found(f: Fixture) {
    for approved in [true, false] {
        let run = f.single().await;
        suspend(&f, f.claim_one().await.lease, WaitsFor::Approval).await;
        assert!(f.claim(1).await.is_empty());
        decide(&f, run.id, approved).await.unwrap();
        assert_eq!(f.statuses(run.id).await, [Queued]);
        let told = f.events(run.id).await.pop().unwrap();
        let EventKind::StepRequeued { reason } = told.kind else { panic!("{told:?}") };
        assert!(reason.contains("eve") && reason.contains("ünlikely"), "{reason}");
        let claimed = f.claim_one().await;
        assert_eq!(claimed.attempt, 1);
        let found = f.store.suspended(&claimed.lease).await.unwrap().unwrap();
        assert_eq!(found, Suspended { waits_for: WaitsFor::Approval, decision: Some(decision(approved)) });
        f.end(claimed.lease, Succeeded).await;
    }
}

pub async fn a_question_that_nobody_answers_ends_with_its_time(f: Fixture) {
    let run = f.single().await;
    suspend(&f, f.claim_one().await.lease, WaitsFor::Approval).await;
    f.clock.advance(HOUR);
    let claimed = f.claim_one().await;
    let found = f.store.suspended(&claimed.lease).await.unwrap().unwrap();
    assert_eq!(found.decision, None);
    assert_eq!(decide(&f, run.id, true).await.unwrap_err().kind(), ErrorKind::InvalidInput, "too late");
    // Whoever holds it dies, and another finds the same.
    f.clock.advance(Fixture::TTL);
    let expired = f.store.take_expired(f.worker, 1, Fixture::TTL).await.unwrap().remove(0);
    f.store.requeue(vec![Fixture::requeue(expired.claimed.lease, Duration::ZERO)]).await.unwrap();
    let next = f.claim_one().await;
    assert_eq!(f.store.suspended(&next.lease).await.unwrap(), Some(found));
}

pub async fn an_answer_is_given_once_and_where_one_is_wanted(f: Fixture) {
    let run = f.single().await;
    assert_eq!(decide(&f, run.id, true).await.unwrap_err().kind(), ErrorKind::InvalidInput);
    let lease = f.claim_one().await.lease;
    assert_eq!(decide(&f, run.id, true).await.unwrap_err().kind(), ErrorKind::InvalidInput);
    suspend(&f, lease, WaitsFor::Approval).await;
    let elsewhere = f.store.decide(f.tenant, run.id, 1, None, decision(true)).await.unwrap_err();
    assert_eq!(elsewhere.kind(), ErrorKind::NotFound);
    let other = f.other_tenant().await;
    let astray = other.store.decide(other.tenant, run.id, 0, None, decision(true)).await.unwrap_err();
    assert_eq!(astray.kind(), ErrorKind::NotFound);
    decide(&f, run.id, false).await.unwrap();
    assert_eq!(decide(&f, run.id, true).await.unwrap_err().kind(), ErrorKind::Conflict);
    let claimed = f.claim_one().await;
    assert_eq!(decide(&f, run.id, true).await.unwrap_err().kind(), ErrorKind::Conflict);
    let found = f.store.suspended(&claimed.lease).await.unwrap().unwrap();
    assert_eq!(found.decision, Some(decision(false)), "the first one counts");
    f.end(claimed.lease, Succeeded).await;
    assert_eq!(decide(&f, run.id, true).await.unwrap_err().kind(), ErrorKind::Conflict, "it has ended");
}

pub async fn of_answers_at_once_one_counts(f: Fixture) {
    let run = f.single().await;
    suspend(&f, f.claim_one().await.lease, WaitsFor::Approval).await;
    let answers = futures_util::future::join_all((0..8).map(|at| decide(&f, run.id, at % 2 == 0))).await;
    assert_eq!(answers.iter().filter(|answer| answer.is_ok()).count(), 1);
    let conflicts = answers.iter().filter_map(|answer| answer.as_ref().err());
    assert!(conflicts.into_iter().all(|error| error.kind() == ErrorKind::Conflict));
}

pub async fn a_task_that_was_lost_is_asked_about_and_tried_anew(f: Fixture) {
    let run = f.single().await;
    let first = f.claim_one().await;
    f.store.record_dispatch(&first.lease, &Fixture::handle("gone")).await.unwrap();
    suspend(&f, first.lease, WaitsFor::Lost).await;
    let task = f.tasks(run.id).await.remove(0);
    assert_eq!((task.status, task.attempt), (Waiting, 1));
    decide(&f, run.id, true).await.unwrap();
    let second = f.claim_one().await;
    assert_eq!(second.attempt, 2, "the first attempt is over");
    // It is lost again, and asked about again.
    suspend(&f, second.lease, WaitsFor::Lost).await;
    assert!(f.claim(1).await.is_empty());
    decide(&f, run.id, false).await.unwrap();
    let third = f.claim_one().await;
    assert_eq!(f.end(third.lease, Lost).await, Some(RunStatus::Failed));
    let attempts = f.store.attempts(f.tenant, run.id, third.lease.task).await.unwrap();
    let ended: Vec<_> = attempts.iter().map(|attempt| (attempt.attempt, attempt.status)).collect();
    assert_eq!(ended, [(1, Lost), (2, Lost), (3, Lost)]);
}

pub async fn a_cancel_ends_what_waits(f: Fixture) {
    let run = f.single().await;
    suspend(&f, f.claim_one().await.lease, WaitsFor::Approval).await;
    let canceled = f.store.cancel_run(f.tenant, run.id, "not needed").await.unwrap();
    assert_eq!(canceled.status, RunStatus::Canceled);
    let task = f.tasks(run.id).await.remove(0);
    assert_eq!((task.status, task.attempt), (Aborted, 1));
    assert_eq!(f.store.queue_depth().await.unwrap(), (0, 0));
    assert_eq!(f.store.next_due().await.unwrap(), None);
    // In a run that is canceled already, nothing begins to wait.
    let run = f.single().await;
    let lease = f.claim_one().await.lease;
    f.store.cancel_run(f.tenant, run.id, "not needed").await.unwrap();
    suspend(&f, lease, WaitsFor::Approval).await;
    assert_eq!(f.run(run.id).await.status, RunStatus::Canceled);
}

async fn open(f: &Fixture) -> Vec<Question> {
    let list = f.store.questions(f.tenant, Fixture::ALL).await.unwrap();
    assert_eq!(list.total, list.items.len() as u64);
    list.items
}

pub async fn what_waits_for_a_person_is_listed_with_what_it_asks(f: Fixture) {
    let (job, targets) = (f.job().await, f.targets(2).await);
    let plan = PlanSketch::new(&job, &targets).step(&[], &[]).step(&[1], &[(0, Join::Barrier)]).build();
    let run = f.enqueue(f.new_run(&job, plan)).await;
    assert_eq!(open(&f).await, []);
    f.end(f.claim_one().await.lease, Succeeded).await;
    let asks = f.claim_one().await;
    let since = f.run(run.id).await.queued_at + Duration::from_secs(7);
    f.clock.advance(Duration::from_secs(7));
    suspend(&f, asks.lease, WaitsFor::Approval).await;
    let asked = Question {
        run: run.id,
        task: asks.lease.task,
        step: 1,
        target: Some(targets[1]),
        waits_for: WaitsFor::Approval,
        message: "again".to_owned(),
        since,
        until: since + HOUR,
    };
    assert_eq!(open(&f).await, [asked]);
    // One that asks anew asks what it asks then.
    f.store.decide(f.tenant, run.id, 1, Some(targets[1]), decision(true)).await.unwrap();
    assert_eq!(open(&f).await, []);
    let again = f.claim_one().await;
    f.clock.advance(HOUR);
    let requeue = Requeue {
        suspend: Some(WaitsFor::Lost),
        attempt_status: Lost,
        reason: "äre you sure?".to_owned(),
        ..Fixture::requeue(again.lease, HOUR)
    };
    f.store.requeue(vec![requeue]).await.unwrap();
    let anew = open(&f).await.remove(0);
    assert_eq!((anew.waits_for, anew.message.as_str()), (WaitsFor::Lost, "äre you sure?"));
    assert_eq!((anew.since, anew.until), (since + HOUR, since + HOUR * 2));
}

pub async fn what_asks_nobody_is_not_listed(f: Fixture) {
    let run = f.single().await;
    suspend(&f, f.claim_one().await.lease, WaitsFor::Time).await;
    assert_eq!(open(&f).await, [], "it waits for its time");
    f.store.cancel_run(f.tenant, run.id, "not needed").await.unwrap();
    let run = f.single().await;
    suspend(&f, f.claim_one().await.lease, WaitsFor::Approval).await;
    assert_eq!(open(&f).await.len(), 1);
    let other = f.other_tenant().await;
    assert_eq!(open(&other).await, [], "another tenant's");
    // Its time is over: as long as nobody has taken it, an answer counts.
    f.clock.advance(HOUR);
    assert_eq!(open(&f).await.len(), 1);
    let late = f.claim_one().await;
    assert_eq!(open(&f).await, []);
    f.end(late.lease, Succeeded).await;
    let canceled = f.single().await;
    suspend(&f, f.claim_one().await.lease, WaitsFor::Lost).await;
    f.store.cancel_run(f.tenant, canceled.id, "not needed").await.unwrap();
    assert_eq!(open(&f).await, []);
    assert_eq!(f.run(run.id).await.status, RunStatus::Succeeded);
}

pub async fn what_began_to_wait_last_is_listed_first_in_parts(f: Fixture) {
    let mut runs = Vec::new();
    for _ in 0..4 {
        runs.push(f.single().await.id);
        suspend(&f, f.claim_one().await.lease, WaitsFor::Approval).await;
        f.clock.advance(Duration::from_secs(1));
    }
    // The first is asked about anew, and so stands first.
    decide(&f, runs[0], true).await.unwrap();
    suspend(&f, f.claim_one().await.lease, WaitsFor::Approval).await;
    let listed: Vec<_> = open(&f).await.iter().map(|question| question.run).collect();
    assert_eq!(listed, [runs[0], runs[3], runs[2], runs[1]]);
    let part = f.store.questions(f.tenant, Page { skip: 1, limit: 2 }).await.unwrap();
    let listed: Vec<_> = part.items.iter().map(|question| question.run).collect();
    assert_eq!((listed.as_slice(), part.total), (&[runs[3], runs[2]][..], 4));
}
