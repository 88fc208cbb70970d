//! Kerberos against a realm and an acceptor that are MIT's. `make test-kerberos` installs and runs them.
#![allow(clippy::unwrap_used, reason = "a test may panic")]

#[path = "../winrm/support.rs"]
#[allow(dead_code, reason = "shared with the tests of WinRM, which need more of it")]
mod support;

mod realm;

use std::{sync::Arc, time::Duration};

use opsconductor_core::{
    ErrorKind,
    error::Layer,
    transport::{Connector as _, Endpoint, winrm::WinrmConnector},
};
use serde_json::json;
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::TcpListener,
};

use crate::{
    realm::{ODD_PASSWORD, ODD_USER, PASSWORD, Realm, USER, credential},
    support::{cmd, powershell, run},
};

fn user() -> String {
    format!("{USER}@SIM.EXAMPLE")
}

#[tokio::test]
async fn commands_run_sealed_under_a_ticket() {
    let realm = Realm::start().await;
    let connector = realm.connector();
    let mut session = connector.connect(&realm.endpoint(), &credential(&user(), PASSWORD)).await.unwrap();
    assert_eq!(run(&mut *session, cmd("echo hello& exit 7")).await.exit_code, 7);
    let said = run(&mut *session, powershell("Write-Output 'grüße'; exit 3")).await;
    assert_eq!((said.exit_code, said.stdout.trim()), (3, "grüße"));
    let mut big = powershell("[Console]::In.ReadToEnd().Length");
    big.stdin = Some(vec![b'x'; 1024 * 1024].into());
    assert_eq!(run(&mut *session, big).await.stdout.trim(), "1048576");
    drop(session);
    connector.shutdown().await;
    let counters = realm.counters();
    assert_eq!(counters["users"], json!(["ada@SIM.EXAMPLE"]));
    assert_eq!((&counters["plain"], &counters["refused"]), (&json!(0), &json!(0)), "{counters}");
    assert!(counters["sealed"].as_u64().unwrap() > 10, "{counters}");
    assert_eq!(realm.host.counters().shells_open, 0);
}

#[tokio::test]
async fn a_probe_passes_every_layer() {
    let realm = Realm::start().await;
    let report = realm.connector().probe(&realm.endpoint(), &credential(&user(), PASSWORD)).await;
    assert!(report.ok, "{report:?}");
    assert_eq!(report.details.transport.as_deref(), Some("Kerberos over HTTP, sealed"));
    assert_eq!(report.details.product_vendor.as_deref(), Some("Microsoft Corporation"));
}

#[tokio::test]
async fn a_ticket_works_over_https() {
    let realm = Realm::start().await;
    let connector = realm.connector();
    let credential = credential(&user(), PASSWORD);
    let mut session = connector.connect(&realm.https(), &credential).await.unwrap();
    assert_eq!(run(&mut *session, cmd("exit 5")).await.exit_code, 5);
    session.close().await.unwrap();
    let counters = realm.counters();
    assert_eq!(
        (&counters["logons"], &counters["sealed"]),
        (&json!(1), &json!(0)),
        "TLS carries it: {counters}"
    );
}

#[tokio::test]
async fn a_wrong_password_counts_once_at_the_centre() {
    let realm = Realm::start().await;
    let connector = Arc::new(realm.connector());
    let mut tasks = Vec::new();
    for _ in 0..8 {
        let (connector, endpoint) = (Arc::clone(&connector), realm.endpoint());
        tasks.push(tokio::spawn(async move {
            connector.connect(&endpoint, &credential(&user(), "hunter2")).await.err().unwrap()
        }));
    }
    for task in tasks {
        let error = task.await.unwrap();
        assert_eq!((error.kind(), error.layer()), (ErrorKind::Auth, Some(Layer::Authentication)), "{error}");
        assert!(!error.is_retryable());
        assert!(!format!("{error:?} {}", error.report()).contains("hunter2"));
    }
    assert_eq!(realm.counters()["failed"][USER], 1);
    connector.connect(&realm.endpoint(), &credential(&user(), PASSWORD)).await.unwrap();
    assert_eq!(realm.counters()["failed"][USER], 0, "the right one starts the count anew");
}

#[tokio::test]
async fn a_password_that_looks_like_a_hash_is_a_password_here_too() {
    let realm = Realm::start().await;
    let odd = credential(&format!("{ODD_USER}@sim.example"), ODD_PASSWORD);
    realm.connector().connect(&realm.endpoint(), &odd).await.unwrap();
}

#[tokio::test]
async fn what_the_realm_does_not_know_is_named() {
    let realm = Realm::start().await;
    let connector = realm.connector();
    let nobody = credential("nobody@SIM.EXAMPLE", PASSWORD);
    let error = connector.connect(&realm.endpoint(), &nobody).await.err().unwrap();
    assert!(error.to_string().contains("does not know the user"), "{error}");
    let mut other = realm.endpoint();
    other.metadata.insert("kerberos_spn".into(), json!("HTTP/other.sim.example"));
    let error = connector.connect(&other, &credential(&user(), PASSWORD)).await.err().unwrap();
    let text = error.to_string();
    assert!(text.contains("kerberos_spn") && text.contains("HTTP/other.sim.example"), "{text}");
    assert_eq!(realm.counters()["logons"], 0);
}

#[tokio::test]
async fn the_next_centre_is_asked_when_one_does_not_answer() {
    let realm = Realm::start().await;
    let closed = {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        listener.local_addr().unwrap().to_string()
    };
    let mut endpoint = realm.endpoint();
    endpoint.metadata.insert("kerberos_kdc".into(), json!([closed, realm.centre()]));
    let connector = realm.connector();
    connector.connect(&endpoint, &credential(&user(), PASSWORD)).await.unwrap();
    endpoint.metadata.insert("kerberos_kdc".into(), json!(closed));
    // Another user, so that the session above is not taken over.
    let error = connector.connect(&endpoint, &credential("bob@SIM.EXAMPLE", PASSWORD)).await.err().unwrap();
    assert!(error.is_retryable(), "{error:?}");
    let text = error.to_string();
    assert!(text.contains("kerberos_kdc") && text.contains(&closed), "{text}");
}

/// A server that says one thing to whoever connects.
async fn says(answer: &'static [u8]) -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    tokio::spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            let mut request = [0; 16 * 1024];
            let _ = stream.read(&mut request).await;
            let _ = stream.write_all(answer).await;
            // The client hangs up when it has had enough.
            let _ = stream.read(&mut request).await;
        }
    });
    port
}

#[tokio::test]
async fn a_centre_that_talks_nonsense_is_an_error_in_time() {
    for answer in [
        &b"\xff\xff\xff\xff"[..],
        b"\0\0\0\x04nope",
        b"\0\0\0\0",
        b"\0\0\0\x12\x7e\x10\x30\x0e\xa0\x03\x02\x01\x05\xa1\x03\x02\x01\x1e\xa6\x02\x02\x00",
        b"",
    ] {
        let mut endpoint = Endpoint::new("web-1", "127.0.0.1", says(b"").await);
        endpoint.connect_timeout = Duration::from_secs(2);
        endpoint.metadata.insert("kerberos_kdc".into(), json!(format!("127.0.0.1:{}", says(answer).await)));
        let connecting = WinrmConnector::new();
        let error = connecting.connect(&endpoint, &credential(&user(), PASSWORD)).await.err().unwrap();
        assert!(matches!(error.kind(), ErrorKind::Auth | ErrorKind::Transport), "{answer:?}: {error:?}");
    }
}

#[tokio::test]
async fn a_host_that_cannot_read_the_ticket_is_no_host_of_ours() {
    let realm = Realm::start().await;
    for (answer, says_so) in [
        (&b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n"[..], "did not prove"),
        (
            b"HTTP/1.1 200 OK\r\nWWW-Authenticate: Kerberos bm9wZQ==\r\nContent-Length: 0\r\n\r\n",
            "Kerberos logon failed",
        ),
        (
            b"HTTP/1.1 401 x\r\nWWW-Authenticate: Negotiate\r\nContent-Length: 0\r\n\r\n",
            "does not offer Kerberos",
        ),
        (b"HTTP/1.1 404 x\r\nContent-Length: 0\r\n\r\n", "/wsman"),
    ] {
        let mut endpoint = realm.endpoint();
        endpoint.port = says(answer).await;
        let error = realm.connector().connect(&endpoint, &credential(&user(), PASSWORD)).await.err().unwrap();
        assert!(error.to_string().contains(says_so), "{error:?}");
    }
}
