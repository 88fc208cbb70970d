//! Files.

use bytes::Bytes;
use opsconductor_core::{
    ErrorKind,
    error::Layer,
    transport::{Connector as _, CopyOutcome, CopyRequest, CopyStatus, Session},
};

use crate::{
    copy_faults::noise,
    support::{Recorder, control, credential, endpoint, host, session},
};

fn file(path: &str, content: impl Into<Bytes>, overwrite: bool) -> CopyRequest {
    CopyRequest { overwrite, ..CopyRequest::bytes(path, content) }
}

async fn copy(session: &mut dyn Session, request: CopyRequest) -> opsconductor_core::Result<CopyOutcome> {
    let mut recorder = Recorder::default();
    let outcome = session.copy(request, &mut recorder, &control()).await;
    assert!(recorder.stdout.is_empty() && recorder.stderr.is_empty(), "a copy says nothing of its own");
    outcome
}

#[tokio::test]
async fn any_bytes_arrive_as_they_are() {
    let host = host().await;
    let (_connector, mut session) = session(&host).await;
    let every_byte: Vec<u8> = (0..=255).collect();
    let large: Vec<u8> = (0..1024 * 1024_u32).map(|n| (n.wrapping_mul(2_654_435_761) >> 24) as u8).collect();
    for (path, content) in [
        ("C:\\temp\\bytes.bin", every_byte),
        ("C:\\temp\\empty.txt", Vec::new()),
        ("C:\\temp\\line.txt", b".\r\n.\n".to_vec()),
        ("C:\\temp\\grü'ße [1] $x \u{201c}q\u{201d}.txt", "é".into()),
        ("C:\\temp\\large.bin", large),
    ] {
        let outcome = copy(&mut *session, file(path, content.clone(), true)).await.unwrap();
        assert_eq!((outcome.status, outcome.length), (CopyStatus::Copied, content.len() as u64), "{path}");
        assert!(host.machine().read_file(path) == Some(content), "{path}");
    }
    let left = host.machine().files("C:\\temp");
    assert!(!left.iter().any(|name| name.ends_with(".part")), "{left:?}");
    assert_eq!(host.counters().plaintext_bodies, 0);
}

#[tokio::test]
async fn what_shrinks_goes_packed_and_arrives_whole() {
    let host = host().await;
    let (_connector, mut session) = session(&host).await;
    let lines = (0..60_000).map(|n| format!("2026-11-23 12:00:00 INFO request {n} served\r\n"));
    // What does not shrink stands in the middle, so that packed and plain lines follow each other.
    let (text, noise) = (lines.collect::<String>().into_bytes(), noise(1024 * 1024));
    let content = [text.as_slice(), noise.as_slice(), text.as_slice()].concat();
    let path = "C:\\temp\\log.txt";
    let before = host.counters().stdin_bytes;
    copy(&mut *session, file(path, content.clone(), true)).await.unwrap();
    assert!(host.machine().read_file(path).unwrap() == content);
    let sent = host.counters().stdin_bytes - before;
    assert!(sent < content.len() as u64 / 2, "{sent} bytes were sent for {}", content.len());
}

#[tokio::test]
async fn the_same_content_is_not_written_twice() {
    let host = host().await;
    let (_connector, mut session) = session(&host).await;
    let path = "C:\\temp\\same.txt";
    let first = copy(&mut *session, file(path, "one", true)).await.unwrap();
    let second = copy(&mut *session, file(path, "one", true)).await.unwrap();
    assert_eq!((first.status, second.status), (CopyStatus::Copied, CopyStatus::Unchanged));
    let hash = "7692c3ad3540bb803c020b3aee66cd8887123234ea0c6e7143c0add73ff431ed";
    assert_eq!(second.sha256.as_deref(), Some(hash));
    let third = copy(&mut *session, file(path, "two", true)).await.unwrap();
    assert_eq!(third.status, CopyStatus::Copied, "the same length is not the same content");
    assert_eq!(host.machine().read_file(path).unwrap(), b"two");
}

#[tokio::test]
async fn a_file_that_exists_is_left_alone_when_told_so() {
    let host = host().await;
    let (_connector, mut session) = session(&host).await;
    let path = "C:\\temp\\kept.txt";
    host.machine().write_file(path, b"old".to_vec());
    let error = copy(&mut *session, file(path, "new", false)).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Conflict);
    assert!(error.to_string().contains(path), "{error}");
    assert_eq!(host.machine().read_file(path).unwrap(), b"old");
    let error = copy(&mut *session, file(path, "x".repeat(900_000), false)).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Conflict, "however much was to be written");
    let fresh = copy(&mut *session, file("C:\\temp\\fresh.txt", "new", false)).await.unwrap();
    assert_eq!(fresh.status, CopyStatus::Copied);
}

#[tokio::test]
async fn a_folder_that_is_missing_is_named() {
    let host = host().await;
    let (_connector, mut session) = session(&host).await;
    let error = copy(&mut *session, file("C:\\nowhere\\x.txt", "x", true)).await.unwrap_err();
    assert_eq!(error.layer(), Some(Layer::Script));
    assert!(error.to_string().contains("C:\\nowhere"), "{error}");
    assert!(!error.is_outcome_unknown());
}

#[tokio::test]
async fn the_same_content_is_no_conflict() {
    let host = host().await;
    let (_connector, mut session) = session(&host).await;
    host.machine().write_file("C:\\temp\\same.txt", b"one".to_vec());
    let outcome = copy(&mut *session, file("C:\\temp\\same.txt", "one", false)).await.unwrap();
    assert_eq!(outcome.status, CopyStatus::Unchanged);
}

#[tokio::test]
async fn lengths_around_a_chunk_arrive_whole() {
    let host = host().await;
    let (_connector, mut session) = session(&host).await;
    // The most that one line holds at the default envelope, and what goes along with the script.
    let chunk = (500 * 1024 - 3 * 1024) / 16 * 9;
    for length in [1, 48 * 1024, 48 * 1024 + 1, chunk - 1, chunk, chunk + 1, 2 * chunk] {
        let content = noise(length);
        let outcome = copy(&mut *session, file("C:\\temp\\n.bin", content.clone(), true)).await.unwrap();
        assert_eq!(outcome.length, length as u64);
        assert!(host.machine().read_file("C:\\temp\\n.bin").unwrap() == content, "{length}");
    }
}

#[tokio::test]
async fn what_cannot_be_written_says_why_and_leaves_nothing() {
    let host = host().await;
    let (_connector, mut session) = session(&host).await;
    let machine = host.machine();
    machine.write_file("C:\\temp\\ro.txt", b"old".to_vec());
    machine.set_read_only("C:\\temp\\ro.txt", true);
    machine.write_file("C:\\temp\\held.txt", b"old".to_vec());
    let held = machine.hold("C:\\temp\\held.txt").unwrap();
    machine.create_folder("C:\\temp\\folder");
    let long = format!("C:\\temp\\{}", "x".repeat(300));
    for (path, says) in [
        ("C:\\temp\\ro.txt", "read-only"),
        ("C:\\temp\\held.txt", "another program has the file open"),
        ("C:\\temp\\folder", "it is a folder"),
        ("C:\\temp\\a<b>.txt", "no such name"),
        ("C:\\temp\\a:b.txt", "no such name"),
        (&*long, "too long"),
    ] {
        for content in [noise(10), noise(400_000)] {
            let error = copy(&mut *session, file(path, content, true)).await.unwrap_err();
            assert_eq!(
                (error.kind(), error.layer()),
                (ErrorKind::Transport, Some(Layer::Script)),
                "{error:?}"
            );
            assert!(error.to_string().contains(says), "{path}: {error}");
            assert!(!error.is_outcome_unknown(), "{error:?}");
        }
    }
    for path in ["C:\\temp\\ro.txt", "C:\\temp\\held.txt"] {
        assert_eq!(machine.read_file(path).unwrap(), b"old");
    }
    let left = machine.files("C:\\temp");
    assert!(!left.iter().any(|name| name.ends_with(".part")), "{left:?}");
    machine.release("C:\\temp\\held.txt", held);
    copy(&mut *session, file("C:\\temp\\held.txt", "new", true)).await.unwrap();
}

#[tokio::test]
async fn a_full_disk_is_said_and_cleared() {
    let host = host().await;
    let (_connector, mut session) = session(&host).await;
    host.machine().write_file("C:\\temp\\x.bin", b"old".to_vec());
    host.machine().set_free_space(Some(1_000_000));
    let error = copy(&mut *session, file("C:\\temp\\x.bin", noise(3_000_000), true)).await.unwrap_err();
    assert_eq!(error.code(), Some(112), "{error:?}");
    assert!(error.to_string().contains("disk of the host is full"), "{error}");
    assert_eq!(host.machine().read_file("C:\\temp\\x.bin").unwrap(), b"old");
    let left = host.machine().files("C:\\temp");
    assert!(!left.iter().any(|name| name.ends_with(".part")), "{left:?}");
    copy(&mut *session, file("C:\\temp\\y.bin", noise(900_000), true)).await.unwrap();
}

#[tokio::test]
async fn two_copies_to_one_place_leave_one_of_the_two_contents() {
    let host = host().await;
    let (connector, mut first) = session(&host).await;
    let mut second = connector.connect(&endpoint(&host), &credential()).await.unwrap();
    let path = "C:\\temp\\one.bin";
    let (a, b) = (noise(2_000_000), vec![7; 1_500_000]);
    let (one, two) = tokio::join!(
        copy(&mut *first, file(path, a.clone(), true)),
        copy(&mut *second, file(path, b.clone(), true))
    );
    assert_eq!((one.unwrap().status, two.unwrap().status), (CopyStatus::Copied, CopyStatus::Copied));
    let found = host.machine().read_file(path).unwrap();
    assert!(found == a || found == b);
    // The same content: one of the two waits, and finds it done.
    let same = noise(2_500_000);
    let (one, two) = tokio::join!(
        copy(&mut *first, file(path, same.clone(), true)),
        copy(&mut *second, file(path, same.clone(), true))
    );
    let mut statuses = [one.unwrap().status, two.unwrap().status];
    statuses.sort_by_key(|status| *status == CopyStatus::Unchanged);
    assert_eq!(statuses, [CopyStatus::Copied, CopyStatus::Unchanged]);
    assert!(host.machine().read_file(path).unwrap() == same);
    let left = host.machine().files("C:\\temp");
    assert!(!left.iter().any(|name| name.ends_with(".part")), "{left:?}");
}

#[tokio::test]
async fn a_file_of_this_machine_is_read_while_it_is_sent() {
    let host = host().await;
    let (_connector, mut session) = session(&host).await;
    let folder = tempfile::tempdir().unwrap();
    let local = folder.path().join("x.bin");
    std::fs::write(&local, noise(1_000_000)).unwrap();
    let outcome = copy(&mut *session, CopyRequest::path("C:\\temp\\x.bin", &local)).await.unwrap();
    assert_eq!((outcome.status, outcome.length), (CopyStatus::Copied, 1_000_000));
    assert!(host.machine().read_file("C:\\temp\\x.bin").unwrap() == noise(1_000_000));
    let missing = CopyRequest::path("C:\\temp\\x.bin", folder.path().join("y"));
    assert_eq!(copy(&mut *session, missing).await.unwrap_err().kind(), ErrorKind::NotFound);
    let empty = copy(&mut *session, CopyRequest::path("\0", &local)).await.unwrap_err();
    assert_eq!(empty.kind(), ErrorKind::InvalidInput);
}
