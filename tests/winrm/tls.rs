//! HTTPS: certificates and channel binding.

use opsconductor_core::{
    ErrorKind, Secret,
    error::Layer,
    transport::{
        Connector as _, Endpoint,
        winrm::{WinrmConnector, danger},
    },
    vault::credential::Credential,
};
use serde_json::json;
use windows_sim::{CertificateAuthority, ChannelBinding, Identity, WindowsHost};

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
    assert!(error.to_string().contains("not the pinned one"), "{error}");
    assert!(error.to_string().contains("winrm_cert_sha256"), "{error}");
    assert_eq!(host.counters().logons[USER].ok, 1, "the second logon was not tried");
}

#[tokio::test]
async fn a_certificate_that_does_not_validate_is_refused_saying_why() {
    let authority = CertificateAuthority::new("Test CA").unwrap();
    for (names, years, why, remedy) in [
        (&["127.0.0.1"], 2020..2021, "has expired", "renew it"),
        (&["127.0.0.1"], 2090..2091, "is not valid yet", "clocks"),
        (&["other.example"], 2020..2090, "is for another name", "stands in the certificate"),
    ] {
        let identity = authority.host(names, years).unwrap();
        let host = builder().https("127.0.0.1:0").certificate(identity).start().await.unwrap();
        let connector = WinrmConnector::builder().with_ca_pem(authority.pem()).build().unwrap();
        let error = connector.connect(&endpoint(&host), &credential()).await.err().unwrap();
        assert_eq!((error.kind(), error.layer()), (ErrorKind::Transport, Some(Layer::Tls)), "{error:?}");
        let text = error.to_string();
        assert!(text.contains(why) && text.contains(remedy), "{text}");
        assert!(host.counters().logons.is_empty(), "no logon was tried");
        let mut pinned = endpoint(&host);
        let pin = hex(&host.certificate_sha256().unwrap());
        pinned.metadata.insert("winrm_cert_sha256".into(), json!(pin));
        connector.connect(&pinned, &credential()).await.expect("a pin stands for name and date");
    }
}

#[tokio::test]
async fn a_certificate_of_another_authority_of_the_same_name_is_refused() {
    let (one, other) = (CertificateAuthority::new("CA").unwrap(), CertificateAuthority::new("CA").unwrap());
    let identity = one.host(&["127.0.0.1"], 2020..2090).unwrap();
    let host = builder().https("127.0.0.1:0").certificate(identity).start().await.unwrap();
    let connector = WinrmConnector::builder().with_ca_pem(other.pem()).build().unwrap();
    let error = connector.connect(&endpoint(&host), &credential()).await.err().unwrap();
    assert_eq!(error.layer(), Some(Layer::Tls));
    assert!(error.to_string().contains("authority that is not trusted"), "{error}");
    let connector = WinrmConnector::builder().with_ca_pem(one.pem()).build().unwrap();
    connector.connect(&endpoint(&host), &credential()).await.unwrap();
}

fn certificate(identity: &Identity) -> Credential {
    Credential::WinrmCertificate {
        certificate: identity.certificate_pem.clone(),
        private_key: Secret::from(identity.private_key_pem.clone()),
    }
}

#[tokio::test]
async fn a_client_certificate_logs_on_as_the_user_it_is_mapped_to() {
    let authority = CertificateAuthority::new("People").unwrap();
    let host = builder()
        .https("127.0.0.1:0")
        .client_authority(authority.pem())
        .map_certificate("ada@localhost", USER)
        .start()
        .await
        .unwrap();
    let connector = WinrmConnector::builder().with_ca_pem(host.certificate_pem().unwrap()).build().unwrap();
    let credential = certificate(&authority.client("ada@localhost").unwrap());
    let mut session = connector.connect(&endpoint(&host), &credential).await.unwrap();
    let said = run(&mut *session, cmd("whoami")).await;
    assert!(said.stdout.to_lowercase().contains("\\administrator"), "{said:?}");
    drop(session);
    let report = connector.probe(&endpoint(&host), &credential).await;
    assert!(report.ok, "{report:?}");
    assert_eq!(report.details.transport.as_deref(), Some("client certificate over HTTPS"));
    connector.shutdown().await;
    let counters = host.counters();
    assert_eq!((counters.shells_open, counters.plaintext_bodies), (0, 0));
}

#[tokio::test]
async fn a_client_certificate_that_is_not_mapped_or_not_trusted_is_refused_at_once() {
    let authority = CertificateAuthority::new("People").unwrap();
    let host = builder()
        .https("127.0.0.1:0")
        .client_authority(authority.pem())
        .map_certificate("ada@localhost", USER)
        .start()
        .await
        .unwrap();
    let connector = WinrmConnector::builder().with_ca_pem(host.certificate_pem().unwrap()).build().unwrap();
    let stranger = CertificateAuthority::new("People").unwrap();
    for identity in [authority.client("bob@localhost").unwrap(), stranger.client("ada@localhost").unwrap()] {
        let error = connector.connect(&endpoint(&host), &certificate(&identity)).await.err().unwrap();
        assert_eq!((error.kind(), error.layer()), (ErrorKind::Auth, Some(Layer::Authentication)));
        let text = error.to_string();
        assert!(text.contains("maps this one to a user") && text.contains("certificate sha256:"), "{text}");
    }
    assert_eq!(host.counters().logons["bob@localhost"].failed, 1);
    assert!(!host.counters().logons.contains_key(USER));
}

#[tokio::test]
async fn a_client_certificate_that_ends_the_handshake_is_said_to_have() {
    let (authority, stranger) =
        (CertificateAuthority::new("People").unwrap(), CertificateAuthority::new("Others").unwrap());
    let strict = builder().https("127.0.0.1:0").strict_client_authority(authority.pem());
    let host = strict.map_certificate("ada@localhost", USER).start().await.unwrap();
    let connector = WinrmConnector::builder().with_ca_pem(host.certificate_pem().unwrap()).build().unwrap();
    let known = certificate(&authority.client("ada@localhost").unwrap());
    connector.connect(&endpoint(&host), &known).await.unwrap();
    let unknown = certificate(&stranger.client("ada@localhost").unwrap());
    let error = connector.connect(&endpoint(&host), &unknown).await.err().unwrap();
    assert_eq!((error.kind(), error.layer()), (ErrorKind::Transport, Some(Layer::Tls)), "{error:?}");
    assert!(error.to_string().contains("client certificate"), "{error}");
}

#[tokio::test]
async fn a_host_that_does_not_ask_for_a_certificate_is_told_about() {
    let authority = CertificateAuthority::new("People").unwrap();
    let host = builder().https("127.0.0.1:0").start().await.unwrap();
    let connector = WinrmConnector::builder().with_ca_pem(host.certificate_pem().unwrap()).build().unwrap();
    let credential = certificate(&authority.client("ada@localhost").unwrap());
    let error = connector.connect(&endpoint(&host), &credential).await.err().unwrap();
    assert_eq!(error.layer(), Some(Layer::Authentication));
    assert!(error.to_string().contains("clientcertnegotiation"), "{error}");
    assert_eq!(host.counters().requests, 0, "nothing was sent");
}

#[tokio::test]
async fn a_client_certificate_is_checked_before_anything_is_sent() {
    let host = host().await;
    let authority = CertificateAuthority::new("People").unwrap();
    let (one, other) = (authority.client("ada@x").unwrap(), authority.client("ada@x").unwrap());
    let mixed = Credential::WinrmCertificate {
        certificate: one.certificate_pem.clone(),
        private_key: Secret::from(other.private_key_pem),
    };
    let error = WinrmConnector::new().connect(&endpoint(&host), &mixed).await.err().unwrap();
    assert_eq!(error.kind(), ErrorKind::InvalidInput);
    assert!(error.to_string().contains("does not belong"), "{error}");
    let nonsense =
        Credential::WinrmCertificate { certificate: "hunter2".into(), private_key: Secret::from("hunter2") };
    let error = WinrmConnector::new().connect(&endpoint(&host), &nonsense).await.err().unwrap();
    assert!(!format!("{error:?}").contains("hunter2"), "{error:?}");
    let mut plain = endpoint(&host);
    plain.port = host.http_addr().unwrap().port();
    plain.metadata.insert("winrm_use_https".into(), json!(false));
    let error = WinrmConnector::new().connect(&plain, &certificate(&one)).await.err().unwrap();
    assert!(error.to_string().contains("needs HTTPS"), "{error}");
    assert_eq!(host.counters().connections, 0);
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
