//! Copies whose conversation breaks in the middle.

use std::time::{Duration, Instant};

use opsconductor_core::{
    Error, ErrorKind,
    error::Layer,
    transport::{CopyOutcome, CopyRequest, CopyStatus, STOP_GRACE, Session},
};
use windows_sim::{Action, Fault, Quotas, WindowsHost};

use crate::support::{Recorder, builder, cmd, control, eventually, host, limited, run, session};

const PATH: &str = "C:\\temp\\target.bin";

/// Bytes that no packer makes smaller.
pub(crate) fn noise(length: usize) -> Vec<u8> {
    let mut state = 0x9e37_79b9_7f4a_7c15_u64;
    let mut out = Vec::with_capacity(length + 8);
    while out.len() < length {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        out.extend_from_slice(&state.to_le_bytes());
    }
    out.truncate(length);
    out
}

async fn copy(session: &mut dyn Session, content: &[u8]) -> Result<CopyOutcome, Error> {
    let request = CopyRequest::bytes(PATH, content.to_vec());
    let mut recorder = Recorder::default();
    let outcome = session.copy(request, &mut recorder, &control()).await;
    assert!(recorder.handles.len() <= 1, "the dispatch is announced once, however often it begins anew");
    outcome
}

fn parts(host: &WindowsHost) -> Vec<String> {
    host.machine().files("C:\\temp").into_iter().filter(|name| name.ends_with(".part")).collect()
}

/// The state of the destination: the old content or the new, never another.
fn assert_whole(host: &WindowsHost, old: &[u8], new: &[u8]) {
    let found = host.machine().read_file(PATH).unwrap();
    assert!(found == old || found == new, "{} bytes of neither content", found.len());
}

#[tokio::test]
async fn a_copy_goes_on_after_whatever_breaks_at_any_message() {
    let content = noise(300_000);
    let faults = [
        Fault::DropBefore,
        Fault::DropAfter,
        Fault::TruncatedBody,
        Fault::Delay(Duration::from_millis(50)),
        Fault::Refuse(995),
        Fault::Unavailable,
        Fault::Reboot,
    ];
    for fault in faults {
        for n in 1..=8 {
            let host = host().await;
            host.machine().write_file(PATH, b"old".to_vec());
            let (connector, mut session) = session(&host).await;
            host.faults().on_message(n, fault);
            let result = copy(&mut *session, &content).await;
            assert_whole(&host, b"old", &content);
            match result {
                Ok(outcome) => {
                    assert_eq!(
                        (outcome.status, outcome.length),
                        (CopyStatus::Copied, 300_000),
                        "{fault:?} at {n}"
                    );
                    assert!(host.machine().read_file(PATH).unwrap() == content, "{fault:?} at {n}");
                    assert_eq!(parts(&host), Vec::<String>::new(), "{fault:?} at {n}");
                }
                Err(error) => {
                    // The shell itself was refused: nothing was begun.
                    assert!(n <= 2, "{fault:?} at {n}: {error:?}");
                    assert_eq!(error.kind(), ErrorKind::Transport, "{fault:?} at {n}: {error:?}");
                    assert!(
                        error.layer().is_some() && !error.is_outcome_unknown(),
                        "{fault:?} at {n}: {error:?}"
                    );
                }
            }
            host.faults().clear();
            assert_eq!(run(&mut *session, cmd("exit 7")).await.exit_code, 7, "{fault:?} at {n}");
            drop(session);
            opsconductor_core::transport::Connector::shutdown(&connector).await;
            assert_eq!(host.counters().shells_open, 0, "{fault:?} at {n}");
        }
    }
}

#[tokio::test]
async fn a_connection_lost_in_the_middle_costs_no_second_sending() {
    let content = noise(3 * 1024 * 1024);
    let whole = {
        let host = host().await;
        let (_connector, mut session) = session(&host).await;
        copy(&mut *session, &content).await.unwrap();
        host.counters().messages
    };
    let host = host().await;
    let (_connector, mut session) = session(&host).await;
    // Create, Command, the script, the plan and the Receives beside come before; 11 chunks follow.
    host.faults().on_message(14, Fault::DropAfter);
    let outcome = copy(&mut *session, &content).await.unwrap();
    assert_eq!(outcome.status, CopyStatus::Copied);
    assert!(host.machine().read_file(PATH).unwrap() == content);
    assert_eq!(host.faults().remaining(), 0);
    let more = host.counters().messages.saturating_sub(whole);
    assert!(more < 14, "beginning anew would cost as many messages again as were lost, not {more}");
}

#[tokio::test]
async fn the_next_copy_goes_on_where_a_canceled_one_was() {
    let content = noise(4 * 1024 * 1024);
    let host = builder().latency(Duration::from_millis(20)).start().await.unwrap();
    host.machine().write_file(PATH, b"old".to_vec());
    let (_connector, mut session) = session(&host).await;
    let control = control();
    let cancel = control.cancel.clone();
    let machine = std::sync::Arc::clone(host.machine());
    let watcher = tokio::spawn(async move {
        let part = || machine.files("C:\\temp").into_iter().find(|name| name.ends_with(".part"));
        loop {
            let length = part()
                .and_then(|name| machine.read_file(&format!("C:\\temp\\{name}")))
                .map_or(0, |c| c.len());
            if length > 1024 * 1024 {
                cancel.cancel();
                return Instant::now();
            }
            tokio::time::sleep(Duration::from_millis(2)).await;
        }
    });
    let mut recorder = Recorder::default();
    let request = CopyRequest::bytes(PATH, content.clone());
    let error = session.copy(request, &mut recorder, &control).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Canceled, "{error:?}");
    assert!(!error.is_outcome_unknown(), "nothing was put in its place: {error:?}");
    assert!(watcher.await.unwrap().elapsed() < STOP_GRACE);
    assert_eq!(host.machine().read_file(PATH).unwrap(), b"old");
    assert_eq!(parts(&host).len(), 1, "what was sent is kept");
    assert_eq!(host.counters().shells_open, 0);
    let before = host.counters().messages;
    assert_eq!(copy(&mut *session, &content).await.unwrap().status, CopyStatus::Copied);
    assert!(host.machine().read_file(PATH).unwrap() == content);
    assert_eq!(parts(&host), Vec::<String>::new());
    let sends = host.counters().messages - before;
    assert!(sends < 22, "4 MiB are 15 chunks, and 4 of them were there: {sends} messages");
}

#[tokio::test]
async fn a_timeout_leaves_the_old_content() {
    let host = builder().latency(Duration::from_millis(50)).start().await.unwrap();
    host.machine().write_file(PATH, b"old".to_vec());
    let (_connector, mut session) = session(&host).await;
    let mut recorder = Recorder::default();
    let request = CopyRequest::bytes(PATH, noise(20 * 1024 * 1024));
    let error = session.copy(request, &mut recorder, &limited(Duration::from_secs(2))).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Timeout, "{error:?}");
    assert!(!error.is_outcome_unknown(), "{error:?}");
    assert_eq!(host.machine().read_file(PATH).unwrap(), b"old");
    assert_eq!(host.counters().shells_open, 0);
    assert_eq!(run(&mut *session, cmd("exit 7")).await.exit_code, 7);
}

#[tokio::test]
async fn a_host_that_takes_smaller_messages_alone_gets_smaller_ones() {
    let mut quotas = Quotas::default();
    quotas.envelope_bytes_max = 150 * 1024;
    let host = builder().quotas(quotas).start().await.unwrap();
    let (_connector, mut session) = session(&host).await;
    let content = noise(1024 * 1024);
    copy(&mut *session, &content).await.unwrap();
    assert!(host.machine().read_file(PATH).unwrap() == content);
}

#[tokio::test]
async fn a_busy_host_gets_the_same_bytes_again() {
    let host = host().await;
    let (_connector, mut session) = session(&host).await;
    let content = noise(600_000);
    host.faults().on_next(Action::Send, Fault::Refuse(170));
    host.faults().on_next(Action::Receive, Fault::RefuseWmi(170));
    copy(&mut *session, &content).await.unwrap();
    assert!(host.machine().read_file(PATH).unwrap() == content);
    for _ in 0..4 {
        host.faults().on_next(Action::Receive, Fault::Refuse(170));
    }
    host.machine().write_file(PATH, b"old".to_vec());
    let error = copy(&mut *session, &content).await.unwrap_err();
    assert_eq!(
        (error.layer(), error.code()),
        (Some(Layer::Protocol), Some(170)),
        "three times, then no more"
    );
    assert_eq!(host.machine().read_file(PATH).unwrap(), b"old");
}

#[tokio::test]
async fn a_logon_that_was_forgotten_midway_is_made_once_more() {
    let host = host().await;
    let (_connector, mut session) = session(&host).await;
    host.faults().on_next(Action::Send, Fault::Unauthorized);
    let content = noise(300_000);
    copy(&mut *session, &content).await.unwrap();
    assert!(host.machine().read_file(PATH).unwrap() == content);
    session.close().await.unwrap();
    eventually("no shell is left", || host.counters().shells_open == 0).await;
}
