//! Files.

use bytes::Bytes;
use opsconductor_core::{
    ErrorKind,
    error::Layer,
    transport::{CopyOutcome, CopyRequest, CopyStatus, Session},
};

use crate::support::{Recorder, control, host, session};

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
async fn more_than_a_mebibyte_is_refused() {
    let host = host().await;
    let (_connector, mut session) = session(&host).await;
    let error = copy(&mut *session, file("C:\\temp\\x", vec![0; 1024 * 1024 + 1], true)).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::InvalidInput);
    assert_eq!(host.counters().commands, 0);
}
