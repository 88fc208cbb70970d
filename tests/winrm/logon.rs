//! Logging on, and hosts that are not there.

use std::time::{Duration, Instant};

use opsconductor_core::{
    ErrorKind,
    error::Layer,
    transport::{Connector as _, Endpoint, winrm::WinrmConnector},
};
use tokio::net::TcpListener;

use crate::support::{USER, builder, credential, credential_with, endpoint, host};

#[tokio::test]
async fn a_wrong_password_is_tried_once_and_stays_secret() {
    for transport in [None, Some("ntlm")] {
        let host = builder().lockout_threshold(2).start().await.unwrap();
        let connector = WinrmConnector::new();
        let wrong = credential_with(USER, "hunter2-wrong", transport);
        let error = connector.connect(&endpoint(&host), &wrong).await.err().unwrap();
        assert_eq!((error.kind(), error.layer()), (ErrorKind::Auth, Some(Layer::Authentication)));
        assert!(!error.is_retryable());
        let text = format!("{error} {error:?} {}", error.report());
        assert!(text.contains("web-1") && text.contains(USER), "{text}");
        assert!(!text.contains("hunter2"), "{text}");
        assert_eq!(host.counters().logons[USER].failed, 1);
        connector.connect(&endpoint(&host), &credential()).await.unwrap();
    }
}

#[tokio::test]
async fn a_port_that_is_closed_is_a_connect_error() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    drop(listener);
    let error = WinrmConnector::new()
        .connect(&Endpoint::new("web-1", "127.0.0.1", port), &credential())
        .await
        .err()
        .unwrap();
    assert_eq!((error.kind(), error.layer()), (ErrorKind::Transport, Some(Layer::Connect)));
    assert!(error.is_retryable());
}

#[tokio::test]
async fn a_host_that_says_nothing_is_given_up_in_time() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let mut endpoint = Endpoint::new("web-1", "127.0.0.1", listener.local_addr().unwrap().port());
    endpoint.connect_timeout = Duration::from_millis(300);
    let begun = Instant::now();
    let error = WinrmConnector::new().connect(&endpoint, &credential()).await.err().unwrap();
    assert_eq!(error.kind(), ErrorKind::Transport, "a silent host has refused nothing: {error}");
    assert!(begun.elapsed() < Duration::from_secs(3));
}

#[tokio::test]
async fn a_name_that_does_not_resolve_is_a_name_error() {
    let endpoint = Endpoint::new("web-1", "no-such-host.invalid", 5985);
    let error = WinrmConnector::new().connect(&endpoint, &credential()).await.err().unwrap();
    assert_eq!(error.layer(), Some(Layer::Name), "{error}");
}

#[tokio::test]
async fn basic_is_refused_without_tls() {
    let host = host().await;
    let basic = credential_with(USER, "x", Some("basic"));
    let error = WinrmConnector::new().connect(&endpoint(&host), &basic).await.err().unwrap();
    assert_eq!(error.kind(), ErrorKind::InvalidInput);
    assert_eq!(host.counters().connections, 0, "nothing was sent");
}
