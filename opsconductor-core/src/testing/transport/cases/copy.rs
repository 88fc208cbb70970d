//! Files to the host: whole or not at all.

use std::time::Duration;

use bytes::Bytes;

use super::files::{content, place, sha256};
use crate::{
    ErrorKind, Result,
    testing::transport::{Fixture, LocalFolder, Recorder},
    transport::{CopyEntry, CopyOutcome, CopyRequest, CopySource, CopyStatus, FileSource, Session},
};

pub async fn a_new_file_is_written(f: Fixture) {
    expect_copied(&f, b"one line\r\nand another\n.\r\n").await;
}

pub async fn an_empty_file_is_written(f: Fixture) {
    expect_copied(&f, b"").await;
}

pub async fn any_bytes_arrive_as_they_are(f: Fixture) {
    let every: Vec<u8> = (0..=255).collect();
    expect_copied(&f, &every).await;
    expect_copied(&f, &content(1024 * 1024)).await;
}

pub async fn a_file_of_this_machine_is_sent(f: Fixture) {
    let Some(mut session) = able(&f).await else { return };
    let folder = LocalFolder::new();
    for length in [0, 1, 3 * 1024 * 1024 + 7] {
        let bytes = content(length);
        let local = folder.file("source.bin", &bytes);
        let path = place(&f, &format!("from a file {length}.bin"));
        let outcome = copy(&mut *session, CopyRequest::path(&path, local)).await.unwrap();
        expect_outcome(&outcome, CopyStatus::Copied, &bytes);
        expect_content(&f, &path, Some(&bytes));
    }
}

pub async fn many_files_go_in_one_call(f: Fixture) {
    let Some(mut session) = able(&f).await else { return };
    let folder = LocalFolder::new();
    let base = place(&f, "many");
    let large = content(300_000);
    let local = folder.file("local.bin", &large);
    let mut files: Vec<(String, Vec<u8>)> =
        (0..60).map(|n| (format!("part {}/file-{n}.txt", n % 3), content(n * 37))).collect();
    let mut entries: Vec<CopyEntry> = files
        .iter()
        .map(|(path, bytes)| CopyEntry {
            path: path.clone(),
            source: FileSource::Bytes(Bytes::from(bytes.clone())),
        })
        .collect();
    entries.push(CopyEntry { path: "large.bin".to_owned(), source: FileSource::Path(local) });
    files.push(("large.bin".to_owned(), large));
    let request = |entries| CopyRequest {
        dest_path: base.clone(),
        source: CopySource::Many(entries),
        ..CopyRequest::bytes(&*base, "")
    };
    let total: u64 = files.iter().map(|(_, bytes)| bytes.len() as u64).sum();
    let outcome = copy(&mut *session, request(entries.clone())).await.unwrap();
    assert_eq!((outcome.status, outcome.files, outcome.files_written), (CopyStatus::Copied, 61, 61));
    assert_eq!((outcome.length, outcome.sha256), (total, None));
    let at = |path: &str| {
        let files = f.files()?;
        Some(path.split('/').fold(base.clone(), |above, part| files.join(&above, part)))
    };
    for (path, bytes) in &files {
        if let Some(path) = at(path) {
            expect_content(&f, &path, Some(bytes));
        }
    }
    entries[5].source = FileSource::Bytes(Bytes::from_static(b"changed"));
    let again = copy(&mut *session, request(entries.clone())).await.unwrap();
    assert_eq!((again.status, again.files, again.files_written), (CopyStatus::Copied, 61, 1));
    let same = copy(&mut *session, request(entries)).await.unwrap();
    assert_eq!((same.status, same.files, same.files_written), (CopyStatus::Unchanged, 61, 0));
    if let Some(path) = at(&files[5].0) {
        expect_content(&f, &path, Some(b"changed"));
    }
}

pub async fn another_content_replaces_the_old_one(f: Fixture) {
    let Some(mut session) = able(&f).await else { return };
    let path = place(&f, "replaced.txt");
    for bytes in [&b"the first"[..], b"the other", b"short", b"", b"a longer one than all before it"] {
        let outcome = copy(&mut *session, CopyRequest::bytes(&path, bytes.to_vec())).await.unwrap();
        expect_outcome(&outcome, CopyStatus::Copied, bytes);
        expect_content(&f, &path, Some(bytes));
    }
}

pub async fn the_same_content_is_not_written_again(f: Fixture) {
    let Some(mut session) = able(&f).await else { return };
    let path = place(&f, "same.bin");
    let bytes = content(70_000);
    let request = || CopyRequest::bytes(&path, bytes.clone());
    expect_outcome(&copy(&mut *session, request()).await.unwrap(), CopyStatus::Copied, &bytes);
    expect_outcome(&copy(&mut *session, request()).await.unwrap(), CopyStatus::Unchanged, &bytes);
    expect_content(&f, &path, Some(&bytes));
}

pub async fn a_file_is_not_replaced_unless_told(f: Fixture) {
    let Some(mut session) = able(&f).await else { return };
    let path = place(&f, "kept.txt");
    let keep = |bytes: Vec<u8>| CopyRequest { overwrite: false, ..CopyRequest::bytes(&path, bytes) };
    let first = copy(&mut *session, keep(b"old".to_vec())).await.unwrap();
    expect_outcome(&first, CopyStatus::Copied, b"old");
    for bytes in [b"new".to_vec(), content(400_000)] {
        let error = copy(&mut *session, keep(bytes)).await.expect_err("the file is there");
        assert_eq!(error.kind(), ErrorKind::Conflict, "{error:?}");
        assert!(!error.is_outcome_unknown(), "nothing was touched: {error:?}");
        expect_content(&f, &path, Some(b"old"));
    }
}

pub async fn odd_names_are_taken_as_they_are(f: Fixture) {
    let Some(mut session) = able(&f).await else { return };
    let Some(files) = f.files() else { return };
    let directory = files.directory();
    for name in files.odd_names() {
        let path = files.join(&directory, &name);
        let outcome = copy(&mut *session, CopyRequest::bytes(&path, name.clone())).await;
        match outcome {
            Ok(outcome) => expect_outcome(&outcome, CopyStatus::Copied, name.as_bytes()),
            Err(error) => panic!("{name:?} is a name that the host allows, yet: {error:?}"),
        }
        expect_content(&f, &path, Some(name.as_bytes()));
    }
}

pub async fn a_refused_dispatch_writes_nothing(f: Fixture) {
    let Some(mut session) = able(&f).await else { return };
    let path = place(&f, "refused.txt");
    let recorder = Recorder::refusing_dispatch();
    let request = CopyRequest::bytes(&path, b"x".to_vec());
    let error = session.copy(request, &mut recorder.clone(), &Fixture::control()).await.unwrap_err();
    assert_eq!(error.kind(), Recorder::REFUSAL, "the observer's own error comes back: {error:?}");
    assert_eq!(recorder.heard().handles.len(), 1, "how often the dispatch was announced");
    expect_content(&f, &path, None);
    let written = copy(&mut *session, CopyRequest::bytes(&path, b"y".to_vec())).await.unwrap();
    expect_outcome(&written, CopyStatus::Copied, b"y");
}

pub async fn a_canceled_copy_leaves_the_old_or_the_new(f: Fixture) {
    interrupted(&f, Interruption::Cancel).await;
}

pub async fn a_lost_connection_leaves_the_old_or_the_new(f: Fixture) {
    interrupted(&f, Interruption::Break).await;
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Interruption {
    Cancel,
    Break,
}

/// A file is replaced, and that is interrupted sooner and later: at no time is there a part of it.
async fn interrupted(f: &Fixture, how: Interruption) {
    if able(f).await.is_none() {
        return;
    }
    let path = place(f, "interrupted.bin");
    let (old, new) = (content(200_000), content(1024 * 1024));
    for delay in [0, 5, 20, 60, 150] {
        let mut session = f.session().await;
        let begin = copy(&mut *session, CopyRequest::bytes(&path, old.clone())).await.unwrap();
        assert_eq!(begin.length, old.len() as u64);
        let (recorder, control) = (Recorder::default(), Fixture::control());
        let mut observer = recorder.clone();
        let interrupt = async {
            recorder.until(f.patience(), |heard| heard.dispatched).await;
            tokio::time::sleep(Duration::from_millis(delay)).await;
            match how {
                Interruption::Cancel => control.cancel.cancel(),
                Interruption::Break => drop(f.host.break_connections()),
            }
        };
        let request = CopyRequest::bytes(&path, new.clone());
        let (ended, ()) = tokio::join!(session.copy(request, &mut observer, &control), interrupt);
        let expected = match (&ended, f.files().and_then(|files| files.read(&path))) {
            (_, None) => continue,
            (_, Some(found)) if found == old => "old",
            (_, Some(found)) if found == new => "new",
            (ended, Some(found)) => panic!(
                "{how:?} after {delay} ms leaves {} bytes that are neither the old content nor the new: {ended:?}",
                found.len()
            ),
        };
        match ended {
            Ok(_) => assert_eq!(expected, "new", "the copy says that it is done ({how:?} after {delay} ms)"),
            Err(error) if error.is_outcome_unknown() => {}
            Err(error) => {
                assert_eq!(
                    expected, "old",
                    "the file was written, and the error knows of nothing: {error:?}"
                );
            }
        }
        // Whatever stayed behind of it does not stand in the way.
        let mut session = f.session().await;
        let after = copy(&mut *session, CopyRequest::bytes(&path, new.clone())).await.unwrap();
        assert_eq!(after.sha256.as_deref(), Some(&*sha256(&new)));
        expect_content(f, &path, Some(&new));
    }
}

/// A session that can copy; `None` when that is no capability, which has been checked then.
async fn able(f: &Fixture) -> Option<Box<dyn Session>> {
    let mut session = f.session().await;
    if f.capabilities().copy {
        return Some(session);
    }
    let (recorder, started) = (Recorder::default(), f.host.commands_started());
    let request = CopyRequest::bytes(place(f, "unsupported.txt"), b"x".to_vec());
    let result = session.copy(request, &mut recorder.clone(), &Fixture::control()).await;
    f.unsupported(result, &recorder, started, "copy");
    None
}

async fn copy(session: &mut dyn Session, request: CopyRequest) -> Result<CopyOutcome> {
    let recorder = Recorder::default();
    let outcome = session.copy(request, &mut recorder.clone(), &Fixture::control()).await;
    let heard = recorder.heard();
    assert_eq!(heard.pieces, 0, "a copy says nothing of its own");
    assert!(heard.handles.len() <= 1, "the dispatch was announced {} times", heard.handles.len());
    assert!(outcome.is_err() || heard.dispatched, "files were written without a dispatch");
    outcome
}

async fn expect_copied(f: &Fixture, bytes: &[u8]) {
    let Some(mut session) = able(f).await else { return };
    let path = place(f, &format!("new {}.bin", bytes.len()));
    let outcome = copy(&mut *session, CopyRequest::bytes(&path, bytes.to_vec())).await.unwrap();
    expect_outcome(&outcome, CopyStatus::Copied, bytes);
    expect_content(f, &path, Some(bytes));
}

fn expect_outcome(outcome: &CopyOutcome, status: CopyStatus, bytes: &[u8]) {
    assert_eq!((outcome.status, outcome.length), (status, bytes.len() as u64));
    assert_eq!((outcome.files, outcome.files_written), (1, u64::from(status == CopyStatus::Copied)));
    assert_eq!(outcome.sha256.as_deref(), Some(&*sha256(bytes)), "the hash that the host computed");
}

fn expect_content(f: &Fixture, path: &str, expected: Option<&[u8]>) {
    let Some(files) = f.files() else { return };
    let found = files.read(path);
    let lengths = (found.as_ref().map(Vec::len), expected.map(<[u8]>::len));
    assert!(found.as_deref() == expected, "{path}: found and expected differ, lengths {lengths:?}");
}
