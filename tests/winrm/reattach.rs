//! Commands that one worker starts and another one sees through.

use std::{sync::Arc, time::Duration};

use opsconductor_core::{
    ErrorKind,
    transport::{ExecRequest, winrm::WinrmConnector},
};
use windows_sim::WindowsHost;

use crate::support::{Recorder, cmd, control, eventually, host, limited, powershell, session};

/// Says that it runs, waits for a file, and goes on.
const WAITS: &str = "Add-Content C:\\temp\\ran.txt x; 'begun'; while(-not (Test-Path C:\\temp\\go.txt)){Start-Sleep -Milliseconds 20}; \
                     [Console]::Error.WriteLine('e'); 'done'; exit 7";

fn ran(host: &WindowsHost) -> usize {
    host.machine()
        .read_file("C:\\temp\\ran.txt")
        .map_or(0, |bytes| bytes.iter().filter(|byte| **byte == b'x').count())
}

/// Starts a command, hears its first word, and leaves it running.
async fn started(host: &WindowsHost, request: ExecRequest) -> (WinrmConnector, Recorder) {
    let (connector, mut session) = session(host).await;
    let (mut recorder, token) = Recorder::releasable();
    let heard = Arc::clone(&recorder.heard);
    let leave = tokio::spawn(async move {
        heard.notified().await;
        token.cancel();
    });
    let error = session.exec(request, &mut recorder, &control()).await.unwrap_err();
    leave.await.unwrap();
    assert_eq!((error.kind(), error.is_outcome_unknown()), (ErrorKind::Canceled, true), "{error:?}");
    (connector, recorder)
}

#[tokio::test]
async fn another_worker_hears_the_rest() {
    let host = host().await;
    for request in [
        powershell(WAITS),
        cmd("echo x>>C:\\temp\\ran.txt & echo begun& ping -n 3 127.0.0.1 >nul & echo done& exit 7"),
    ] {
        let before = ran(&host);
        let (first, recorder) = started(&host, request).await;
        assert_eq!(recorder.said().trim_end(), "begun");
        drop(first);
        let (connector, mut second) = session(&host).await;
        let mut heard = Recorder::default();
        host.machine().write_file("C:\\temp\\go.txt", Vec::new());
        let outcome = second.reattach(recorder.handle(), &mut heard, &control()).await.unwrap();
        assert_eq!(outcome.exit_code, 7);
        assert_eq!(heard.said().trim_end(), "done");
        assert_eq!(heard.gaps.len(), 1, "what the first worker had been told may be missing");
        assert_eq!(ran(&host), before + 1, "the command ran once");
        assert_eq!(host.counters().shells_open, 0, "its shell is deleted");
        let said = crate::support::run(&mut *second, cmd("exit 3")).await;
        assert_eq!(said.exit_code, 3, "the session can be used as ever");
        second.close().await.unwrap();
        drop(connector);
    }
}

#[tokio::test]
async fn a_script_that_was_not_sent_is_not_executed() {
    let host = host().await;
    let big = format!("{}\n{WAITS}", "# filler filler filler\n".repeat(4000));
    for script in [WAITS, big.as_str()] {
        let (_connector, mut first) = session(&host).await;
        let (mut recorder, _token) = Recorder::releasable();
        recorder.release_at_once = true;
        first.exec(powershell(script), &mut recorder, &control()).await.unwrap_err();
        let (_other, mut second) = session(&host).await;
        let mut heard = Recorder::default();
        let error = second.reattach(recorder.handle(), &mut heard, &control()).await.unwrap_err();
        assert!(error.is_retryable() && !error.is_outcome_unknown(), "{error:?}");
        assert!(heard.gaps.is_empty() && heard.stdout.is_empty() && heard.stderr.is_empty(), "nothing ran");
        assert_eq!((ran(&host), host.counters().shells_open), (0, 0));
    }
}

#[tokio::test]
async fn a_command_whose_input_was_cut_off_is_stopped() {
    let host = host().await;
    let (_connector, mut first) = session(&host).await;
    let (mut recorder, token) = Recorder::releasable();
    let mut request = cmd("more > C:\\temp\\taken.txt");
    request.stdin = Some("first\r\n".into());
    // The worker is gone before it has sent the input: a release would wait for that.
    host.faults().on_next(windows_sim::Action::Send, windows_sim::Fault::Delay(Duration::from_secs(30)));
    let control = control();
    tokio::select! {
        _ = first.exec(request, &mut recorder, &control) => panic!("the input waits"),
        () = eventually("the command runs", || host.counters().commands == 1) => {}
    }
    token.cancel();
    let mut handle = recorder.handle().clone();
    assert!(handle.0.contains_key("command_id") || handle.0.len() == 1);
    if recorder.renamed.is_empty() {
        handle.0.remove("command_id");
    }
    let (_other, mut second) = session(&host).await;
    let error = second.reattach(&handle, &mut Recorder::default(), &control).await.unwrap_err();
    assert_eq!((error.kind(), error.is_outcome_unknown()), (ErrorKind::NotFound, true), "{error:?}");
    drop(first);
    eventually("nothing is left", || {
        host.counters().shells_open == 0 && host.machine().running_processes() == 0
    })
    .await;
}

#[tokio::test]
async fn a_command_that_the_host_has_forgotten_is_not_found() {
    let host = host().await;
    let (_connector, recorder) = started(&host, powershell(WAITS)).await;
    host.reboot();
    let (_other, mut second) = session(&host).await;
    let error = second.reattach(recorder.handle(), &mut Recorder::default(), &control()).await.unwrap_err();
    assert_eq!((error.kind(), error.is_outcome_unknown()), (ErrorKind::NotFound, true), "{error:?}");
    assert!(error.to_string().contains("restarted"), "{error}");
}

#[tokio::test]
async fn a_shell_without_a_named_command_is_deleted() {
    let host = host().await;
    let (_connector, recorder) = started(&host, powershell(WAITS)).await;
    let mut handle = recorder.handle().clone();
    handle.0.retain(|name, _| name == "shell_id");
    let (_other, mut second) = session(&host).await;
    let error = second.reattach(&handle, &mut Recorder::default(), &control()).await.unwrap_err();
    assert_eq!((error.kind(), error.is_outcome_unknown()), (ErrorKind::NotFound, true), "{error:?}");
    assert_eq!(host.counters().shells_open, 0);
    eventually("nothing runs", || host.machine().running_processes() == 0).await;
}

#[tokio::test]
async fn another_worker_can_stop_it() {
    let host = host().await;
    for cancel in [true, false] {
        let (_connector, recorder) = started(&host, powershell(WAITS)).await;
        let (_other, mut second) = session(&host).await;
        let control = if cancel { control() } else { limited(Duration::ZERO) };
        if cancel {
            control.cancel.cancel();
        }
        let error = second.reattach(recorder.handle(), &mut Recorder::default(), &control).await.unwrap_err();
        let kind = if cancel { ErrorKind::Canceled } else { ErrorKind::Timeout };
        assert_eq!(
            (error.kind(), error.is_outcome_unknown()),
            (kind, false),
            "it was seen to stop: {error:?}"
        );
        assert_eq!(host.counters().shells_open, 0);
        eventually("nothing runs", || host.machine().running_processes() == 0).await;
    }
}

#[tokio::test]
async fn what_a_lost_command_holds_is_freed() {
    use opsconductor_core::transport::Connector as _;
    let host = host().await;
    let (connector, recorder) = started(&host, powershell(WAITS)).await;
    let endpoint = crate::support::endpoint(&host);
    connector.abandon(&endpoint, &crate::support::credential(), recorder.handle()).await;
    assert_eq!(host.counters().shells_open, 0);
    eventually("nothing runs", || host.machine().running_processes() == 0).await;
}
