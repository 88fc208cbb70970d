//! Time-out, cancel, and callers that go away.

use std::time::{Duration, Instant};

use opsconductor_core::{
    ErrorKind,
    transport::{Connector as _, STOP_GRACE},
};
use tokio_util::sync::CancellationToken;
use windows_sim::{Action, Fault};

use crate::support::{Recorder, cmd, control, eventually, host, limited, powershell, run, session};

#[tokio::test]
async fn a_timeout_stops_the_remote_command() {
    let host = host().await;
    let (_connector, mut session) = session(&host).await;
    assert_eq!(
        run(&mut *session, cmd("exit 4")).await.exit_code,
        4,
        "what the time is not for is there by then"
    );
    for request in
        [cmd("ping -n 300 127.0.0.1 >nul"), powershell("Write-Output started; Start-Sleep -Seconds 300")]
    {
        let mut recorder = Recorder::default();
        let begun = Instant::now();
        let timeout = Duration::from_millis(1500);
        let error = session.exec(request, &mut recorder, &limited(timeout)).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Timeout, "{error:?}");
        assert!(!error.is_outcome_unknown(), "it was seen to stop: {error:?}");
        assert!(begun.elapsed() < timeout + STOP_GRACE);
        assert_eq!(host.counters().shells_open, 0);
        eventually("the process is gone", || host.machine().running_processes() == 0).await;
    }
    assert_eq!(run(&mut *session, cmd("exit 5")).await.exit_code, 5, "the session goes on");
}

#[tokio::test]
async fn a_cancel_stops_the_remote_command() {
    let host = host().await;
    let (_connector, mut session) = session(&host).await;
    for request in
        [cmd("ping -n 300 127.0.0.1"), powershell("Write-Output started; Start-Sleep -Seconds 300")]
    {
        let control = control();
        let mut recorder = Recorder::default();
        let heard = recorder.heard.clone();
        let cancel: CancellationToken = control.cancel.clone();
        let canceler = tokio::spawn(async move {
            heard.notified().await;
            cancel.cancel();
            Instant::now()
        });
        let error = session.exec(request, &mut recorder, &control).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Canceled, "{error:?}");
        assert!(canceler.await.unwrap().elapsed() < STOP_GRACE);
        assert_eq!(host.counters().shells_open, 0);
        eventually("the process is gone", || host.machine().running_processes() == 0).await;
    }
}

#[tokio::test]
async fn what_was_canceled_before_is_not_started() {
    let host = host().await;
    let (_connector, mut session) = session(&host).await;
    let control = control();
    control.cancel.cancel();
    let mut recorder = Recorder::default();
    let error = session.exec(cmd("echo x"), &mut recorder, &control).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Canceled);
    assert!(recorder.handles.is_empty());
    assert_eq!(host.counters().commands, 0);
}

#[tokio::test]
async fn a_caller_that_goes_away_leaves_nothing_behind() {
    let host = host().await;
    let (_connector, mut session) = session(&host).await;
    let mut recorder = Recorder::default();
    let heard = recorder.heard.clone();
    let control = control();
    let script = powershell("Write-Output started; Start-Sleep -Seconds 300");
    tokio::select! {
        _ = session.exec(script, &mut recorder, &control) => {
            panic!("the command cannot have ended");
        }
        () = heard.notified() => {}
    }
    assert!(!recorder.stdout.is_empty());
    drop(session);
    eventually("the shell is gone", || host.counters().shells_open == 0).await;
    eventually("the process is gone", || host.machine().running_processes() == 0).await;
}

#[tokio::test]
async fn the_shell_of_who_went_away_is_deleted_although_connections_for_that_break() {
    let host = host().await;
    let (connector, mut session) = session(&host).await;
    let mut recorder = Recorder::default();
    let heard = recorder.heard.clone();
    let control = control();
    tokio::select! {
        _ = session.exec(powershell("Write-Output started; Start-Sleep -Seconds 300"), &mut recorder, &control) => {
            panic!("the command cannot have ended");
        }
        () = heard.notified() => {}
    }
    for _ in 0..3 {
        host.faults().on_next(Action::Delete, Fault::DropBefore);
    }
    drop(session);
    connector.shutdown().await;
    assert_eq!(host.faults().remaining(), 0, "each connection broke");
    assert_eq!(host.counters().shells_open, 0);
    eventually("the process is gone", || host.machine().running_processes() == 0).await;
}
