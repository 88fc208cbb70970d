//! Many files in one stream.

use opsconductor_core::{
    Error, ErrorKind,
    transport::{CopyEntry, CopyOutcome, CopyRequest, CopySource, CopyStatus, FileSource, Session},
};
use windows_sim::Fault;

use crate::{
    copy_faults::noise,
    support::{Recorder, cmd, control, host, run, session},
};

const ROOT: &str = "C:\\temp\\it's $(x)";

fn content(n: usize) -> Vec<u8> {
    noise([0, 1, 700, 5000, 40_000][n % 5])
}

fn name(n: usize) -> String {
    match n % 3 {
        0 => format!("f{n}.txt"),
        1 => format!("sub {}/f '\u{201c}{n}.txt", n % 7),
        _ => format!("a/b/c/{n}"),
    }
}

fn files(count: usize) -> Vec<CopyEntry> {
    let entry = |n| CopyEntry { path: name(n), source: FileSource::Bytes(content(n).into()) };
    (0..count).map(entry).collect()
}

async fn copy(
    session: &mut dyn Session,
    files: Vec<CopyEntry>,
    overwrite: bool,
) -> Result<CopyOutcome, Error> {
    let request = CopyRequest { source: CopySource::Many(files), overwrite, ..CopyRequest::bytes(ROOT, "") };
    session.copy(request, &mut Recorder::default(), &control()).await
}

fn at(n: usize) -> String {
    format!("{ROOT}\\{}", name(n).replace('/', "\\"))
}

#[tokio::test]
async fn every_file_arrives_and_those_that_are_there_are_not_sent_again() {
    let host = host().await;
    let (_connector, mut session) = session(&host).await;
    let outcome = copy(&mut *session, files(60), true).await.unwrap();
    assert_eq!((outcome.status, outcome.files, outcome.files_written), (CopyStatus::Copied, 60, 60));
    for n in 0..60 {
        assert!(host.machine().read_file(&at(n)) == Some(content(n)), "{n}");
    }
    host.machine().write_file(&at(33), b"changed".to_vec());
    let outcome = copy(&mut *session, files(62), true).await.unwrap();
    assert_eq!((outcome.files, outcome.files_written), (62, 3));
    assert!(host.machine().read_file(&at(33)) == Some(content(33)));
    let outcome = copy(&mut *session, files(62), false).await.unwrap();
    assert_eq!((outcome.status, outcome.files_written), (CopyStatus::Unchanged, 0));
    assert_eq!(run(&mut *session, cmd("exit 7")).await.exit_code, 7);
}

#[tokio::test]
async fn one_conflict_leaves_everything_alone() {
    let host = host().await;
    let (_connector, mut session) = session(&host).await;
    host.machine().write_file(&at(9), b"old".to_vec());
    let error = copy(&mut *session, files(12), false).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Conflict, "{error:?}");
    assert!(error.to_string().contains("f9.txt"), "{error}");
    assert_eq!(host.machine().read_file(&at(9)).unwrap(), b"old");
    assert_eq!(host.machine().read_file(&at(0)), None);
}

#[tokio::test]
async fn a_stream_that_breaks_goes_on_with_the_files_that_are_missing() {
    for fault in [Fault::DropBefore, Fault::DropAfter, Fault::Refuse(995), Fault::Reboot] {
        for n in [3, 5, 6] {
            let host = host().await;
            let (_connector, mut session) = session(&host).await;
            host.faults().on_message(n, fault);
            let outcome = copy(&mut *session, files(40), true).await.unwrap();
            // An empty file may be in its place before the host was heard to want it.
            assert!(outcome.files == 40 && outcome.files_written >= 39, "{fault:?} at {n}: {outcome:?}");
            for n in 0..40 {
                assert!(host.machine().read_file(&at(n)) == Some(content(n)), "{n}");
            }
            session.close().await.unwrap();
            assert_eq!(host.counters().shells_open, 0, "{fault:?} at {n}");
        }
    }
}

#[tokio::test]
async fn a_file_that_cannot_be_written_is_named() {
    let host = host().await;
    let (_connector, mut session) = session(&host).await;
    host.machine().write_file(&at(3), b"old".to_vec());
    host.machine().set_read_only(&at(3), true);
    let error = copy(&mut *session, files(6), true).await.unwrap_err();
    assert!(error.to_string().contains("read-only") && error.to_string().contains("f3.txt"), "{error}");
    assert_eq!(host.machine().read_file(&at(3)).unwrap(), b"old");
}
