//! Unit tests of a job definition, `jobs/release.yaml`: the real engine, scripted hosts, and time that goes on when told to.
#![allow(clippy::unwrap_used, reason = "a test may panic")]

use std::{fs, path::Path, time::Duration};

use opsconductor_core::{ErrorKind, run::RunStatus, testing::job_kit::JobKit};
use opsconductor_custom_step::AppendLine;
use serde_json::json;

const JOB: &str = include_str!("../jobs/release.yaml");

fn kit(folder: &Path) -> JobKit {
    JobKit::new()
        .windows("web1")
        .tagged("role:web")
        .windows("web2")
        .tagged("role:web")
        .step_kind(AppendLine::new(folder))
}

fn book(folder: &Path) -> String {
    fs::read_to_string(folder.join("releases.txt")).unwrap_or_default()
}

#[test]
fn nothing_is_sent_before_a_person_says_yes() {
    let folder = tempfile::tempdir().unwrap();
    let kit = kit(folder.path());
    kit.on_all().command(r"C:\deploy\Install-Release.ps1 -Version 1.4.2").takes(Duration::from_secs(90));

    let mut run = kit.run(JOB, json!({"version": "1.4.2"})).unwrap();
    assert_eq!(run.questions().unwrap()[0].message, "Release 1.4.2?");
    assert!(run.sent().is_empty());

    run.approve("approve").unwrap();
    assert_eq!(run.commands("web1").len(), 1);
    assert!(run.commands("web2").is_empty(), "one after the other");
    assert_eq!(run.finish().unwrap(), RunStatus::Succeeded);
    assert_eq!(run.commands("web2"), run.commands("web1"));
    assert_eq!(book(folder.path()), "Released 1.4.2\n");
}

#[test]
fn a_host_that_fails_twice_ends_the_release_and_the_book_says_so() {
    let folder = tempfile::tempdir().unwrap();
    let kit = kit(folder.path());
    kit.on("web1").any_command().prints_error("disk full").exits(2);

    let mut run = kit.run(JOB, json!({"version": "1.4.2"})).unwrap();
    run.approve("approve").unwrap();
    assert_eq!(run.commands("web1").len(), 1);
    run.advance(Duration::from_secs(60)).unwrap();
    assert_eq!(run.commands("web1").len(), 2, "tried again");
    assert_eq!(run.finish().unwrap(), RunStatus::Failed);
    assert!(run.commands("web2").is_empty(), "the other host keeps what it has");
    assert_eq!(run.step_on("deploy", "web1").unwrap().stderr, "disk full");
    assert_eq!(book(folder.path()), "Failed to release 1.4.2\n");
}

#[test]
fn without_an_answer_in_an_hour_nothing_happens() {
    let folder = tempfile::tempdir().unwrap();
    let mut run = kit(folder.path()).run(JOB, json!({"version": "1.4.2"})).unwrap();
    run.advance(Duration::from_secs(3600)).unwrap();
    assert_eq!(run.status().unwrap(), RunStatus::Failed);
    assert!(run.sent().is_empty());
}

#[test]
fn a_version_that_is_none_starts_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let refused = kit(folder.path()).run(JOB, json!({"version": "1; rm"})).unwrap_err();
    assert_eq!(
        (refused.kind(), refused.problems()[0].pointer.as_str()),
        (ErrorKind::InvalidParameters, "/version")
    );
}
