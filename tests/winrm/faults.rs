//! Connections that break, hosts that restart, quotas that are used up.

use opsconductor_core::{ErrorKind, error::Layer, transport::Connector as _};
use windows_sim::{Action, Fault, Quotas};

use crate::support::{
    Recorder, builder, cmd, control, credential, endpoint, eventually, host, powershell, run, session,
};

#[tokio::test]
async fn a_connection_lost_after_the_dispatch_leaves_the_outcome_unknown() {
    for (action, fault) in [
        (Action::Command, Fault::DropAfter),
        (Action::Receive, Fault::DropBefore),
        (Action::Receive, Fault::TruncatedBody),
    ] {
        let host = host().await;
        let (connector, mut session) = session(&host).await;
        host.faults().on_next(action, fault);
        let mut recorder = Recorder::default();
        let error = session.exec(cmd("echo once"), &mut recorder, &control()).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Transport, "{action:?} {fault:?}: {error:?}");
        assert!(error.is_outcome_unknown() && !error.is_retryable(), "{action:?} {fault:?}: {error:?}");
        assert_eq!(host.counters().commands, 1, "nothing is sent twice");
        drop(session);
        connector.shutdown().await;
        assert_eq!(host.counters().shells_open, 0, "{action:?} {fault:?}");
    }
}

#[tokio::test]
async fn a_script_whose_delivery_is_in_doubt_is_not_sent_again() {
    let host = host().await;
    let (_connector, mut session) = session(&host).await;
    host.faults().on_next(Action::Send, Fault::DropAfter);
    let mut recorder = Recorder::default();
    let error = session.exec(powershell("'x'"), &mut recorder, &control()).await.unwrap_err();
    assert!(error.is_outcome_unknown(), "{error:?}");
    assert_eq!(host.counters().commands, 1);
}

#[tokio::test]
async fn a_warm_session_outlives_a_restart_of_the_host() {
    let host = host().await;
    let (_connector, mut session) = session(&host).await;
    assert_eq!(run(&mut *session, cmd("exit 1")).await.exit_code, 1);
    host.reboot();
    assert_eq!(run(&mut *session, powershell("exit 2")).await.exit_code, 2);
}

#[tokio::test]
async fn a_connection_that_was_hung_up_on_is_opened_anew() {
    let host = host().await;
    let (_connector, mut session) = session(&host).await;
    assert_eq!(run(&mut *session, cmd("exit 1")).await.exit_code, 1);
    host.drop_connections();
    tokio::task::yield_now().await;
    assert_eq!(run(&mut *session, powershell("exit 2")).await.exit_code, 2);
    session.close().await.unwrap();
    eventually("no shell is left", || host.counters().shells_open == 0).await;
}

#[tokio::test]
async fn a_full_host_is_waited_for() {
    let mut quotas = Quotas::default();
    quotas.shells_per_user_max = 1;
    let host = builder().quotas(quotas).start().await.unwrap();
    let (connector, mut first) = session(&host).await;
    assert_eq!(run(&mut *first, cmd("exit 1")).await.exit_code, 1);
    let mut second = connector.connect(&endpoint(&host), &credential()).await.unwrap();
    let (said, closed) = tokio::join!(run(&mut *second, cmd("exit 2")), first.close());
    closed.unwrap();
    assert_eq!(said.exit_code, 2);
}

#[tokio::test]
async fn a_host_that_stays_full_is_an_error_with_its_number() {
    let mut quotas = Quotas::default();
    quotas.shells_per_user_max = 0;
    let host = builder().quotas(quotas).start().await.unwrap();
    let mut settings = opsconductor_core::transport::winrm::WinrmSettings::default();
    settings.quota_retries_max = 1;
    let connector = opsconductor_core::transport::winrm::WinrmConnector::builder()
        .with_settings(settings)
        .build()
        .unwrap();
    let mut session = connector.connect(&endpoint(&host), &credential()).await.unwrap();
    let mut recorder = Recorder::default();
    let error = session.exec(cmd("echo x"), &mut recorder, &control()).await.unwrap_err();
    assert_eq!((error.layer(), error.code()), (Some(Layer::Shell), Some(2_150_859_173)));
    assert!(error.is_retryable() && recorder.handles.is_empty());
}

#[tokio::test]
async fn used_up_operations_are_met_with_a_new_shell() {
    let mut quotas = Quotas::default();
    quotas.operations_per_user_max = 4;
    let host = builder().quotas(quotas).start().await.unwrap();
    let (_connector, mut session) = session(&host).await;
    for n in 0..12 {
        assert_eq!(run(&mut *session, powershell("exit 3")).await.exit_code, 3, "command {n}");
    }
    assert!(host.counters().shells_opened > 1);
    session.close().await.unwrap();
    assert_eq!(host.counters().shells_open, 0);
}
