//! Files that are brought.

use std::{path::Path, time::Duration};

use opsconductor_core::{
    Error, ErrorKind,
    transport::{FetchOutcome, FetchRequest, Session},
};
use windows_sim::Fault;

use crate::{
    copy_faults::noise,
    support::{Recorder, builder, cmd, control, host, limited, run, session},
};

const PATH: &str = "C:\\temp\\it's \u{201c}here\u{201d} $(x).bin";

fn request(dest: &Path, overwrite: bool) -> FetchRequest {
    FetchRequest { src_path: PATH.to_owned(), dest: dest.to_owned(), overwrite, bytes_max: 100_000_000 }
}

async fn fetch(session: &mut dyn Session, request: FetchRequest) -> Result<FetchOutcome, Error> {
    let mut recorder = Recorder::default();
    let outcome = session.fetch(request, &mut recorder, &control()).await;
    assert!(recorder.stdout.is_empty() && recorder.stderr.is_empty(), "a fetch says nothing of its own");
    outcome
}

fn names(folder: &Path) -> Vec<String> {
    std::fs::read_dir(folder).unwrap().map(|e| e.unwrap().file_name().into_string().unwrap()).collect()
}

#[tokio::test]
async fn any_bytes_come_as_they_are() {
    let host = host().await;
    let (_connector, mut session) = session(&host).await;
    let folder = tempfile::tempdir().unwrap();
    let dest = folder.path().join("x.bin");
    for length in [0, 1, 98_303, 98_304, 98_305, 700_000] {
        host.machine().write_file(PATH, noise(length));
        let outcome = fetch(&mut *session, request(&dest, true)).await.unwrap();
        assert_eq!(outcome.length, length as u64);
        assert!(std::fs::read(&dest).unwrap() == noise(length), "{length}");
    }
    assert_eq!(names(folder.path()), ["x.bin"]);
    assert_eq!(host.counters().plaintext_bodies, 0);
    assert_eq!(run(&mut *session, cmd("exit 7")).await.exit_code, 7);
}

#[tokio::test]
async fn what_cannot_be_brought_is_said_and_nothing_is_left() {
    let host = host().await;
    let (_connector, mut session) = session(&host).await;
    let folder = tempfile::tempdir().unwrap();
    let dest = folder.path().join("x.bin");
    let error = fetch(&mut *session, request(&dest, true)).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::NotFound, "{error:?}");
    assert!(error.to_string().contains("$(x).bin"), "{error}");
    host.machine().write_file(PATH, noise(1000));
    let error =
        fetch(&mut *session, FetchRequest { bytes_max: 999, ..request(&dest, true) }).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::InvalidInput, "{error:?}");
    assert!(error.to_string().contains("1000 bytes"), "{error}");
    assert_eq!(names(folder.path()), Vec::<String>::new());
    let error =
        fetch(&mut *session, FetchRequest { src_path: "C:\\temp".to_owned(), ..request(&dest, true) }).await;
    assert!(error.unwrap_err().to_string().contains("it is a folder"));
    std::fs::write(&dest, "old").unwrap();
    let before = host.counters().messages;
    let error = fetch(&mut *session, request(&dest, false)).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Conflict, "{error:?}");
    assert_eq!(host.counters().messages, before, "the host is not asked");
    assert_eq!(std::fs::read(&dest).unwrap(), b"old");
    std::fs::remove_file(&dest).unwrap();
    fetch(&mut *session, request(&dest, false)).await.unwrap();
    assert_eq!(names(folder.path()), ["x.bin"]);
}

#[tokio::test]
async fn a_fetch_goes_on_after_whatever_breaks() {
    let content = noise(250_000);
    for fault in
        [Fault::DropBefore, Fault::DropAfter, Fault::TruncatedBody, Fault::Refuse(995), Fault::Reboot]
    {
        for n in 3..=6 {
            let host = host().await;
            host.machine().write_file(PATH, content.clone());
            let (_connector, mut session) = session(&host).await;
            let folder = tempfile::tempdir().unwrap();
            let dest = folder.path().join("x.bin");
            host.faults().on_message(n, fault);
            let outcome = fetch(&mut *session, request(&dest, true)).await;
            assert!(outcome.is_ok(), "{fault:?} at {n}: {outcome:?}");
            assert!(std::fs::read(&dest).unwrap() == content, "{fault:?} at {n}");
            assert_eq!(names(folder.path()), ["x.bin"], "{fault:?} at {n}");
            session.close().await.unwrap();
            assert_eq!(host.counters().shells_open, 0, "{fault:?} at {n}");
        }
    }
}

#[tokio::test]
async fn a_file_that_changes_while_it_is_read_is_not_taken_for_either() {
    let host = builder().latency(Duration::from_millis(20)).start().await.unwrap();
    host.machine().write_file(PATH, noise(1_500_000));
    let (_connector, mut session) = session(&host).await;
    let folder = tempfile::tempdir().unwrap();
    let dest = folder.path().join("x.bin");
    let machine = std::sync::Arc::clone(host.machine());
    let watched = folder.path().to_owned();
    let changer = tokio::spawn(async move {
        let come = || {
            let lengths =
                std::fs::read_dir(&watched).unwrap().map(|e| e.unwrap().metadata().map_or(0, |m| m.len()));
            lengths.sum::<u64>()
        };
        while come() < 200_000 {
            tokio::time::sleep(Duration::from_millis(2)).await;
        }
        let mut other = noise(1_500_000);
        other[0] ^= 1;
        machine.write_file(PATH, other);
    });
    let error = fetch(&mut *session, request(&dest, true)).await.unwrap_err();
    changer.await.unwrap();
    assert!(error.to_string().contains("changed on the host while it was read"), "{error}");
    assert_eq!(names(folder.path()), Vec::<String>::new());
}

#[tokio::test]
async fn a_timeout_leaves_no_file() {
    let host = builder().latency(Duration::from_millis(100)).start().await.unwrap();
    host.machine().write_file(PATH, noise(20_000_000));
    let (_connector, mut session) = session(&host).await;
    let folder = tempfile::tempdir().unwrap();
    let mut recorder = Recorder::default();
    let request = request(&folder.path().join("x.bin"), true);
    let error = session.fetch(request, &mut recorder, &limited(Duration::from_secs(2))).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Timeout, "{error:?}");
    assert!(!error.is_outcome_unknown(), "{error:?}");
    assert_eq!(names(folder.path()), Vec::<String>::new());
    assert_eq!(host.counters().shells_open, 0);
}
