//! A password that is wrong is shown to the host once, whoever would have had a use for it.

use std::{sync::Arc, time::Duration};

use opsconductor_core::{
    ErrorKind,
    error::Layer,
    transport::{
        Connector as _, ExecRequest, Session,
        winrm::{WinrmConnector, WinrmSettings},
    },
};
use windows_sim::{Action, Fault, WindowsHost};

use crate::support::{
    PASSWORD, Recorder, USER, builder, cmd, control, credential, credential_with, endpoint, host, powershell,
    run, session,
};

fn failed(host: &WindowsHost) -> u64 {
    host.counters().logons.get(USER).map_or(0, |logons| logons.failed)
}

/// Runs a request that ends at the logon. Whether a connection that was cut is found out to be before the request or by
/// it, is chance.
async fn refused(session: &mut dyn Session, request: ExecRequest) {
    let mut recorder = Recorder::default();
    let mut error = session.exec(request.clone(), &mut recorder, &control()).await.unwrap_err();
    if error.kind() == ErrorKind::Transport {
        error = session.exec(request, &mut recorder, &control()).await.unwrap_err();
    }
    assert_eq!((error.kind(), error.layer()), (ErrorKind::Auth, Some(Layer::Authentication)), "{error}");
}

#[tokio::test]
async fn sixteen_at_once_fail_once() {
    for transport in [None, Some("ntlm")] {
        let host = builder().lockout_threshold(2).start().await.unwrap();
        let connector = Arc::new(WinrmConnector::new());
        let mut tasks = Vec::new();
        for _ in 0..16 {
            let (connector, endpoint) = (Arc::clone(&connector), endpoint(&host));
            tasks.push(tokio::spawn(async move {
                let wrong = credential_with(USER, "wrong", transport);
                connector.connect(&endpoint, &wrong).await.err().unwrap()
            }));
        }
        for task in tasks {
            let error = task.await.unwrap();
            assert_eq!((error.kind(), error.layer()), (ErrorKind::Auth, Some(Layer::Authentication)));
            assert!(!error.is_retryable(), "{error}");
        }
        assert_eq!(failed(&host), 1);
    }
}

#[tokio::test]
async fn a_probe_tries_once() {
    let host = host().await;
    let wrong = credential_with(USER, "wrong", None);
    let connector = WinrmConnector::new();
    let report = connector.probe(&endpoint(&host), &wrong).await;
    assert!(!report.ok);
    connector.shutdown().await;
    assert_eq!(failed(&host), 1);
}

#[tokio::test]
async fn a_warm_session_whose_password_was_changed_tries_once_and_cleans_up_without() {
    let host = host().await;
    let (connector, mut session) = session(&host).await;
    assert_eq!(run(&mut *session, cmd("exit 1")).await.exit_code, 1);
    host.set_password(USER, "another");
    host.drop_connections();
    for _ in 0..3 {
        refused(&mut *session, cmd("exit 2")).await;
    }
    drop(session);
    connector.shutdown().await;
    assert_eq!((failed(&host), host.counters().commands), (1, 1));
}

#[tokio::test]
async fn warm_sessions_share_the_one_try() {
    let host = host().await;
    let connector = WinrmConnector::new();
    let (endpoint, credential) = (endpoint(&host), credential());
    let mut one = connector.connect(&endpoint, &credential).await.unwrap();
    let mut two = connector.connect(&endpoint, &credential).await.unwrap();
    run(&mut *one, cmd("exit 0")).await;
    run(&mut *two, powershell("exit 0")).await;
    host.set_password(USER, "another");
    host.drop_connections();
    tokio::join!(refused(&mut *one, cmd("exit 2")), refused(&mut *two, powershell("exit 2")));
    drop((one, two));
    connector.shutdown().await;
    assert_eq!(failed(&host), 1);
}

#[tokio::test]
async fn a_second_connection_that_is_refused_is_not_followed_by_a_third() {
    let host = host().await;
    let (connector, mut session) = session(&host).await;
    run(&mut *session, cmd("exit 0")).await;
    // The first connection stays logged on; the one that sends is opened after the change.
    host.set_password(USER, "another");
    let mut recorder = Recorder::default();
    let mut request = powershell("$null = [Console]::In.ReadToEnd(); exit 0");
    request.stdin = Some(vec![b'x'; 2 * 1024 * 1024].into());
    let error = session.exec(request, &mut recorder, &control()).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Auth, "{error:?}");
    drop(session);
    connector.shutdown().await;
    assert_eq!(failed(&host), 1);
}

#[tokio::test]
async fn who_connects_anew_is_refused_for_a_while_without_a_try() {
    let host = host().await;
    let connector = WinrmConnector::new();
    host.set_password(USER, "another");
    assert!(connector.connect(&endpoint(&host), &credential()).await.is_err());
    host.set_password(USER, PASSWORD);
    let error = connector.connect(&endpoint(&host), &credential()).await.err().unwrap();
    assert_eq!((error.kind(), error.layer()), (ErrorKind::Auth, Some(Layer::Authentication)));
    assert!(error.to_string().contains("for 30 s, except by a probe"), "{error}");
    assert_eq!((failed(&host), host.counters().connections), (1, 1));
    let other = connector.connect(&endpoint(&host), &credential_with(USER, PASSWORD, Some("ntlm"))).await;
    other.expect("another way to log on is another credential");
    assert!(connector.probe(&endpoint(&host), &credential()).await.ok, "a probe tries at once");
    connector.connect(&endpoint(&host), &credential()).await.unwrap();
    assert_eq!(failed(&host), 1);
}

#[tokio::test]
async fn a_setting_lets_everyone_try() {
    let host = host().await;
    let mut settings = WinrmSettings::default();
    settings.refused_logon_pause = Duration::ZERO;
    let connector = WinrmConnector::builder().with_settings(settings).build().unwrap();
    host.set_password(USER, "another");
    assert!(connector.connect(&endpoint(&host), &credential()).await.is_err());
    host.set_password(USER, PASSWORD);
    connector.connect(&endpoint(&host), &credential()).await.unwrap();
    assert_eq!(failed(&host), 1);
}

#[tokio::test]
async fn a_host_that_forgot_the_logon_is_logged_on_to_once_more() {
    for action in [Action::Create, Action::Command, Action::Send, Action::Receive] {
        let host = host().await;
        let (_connector, mut session) = session(&host).await;
        host.faults().on_next(action, Fault::Unauthorized);
        assert_eq!(run(&mut *session, powershell("exit 4")).await.exit_code, 4, "{action:?}");
        assert_eq!((host.counters().commands, failed(&host)), (1, 0), "{action:?}");
    }
}

#[tokio::test]
async fn a_host_that_forgot_the_logon_and_then_refuses_it_is_left_alone() {
    for action in [Action::Command, Action::Send, Action::Receive] {
        let host = host().await;
        let (connector, mut session) = session(&host).await;
        assert_eq!(run(&mut *session, powershell("exit 4")).await.exit_code, 4, "{action:?}");
        host.set_password(USER, "another");
        host.faults().on_next(action, Fault::Unauthorized);
        let mut recorder = Recorder::default();
        session.exec(powershell("exit 5"), &mut recorder, &control()).await.unwrap_err();
        drop(session);
        connector.shutdown().await;
        assert_eq!(failed(&host), 1, "{action:?}");
    }
}

#[tokio::test]
async fn basic_tries_once_as_well() {
    let host = builder().https("127.0.0.1:0").basic(true).start().await.unwrap();
    let mut settings = WinrmSettings::default();
    settings.quota_retries_max = 1;
    let connector = WinrmConnector::builder()
        .with_settings(settings)
        .with_ca_pem(host.certificate_pem().unwrap())
        .build()
        .unwrap();
    let address = host.https_addr().unwrap();
    let mut endpoint = endpoint(&host);
    endpoint.port = address.port();
    endpoint.metadata.insert("winrm_use_https".into(), true.into());
    let right = credential_with(USER, PASSWORD, Some("basic"));
    let mut session = connector.connect(&endpoint, &right).await.unwrap();
    assert_eq!(run(&mut *session, cmd("exit 2")).await.exit_code, 2);
    host.set_password(USER, "another");
    let mut recorder = Recorder::default();
    let error = session.exec(cmd("exit 2"), &mut recorder, &control()).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Auth, "{error}");
    drop(session);
    connector.shutdown().await;
    assert_eq!(failed(&host), 1);
}

#[tokio::test]
async fn a_password_that_looks_like_a_hash_is_a_password() {
    for password in ["$NTLM$:32ed87bdb5fdc5e9cba88547376818d4", "$NTLM$:", "$NTLM$:é"] {
        for transport in [None, Some("ntlm")] {
            let host = builder().start().await.unwrap();
            host.set_password(USER, password);
            let connector = WinrmConnector::new();
            let credential = credential_with(USER, password, transport);
            let mut session = connector.connect(&endpoint(&host), &credential).await.unwrap();
            assert_eq!(run(&mut *session, cmd("exit 3")).await.exit_code, 3);
        }
    }
    // The hash of the account's password, marked as one, is no way in.
    let host = builder().start().await.unwrap();
    host.set_password(USER, "123456");
    let hash = credential_with(USER, "$NTLM$:32ed87bdb5fdc5e9cba88547376818d4", None);
    let error = WinrmConnector::new().connect(&endpoint(&host), &hash).await.err().unwrap();
    assert_eq!(error.kind(), ErrorKind::Auth);
}
