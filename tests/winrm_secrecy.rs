//! What must not be seen of WinRM: on the wire, and in the traces of anything underneath.
#![allow(clippy::unwrap_used, reason = "a test may panic")]

#[allow(dead_code, reason = "shared with the other tests of WinRM")]
#[path = "winrm/support.rs"]
mod support;

#[path = "winrm/scribe.rs"]
mod scribe;

use opsconductor_core::{
    Secret,
    transport::{Connector as _, winrm::WinrmConnector},
    vault::credential::Credential,
};
use serde_json::json;
use windows_sim::CertificateAuthority;

use scribe::Scribe;
use support::{PASSWORD, USER, builder, cmd, credential, credential_with, endpoint, run};

const TOKEN: &str = "s3cret-t0ken";

#[tokio::test]
async fn no_trace_shows_a_secret_at_any_level() {
    let authority = CertificateAuthority::new("People").unwrap();
    let host = builder()
        .https("127.0.0.1:0")
        .basic(true)
        .client_authority(authority.pem())
        .map_certificate("ada@localhost", USER)
        .start()
        .await
        .unwrap();
    let identity = authority.client("ada@localhost").unwrap();
    // Its middle: what a line of a trace would hold of it.
    let key_line = identity.private_key_pem.lines().nth(1).unwrap().to_owned();
    let certificate = Credential::WinrmCertificate {
        certificate: identity.certificate_pem,
        private_key: Secret::from(identity.private_key_pem),
    };
    let scribe = Scribe::default();
    let guard = tracing::subscriber::set_default(scribe.clone());
    let mut secure = endpoint(&host);
    secure.port = host.https_addr().unwrap().port();
    secure.metadata.insert("winrm_use_https".into(), json!(true));
    secure.metadata.insert("winrm_validate_cert".into(), json!(false));
    let connector = WinrmConnector::new();
    for (endpoint, credential) in [
        (endpoint(&host), credential()),
        (endpoint(&host), credential_with(USER, PASSWORD, Some("ntlm"))),
        (secure.clone(), credential()),
        (secure.clone(), credential_with(USER, PASSWORD, Some("basic"))),
        (secure, certificate),
    ] {
        let mut session = connector.connect(&endpoint, &credential).await.unwrap();
        let mut request = cmd(&format!("echo {TOKEN}"));
        request.env.insert("TOKEN".into(), TOKEN.into());
        assert!(run(&mut *session, request).await.stdout.contains(TOKEN));
        session.close().await.unwrap();
    }
    drop(guard);
    let text = scribe.0.lock().unwrap();
    assert!(text.contains("winrm.exec"), "the scribe was listening");
    for secret in [TOKEN, PASSWORD, "Pässw0rd", "CommandLine", &key_line] {
        assert!(!text.contains(secret), "{secret} is in the traces");
    }
    assert_eq!(host.counters().plaintext_bodies, 0);
}
