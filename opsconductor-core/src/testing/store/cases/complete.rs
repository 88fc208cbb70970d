//! Tasks end, and with the last of them the run.

use std::time::Duration;

use serde_json::{Map, json};

use super::kind;
use crate::{
    ErrorKind,
    id::{RunId, WorkerId},
    run::{EventKind, RunStatus, TaskStatus},
    store::{Completion, Lease, Settled, TAIL_BYTES_MAX},
    testing::store::Fixture,
};

pub async fn an_end_is_recorded(f: Fixture) {
    let run = f.single().await;
    let lease = f.claim_one().await.lease;
    f.clock.advance(Duration::from_millis(1500));
    let completion = Completion {
        exit_code: Some(3),
        stdout: "öut".to_owned(),
        stderr: "err".to_owned(),
        metrics: Map::from_iter([("bytes".to_owned(), json!({"n": 12}))]),
        ..Fixture::completion(lease, TaskStatus::Failed)
    };
    let settled = f.store.complete(vec![completion.clone()]).await.unwrap();
    assert_eq!(settled, [Settled::Recorded { run: Some(RunStatus::Failed) }]);
    let task = f.tasks(run.id).await.remove(0);
    assert_eq!((task.status, task.exit_code, task.attempt), (TaskStatus::Failed, Some(3), 1));
    assert_eq!((task.stdout.as_str(), task.stderr.as_str()), ("öut", "err"));
    assert_eq!((task.reason.as_deref(), &task.metrics), (Some("because"), &completion.metrics));
    let took = task.finished_at.unwrap() - task.started_at.unwrap();
    assert_eq!(took, chrono::TimeDelta::milliseconds(1500));
    let attempts = f.store.attempts(f.tenant, run.id, task.id).await.unwrap();
    assert_eq!(attempts.len(), 1);
    assert_eq!((attempts[0].attempt, attempts[0].worker), (1, f.worker));
    assert_eq!((attempts[0].status, attempts[0].reason.as_deref()), (TaskStatus::Failed, Some("because")));
    assert_eq!(Some(attempts[0].started_at), task.started_at);
    assert_eq!(Some(attempts[0].finished_at), task.finished_at);
    let run = f.run(run.id).await;
    assert_eq!((run.status, run.finished_at), (RunStatus::Failed, task.finished_at));
    assert_eq!(f.store.queue_depth().await.unwrap(), (0, 0));
}

pub async fn each_final_status_ends_a_run_as_it_should(f: Fixture) {
    for (status, expected) in [
        (TaskStatus::Succeeded, RunStatus::Succeeded),
        (TaskStatus::Skipped, RunStatus::Succeeded),
        (TaskStatus::Failed, RunStatus::Failed),
        (TaskStatus::Lost, RunStatus::Failed),
        (TaskStatus::Aborted, RunStatus::Failed),
    ] {
        let run = f.single().await;
        let lease = f.claim_one().await.lease;
        assert_eq!(f.end(lease, status).await, Some(expected), "{status}");
        assert_eq!(f.statuses(run.id).await, [status]);
        assert_eq!(f.run(run.id).await.status, expected);
    }
}

pub async fn a_status_that_is_not_final_is_refused_whole(f: Fixture) {
    let run = f.wide(2).await;
    let claimed = f.claim(2).await;
    for wrong in [TaskStatus::Waiting, TaskStatus::Queued, TaskStatus::Running] {
        let batch = vec![
            Fixture::completion(claimed[0].lease, TaskStatus::Succeeded),
            Fixture::completion(claimed[1].lease, wrong),
        ];
        assert_eq!(kind(f.store.complete(batch).await), ErrorKind::InvalidInput);
    }
    assert_eq!(f.statuses(run.id).await, [TaskStatus::Running; 2], "nothing was written");
}

pub async fn a_stale_lease_writes_nothing(f: Fixture) {
    let run = f.single().await;
    let lease = f.claim_one().await.lease;
    let before = f.events(run.id).await.len();
    for wrong in [
        Lease { epoch: lease.epoch - 1, ..lease },
        Lease { epoch: lease.epoch + 1, ..lease },
        Lease { worker: WorkerId::generate(), ..lease },
        Lease { run: RunId::new(lease.run.get() + 1_000), ..lease },
    ] {
        assert_eq!(f.finish(wrong, TaskStatus::Succeeded).await, Settled::Stale, "{wrong:?}");
    }
    assert_eq!(f.statuses(run.id).await, [TaskStatus::Running]);
    assert_eq!(f.events(run.id).await.len(), before);
}

pub async fn a_former_holder_writes_nothing(f: Fixture) {
    let run = f.single().await;
    let former = f.claim_one().await.lease;
    f.clock.advance(Fixture::TTL);
    let rescuer = WorkerId::generate();
    let present = f.store.take_expired(rescuer, 1, Fixture::TTL).await.unwrap()[0].claimed.lease;
    assert_eq!(f.finish(former, TaskStatus::Succeeded).await, Settled::Stale);
    assert_eq!(f.end(present, TaskStatus::Lost).await, Some(RunStatus::Failed));
    assert_eq!(f.finish(former, TaskStatus::Succeeded).await, Settled::Stale, "also when it is over");
    assert_eq!(f.statuses(run.id).await, [TaskStatus::Lost]);
    assert_eq!(f.run(run.id).await.status, RunStatus::Failed);
}

pub async fn a_lease_that_ran_out_but_was_not_taken_still_writes(f: Fixture) {
    f.single().await;
    let lease = f.claim_one().await.lease;
    f.clock.advance(Fixture::TTL * 2);
    assert_eq!(f.end(lease, TaskStatus::Succeeded).await, Some(RunStatus::Succeeded));
}

pub async fn a_repeat_answers_the_same_and_writes_nothing(f: Fixture) {
    let run = f.single().await;
    let lease = f.claim_one().await.lease;
    f.end(lease, TaskStatus::Succeeded).await;
    let (task, events) = (f.tasks(run.id).await, f.events(run.id).await);
    f.clock.advance(Duration::from_secs(1));
    let again = f.finish(lease, TaskStatus::Failed).await;
    assert_eq!(again, Settled::Recorded { run: Some(RunStatus::Succeeded) });
    assert_eq!((f.tasks(run.id).await, f.events(run.id).await), (task.clone(), events));
    assert_eq!(f.store.attempts(f.tenant, run.id, task[0].id).await.unwrap().len(), 1);
}

pub async fn a_repeat_in_the_same_batch_counts_once(f: Fixture) {
    let run = f.wide(2).await;
    let claimed = f.claim(2).await;
    let twice = Fixture::completion(claimed[0].lease, TaskStatus::Succeeded);
    let settled = f.store.complete(vec![twice.clone(), twice]).await.unwrap();
    assert_eq!(settled, [Settled::Recorded { run: None }; 2]);
    assert_eq!(f.end(claimed[1].lease, TaskStatus::Succeeded).await, Some(RunStatus::Succeeded));
    assert_eq!(f.events(run.id).await.len(), 7);
}

pub async fn answers_stand_in_the_order_given(f: Fixture) {
    let (wide, single) = (f.wide(2).await, f.single().await);
    let claimed = f.claim(3).await;
    let of = |run| claimed.iter().filter(move |task| task.lease.run == run).map(|task| task.lease);
    let [a, b] = [0, 1].map(|index| of(wide.id).nth(index).unwrap());
    let alone = of(single.id).next().unwrap();
    let done = |lease| Fixture::completion(lease, TaskStatus::Succeeded);
    let stale = Lease { epoch: 0, ..a };
    let settled = f.store.complete(vec![done(a), done(stale), done(alone), done(b)]).await.unwrap();
    let over = Settled::Recorded { run: Some(RunStatus::Succeeded) };
    let expected = [Settled::Recorded { run: None }, Settled::Stale, over, over];
    assert_eq!(settled, expected, "the last of a run's completions says how it ended");
    assert_eq!(f.store.complete(Vec::new()).await.unwrap(), []);
}

pub async fn a_long_output_keeps_its_end(f: Fixture) {
    let run = f.single().await;
    let lease = f.claim_one().await.lease;
    let stdout = format!("{}{}the end", "x".repeat(10), "é".repeat(TAIL_BYTES_MAX / 2));
    let completion = Completion { stdout, ..Fixture::completion(lease, TaskStatus::Succeeded) };
    f.store.complete(vec![completion]).await.unwrap();
    let kept = f.tasks(run.id).await.remove(0).stdout;
    assert!(kept.len() <= TAIL_BYTES_MAX && kept.len() > TAIL_BYTES_MAX - 4, "{} bytes", kept.len());
    assert!(kept.ends_with("éthe end") && kept.starts_with('é'));
}

pub async fn events_say_how_it_ended(f: Fixture) {
    let run = f.single().await;
    let lease = f.claim_one().await.lease;
    f.end(lease, TaskStatus::Lost).await;
    let events = f.events(run.id).await;
    let [step, end] = &events[3..] else { panic!("two events end it: {events:?}") };
    let reason = Some("because".to_owned());
    assert_eq!(step.kind, EventKind::StepFinished { status: TaskStatus::Lost, reason });
    assert_eq!((step.task, step.step), (Some(lease.task), Some(0)));
    assert_eq!(end.kind, EventKind::RunFinished { status: RunStatus::Failed });
    assert_eq!((end.task, end.step), (None, None));
}

pub async fn two_batches_at_once_are_both_counted(f: Fixture) {
    let run = f.wide(40).await;
    let claimed = f.claim(40).await;
    let halves: Vec<_> = claimed
        .chunks(5)
        .map(|part| {
            let (store, part) = (f.store.clone(), part.to_vec());
            tokio::spawn(async move {
                let done = part.iter().map(|task| Fixture::completion(task.lease, TaskStatus::Succeeded));
                store.complete(done.collect()).await.unwrap()
            })
        })
        .collect();
    let mut ends = 0;
    for half in halves {
        let over = |settled: &&Settled| matches!(settled, Settled::Recorded { run: Some(_) });
        ends += half.await.unwrap().iter().filter(over).count();
    }
    assert_eq!(ends, 1, "one completion ended the run");
    assert_eq!(f.run(run.id).await.status, RunStatus::Succeeded);
    assert_eq!(f.events(run.id).await.len(), 2 + 40 + 40 + 1);
}
