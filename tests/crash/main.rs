//! What is left when a worker process is killed in the middle.
#![allow(clippy::unwrap_used, reason = "a test may panic")]

mod windows;

use std::{
    collections::BTreeSet,
    io::{BufRead, BufReader},
    path::Path,
    process::{Command, Stdio},
    time::Duration,
};

use opsconductor_core::{
    engine::{Run, WorkerSettings},
    run::{EventKind, RunStatus, TaskStatus},
    store::{AuditFilter, Page, RunFilter},
    vault,
};
use opsconductor_tests::{fleet::Fleet, scripted::Scripted};

const LIMIT: Duration = Duration::from_secs(120);

/// Starts a worker that enqueues a run, and kills it (SIGKILL) when it is in the middle of it.
fn kill_in_the_middle(folder: &Path, of: &str) {
    vault::create_key_file(folder.join("key")).unwrap();
    let mut worker = Command::new(env!("CARGO_BIN_EXE_crash-worker"))
        .arg(folder)
        .arg(of)
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut said = String::new();
    BufReader::new(worker.stdout.take().unwrap()).read_line(&mut said).unwrap();
    worker.kill().unwrap();
    worker.wait().unwrap();
    assert_eq!(said, "holding\n");
}

async fn the_run(fleet: &Fleet) -> Run {
    let list = fleet.ops.runs().list(RunFilter::default(), Default::default()).await.unwrap();
    assert_eq!(
        (list.total, list.items[0].status),
        (1, RunStatus::Running),
        "an acknowledged run is never lost"
    );
    fleet.ops.runs().get(list.items[0].id).await.unwrap()
}

#[tokio::test]
async fn a_change_is_recorded_if_and_only_if_it_was_made() {
    let folder = tempfile::tempdir().unwrap();
    kill_in_the_middle(folder.path(), "changes");
    let fleet = Fleet::reopened(folder.path(), Scripted::default()).await.unwrap();
    let all = Page { skip: 0, limit: 100_000 };
    let made = fleet.ops.targets().list(&[], all).await.unwrap().items;
    let made: BTreeSet<String> = made.into_iter().map(|target| target.spec.name).collect();
    assert!(made.len() > 30, "what was acknowledged is there");
    let filter = AuditFilter { action: Some("targets.create".to_owned()), ..AuditFilter::default() };
    let recorded = fleet.ops.audit().list(&filter, all).await.unwrap().items;
    let names = recorded.iter().map(|chained| chained.record.details["name"].as_str().unwrap().to_owned());
    assert_eq!((recorded.len(), names.collect::<BTreeSet<_>>()), (made.len(), made));
    let report = fleet.ops.audit().verify(&[]).await.unwrap();
    assert!(report.is_ok(), "{report:?}");
}

#[tokio::test]
async fn a_command_that_was_sent_ends_as_lost_and_is_not_sent_again() {
    let folder = tempfile::tempdir().unwrap();
    kill_in_the_middle(folder.path(), "command");
    let fleet = Fleet::reopened(folder.path(), Scripted::default()).await.unwrap();
    let run = the_run(&fleet).await;
    let worker = fleet.engine.worker(WorkerSettings::default()).unwrap();
    let result = run.wait(LIMIT).await.unwrap();
    assert_eq!((result.status, result.steps[0].status), (RunStatus::Failed, TaskStatus::Lost));
    assert!(result.steps[0].error.as_ref().unwrap().contains("outcome is unknown"), "{result:?}");
    assert!(fleet.hosts.received().is_empty());
    worker.shutdown().await;
}

#[tokio::test]
async fn a_command_that_was_not_sent_is_queued_again_and_runs_once() {
    let folder = tempfile::tempdir().unwrap();
    kill_in_the_middle(folder.path(), "connection");
    let fleet = Fleet::reopened(folder.path(), Scripted::default()).await.unwrap();
    let run = the_run(&fleet).await;
    fleet.hosts.release(1);
    let worker = fleet.engine.worker(WorkerSettings::default()).unwrap();
    let result = run.wait(LIMIT).await.unwrap();
    assert_eq!((result.status, result.steps[0].status), (RunStatus::Succeeded, TaskStatus::Succeeded));
    assert_eq!(fleet.hosts.received(), ["web-1: hold"]);
    let mut events = run.events();
    let mut requeued = 0;
    while let Some(event) = events.next().await.unwrap() {
        requeued += usize::from(matches!(event.kind, EventKind::StepRequeued { .. }));
    }
    assert_eq!(requeued, 1, "the record says that it was taken back");
    worker.shutdown().await;
}
