//! What must not be seen of a logon by ticket in the traces of anything underneath.
#![allow(clippy::unwrap_used, reason = "a test may panic")]

#[allow(dead_code, reason = "shared with the tests of WinRM, which need more of it")]
#[path = "winrm/support.rs"]
mod support;

#[allow(dead_code, reason = "shared with the tests of Kerberos, which need more of it")]
#[path = "kerberos/realm.rs"]
mod realm;

#[path = "winrm/scribe.rs"]
mod scribe;

use opsconductor_core::transport::Connector as _;

use crate::{
    realm::{PASSWORD, Realm, USER, credential},
    scribe::Scribe,
    support::{cmd, run},
};

const TOKEN: &str = "s3cret-t0ken";

#[tokio::test]
async fn no_trace_shows_a_secret_at_any_level() {
    let realm = Realm::start().await;
    let scribe = Scribe::default();
    let guard = tracing::subscriber::set_default(scribe.clone());
    let connector = realm.connector();
    let user = format!("{USER}@SIM.EXAMPLE");
    for endpoint in [realm.endpoint(), realm.https()] {
        let mut session = connector.connect(&endpoint, &credential(&user, PASSWORD)).await.unwrap();
        assert!(run(&mut *session, cmd(&format!("echo {TOKEN}"))).await.stdout.contains(TOKEN));
        session.close().await.unwrap();
        assert!(connector.connect(&endpoint, &credential("nobody@SIM.EXAMPLE", PASSWORD)).await.is_err());
    }
    drop(guard);
    let text = scribe.0.lock().unwrap();
    assert!(text.contains("winrm.exec"), "the scribe was listening");
    for secret in [TOKEN, PASSWORD, "CommandLine", "sspi", "session_key"] {
        assert!(!text.contains(secret), "{secret} is in the traces");
    }
}
