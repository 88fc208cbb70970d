//! Sessions that are kept warm, and what is left when everything ends.

use opsconductor_core::transport::{
    Connector as _,
    winrm::{WinrmConnector, WinrmSettings},
};

use crate::support::{builder, cmd, credential, credential_with, endpoint, eventually, host, run};

#[tokio::test]
async fn the_next_session_takes_over_connection_and_shell() {
    let host = host().await;
    let connector = WinrmConnector::new();
    for n in 0..5 {
        let mut session = connector.connect(&endpoint(&host), &credential()).await.unwrap();
        assert_eq!(run(&mut *session, cmd("exit 3")).await.exit_code, 3, "{n}");
    }
    let counters = host.counters();
    assert_eq!((counters.connections, counters.shells_opened, counters.commands), (1, 1, 5));
    connector.shutdown().await;
    assert_eq!(host.counters().shells_open, 0);
}

#[tokio::test]
async fn another_credential_gets_nothing_of_it() {
    let host = builder().user("other", "pw").start().await.unwrap();
    let connector = WinrmConnector::new();
    for credential in [credential(), credential_with("other", "pw", None)] {
        let mut session = connector.connect(&endpoint(&host), &credential).await.unwrap();
        run(&mut *session, cmd("exit 0")).await;
    }
    assert_eq!(host.counters().connections, 2);
    let wrong = credential_with("other", "wrong", None);
    assert!(connector.connect(&endpoint(&host), &wrong).await.is_err(), "the password is part of it");
    connector.shutdown().await;
    assert_eq!(host.counters().shells_open, 0);
}

#[tokio::test]
async fn a_closed_session_leaves_no_shell() {
    let host = host().await;
    let connector = WinrmConnector::new();
    let mut session = connector.connect(&endpoint(&host), &credential()).await.unwrap();
    run(&mut *session, cmd("exit 0")).await;
    assert_eq!(host.counters().shells_open, 1);
    session.close().await.unwrap();
    assert_eq!(host.counters().shells_open, 0);
}

#[tokio::test]
async fn a_connector_that_is_dropped_leaves_no_shell() {
    let host = host().await;
    let connector = WinrmConnector::new();
    let mut session = connector.connect(&endpoint(&host), &credential()).await.unwrap();
    run(&mut *session, cmd("exit 0")).await;
    drop(session);
    assert_eq!(host.counters().shells_open, 1, "kept warm");
    drop(connector);
    eventually("the shell is gone", || host.counters().shells_open == 0).await;
}

#[tokio::test]
async fn a_shell_is_replaced_when_it_has_run_enough() {
    let host = host().await;
    let mut settings = WinrmSettings::default();
    settings.commands_per_shell_max = 2;
    let connector = WinrmConnector::builder().with_settings(settings).build().unwrap();
    let mut session = connector.connect(&endpoint(&host), &credential()).await.unwrap();
    for _ in 0..5 {
        run(&mut *session, cmd("exit 0")).await;
    }
    let counters = host.counters();
    assert_eq!((counters.shells_opened, counters.shells_open), (3, 1));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn sessions_beyond_what_the_host_allows_wait_for_their_turn() {
    let mut quotas = windows_sim::Quotas::default();
    quotas.shells_per_user_max = 2;
    let host = builder().quotas(quotas).start().await.unwrap();
    let mut settings = WinrmSettings::default();
    settings.sessions_per_host_max = 2;
    settings.quota_retries_max = 0;
    let connector = std::sync::Arc::new(WinrmConnector::builder().with_settings(settings).build().unwrap());
    let mut tasks = Vec::new();
    for n in 0..12_i64 {
        let (connector, endpoint) = (std::sync::Arc::clone(&connector), endpoint(&host));
        tasks.push(tokio::spawn(async move {
            let mut session = connector.connect(&endpoint, &credential()).await.unwrap();
            assert_eq!(run(&mut *session, cmd(&format!("exit {n}"))).await.exit_code, n);
        }));
    }
    for task in tasks {
        task.await.unwrap();
    }
    assert_eq!(host.counters().shells_opened, 2, "whoever waited took over what was ready");
    connector.shutdown().await;
    assert_eq!(host.counters().shells_open, 0);
}

#[tokio::test]
async fn the_last_signal_is_waited_for_by_nobody_but_the_next_request() {
    let host = host().await;
    let connector = WinrmConnector::new();
    let mut session = connector.connect(&endpoint(&host), &credential()).await.unwrap();
    let wait = std::time::Duration::from_secs(3);
    host.faults().on_next(windows_sim::Action::Signal, windows_sim::Fault::Delay(wait));
    let begun = std::time::Instant::now();
    for n in 0..2 {
        assert_eq!(run(&mut *session, cmd("exit 3")).await.exit_code, 3);
        assert_eq!(begun.elapsed() >= wait, n == 1, "the second waits for what the first left");
    }
    drop(session);
    connector.shutdown().await;
    let counters = host.counters();
    assert_eq!((counters.connections, counters.shells_opened, counters.shells_open), (1, 1, 0));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn sixteen_sessions_run_side_by_side() {
    let host = host().await;
    let connector = std::sync::Arc::new(WinrmConnector::new());
    let mut tasks = Vec::new();
    for n in 0..16_i64 {
        let (connector, endpoint) = (std::sync::Arc::clone(&connector), endpoint(&host));
        tasks.push(tokio::spawn(async move {
            let mut session = connector.connect(&endpoint, &credential()).await.unwrap();
            for _ in 0..5 {
                assert_eq!(run(&mut *session, cmd(&format!("exit {n}"))).await.exit_code, n);
            }
        }));
    }
    for task in tasks {
        task.await.unwrap();
    }
    connector.shutdown().await;
    assert_eq!((host.counters().shells_open, host.counters().plaintext_bodies), (0, 0));
}
