//! HTTPS: certificates and channel binding.

use opsconductor_core::{
    ErrorKind,
    error::Layer,
    transport::{
        Connector as _, Endpoint,
        winrm::{WinrmConnector, danger},
    },
};
use serde_json::json;
use windows_sim::{ChannelBinding, WindowsHost};

use crate::support::{PASSWORD, USER, builder, cmd, credential, credential_with, run};

async fn host() -> WindowsHost {
    builder().https("127.0.0.1:0").channel_binding(ChannelBinding::Strict).start().await.unwrap()
}

fn endpoint(host: &WindowsHost) -> Endpoint {
    let address = host.https_addr().unwrap();
    let mut endpoint = Endpoint::new("web-1", address.ip().to_string(), address.port());
    endpoint.metadata.insert("winrm_use_https".into(), json!(true));
    endpoint
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

#[tokio::test]
async fn a_certificate_of_nobody_known_is_refused() {
    let host = host().await;
    let error = WinrmConnector::new().connect(&endpoint(&host), &credential()).await.err().unwrap();
    assert_eq!((error.kind(), error.layer()), (ErrorKind::Transport, Some(Layer::Tls)));
    assert!(error.to_string().contains("winrm_ca_pem"), "{error}");
    assert!(host.counters().logons.is_empty(), "no logon was tried");
}

#[tokio::test]
async fn an_own_authority_is_trusted_by_connector_or_by_metadata() {
    let host = host().await;
    let pem = host.certificate_pem().unwrap().to_owned();
    let connector = WinrmConnector::builder().with_ca_pem(pem.clone()).build().unwrap();
    let mut session = connector.connect(&endpoint(&host), &credential()).await.unwrap();
    assert_eq!(run(&mut *session, cmd("exit 6")).await.exit_code, 6);
    let mut endpoint = endpoint(&host);
    endpoint.metadata.insert("winrm_ca_pem".into(), json!(pem));
    let mut session = WinrmConnector::new().connect(&endpoint, &credential()).await.unwrap();
    assert_eq!(run(&mut *session, cmd("exit 7")).await.exit_code, 7);
}

#[tokio::test]
async fn a_pinned_certificate_is_the_only_one_accepted() {
    let host = host().await;
    let mut endpoint = endpoint(&host);
    endpoint.metadata.insert("winrm_cert_sha256".into(), json!(hex(&host.certificate_sha256().unwrap())));
    let mut session = WinrmConnector::new().connect(&endpoint, &credential()).await.unwrap();
    assert_eq!(run(&mut *session, cmd("exit 8")).await.exit_code, 8);
    endpoint.metadata.insert("winrm_cert_sha256".into(), json!("00".repeat(32)));
    let error = WinrmConnector::new().connect(&endpoint, &credential()).await.err().unwrap();
    assert_eq!(error.layer(), Some(Layer::Tls));
}

#[tokio::test]
async fn validation_can_be_turned_off_by_target_or_by_connector() {
    let host = host().await;
    let mut unchecked = endpoint(&host);
    unchecked.metadata.insert("winrm_validate_cert".into(), json!(false));
    WinrmConnector::new().connect(&unchecked, &credential()).await.unwrap();
    let connector = danger::accept_any_certificate(WinrmConnector::builder()).build().unwrap();
    let mut session = connector.connect(&endpoint(&host), &credential()).await.unwrap();
    assert_eq!(run(&mut *session, cmd("exit 9")).await.exit_code, 9);
}

#[tokio::test]
async fn basic_works_over_tls_and_a_wrong_password_counts_once() {
    let host = builder().https("127.0.0.1:0").basic(true).start().await.unwrap();
    let pem = host.certificate_pem().unwrap();
    let connector = WinrmConnector::builder().with_ca_pem(pem).build().unwrap();
    let right = credential_with(USER, PASSWORD, Some("basic"));
    let mut session = connector.connect(&endpoint(&host), &right).await.unwrap();
    assert_eq!(run(&mut *session, cmd("exit 2")).await.exit_code, 2);
    let wrong = credential_with(USER, "wrong", Some("basic"));
    let error = connector.connect(&endpoint(&host), &wrong).await.err().unwrap();
    assert_eq!(error.kind(), ErrorKind::Auth);
    assert_eq!(host.counters().logons[USER].failed, 1);
}
