//! What must not be seen of WinRM: on the wire, and in the traces of anything underneath.
#![allow(clippy::unwrap_used, reason = "a test may panic")]

#[allow(dead_code, reason = "shared with the other tests of WinRM")]
#[path = "winrm/support.rs"]
mod support;

use std::{
    fmt::{Debug, Write as _},
    sync::{Arc, Mutex},
};

use opsconductor_core::transport::{Connector as _, winrm::WinrmConnector};
use serde_json::json;
use tracing::{
    Event, Metadata, Subscriber,
    field::{Field, Visit},
    span,
};

use support::{PASSWORD, USER, builder, cmd, credential, credential_with, endpoint, run};

const TOKEN: &str = "s3cret-t0ken";

/// Writes down everything that is traced on this thread, at every level.
#[derive(Clone, Default)]
struct Scribe(Arc<Mutex<String>>);

struct Fields<'a>(&'a mut String);

impl Visit for Fields<'_> {
    fn record_debug(&mut self, field: &Field, value: &dyn Debug) {
        let _ = write!(self.0, " {}={value:?}", field.name());
    }
}

impl Subscriber for Scribe {
    fn enabled(&self, _: &Metadata<'_>) -> bool {
        true
    }

    fn new_span(&self, attributes: &span::Attributes<'_>) -> span::Id {
        let mut text = self.0.lock().unwrap();
        text.push_str(attributes.metadata().name());
        attributes.record(&mut Fields(&mut text));
        text.push('\n');
        span::Id::from_u64(1)
    }

    fn record(&self, _: &span::Id, values: &span::Record<'_>) {
        values.record(&mut Fields(&mut self.0.lock().unwrap()));
    }

    fn record_follows_from(&self, _: &span::Id, _: &span::Id) {}

    fn event(&self, event: &Event<'_>) {
        let mut text = self.0.lock().unwrap();
        text.push_str(event.metadata().target());
        event.record(&mut Fields(&mut text));
        text.push('\n');
    }

    fn enter(&self, _: &span::Id) {}

    fn exit(&self, _: &span::Id) {}
}

#[tokio::test]
async fn no_trace_shows_a_secret_at_any_level() {
    let host = builder().https("127.0.0.1:0").basic(true).start().await.unwrap();
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
        (secure, credential_with(USER, PASSWORD, Some("basic"))),
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
    for secret in [TOKEN, PASSWORD, "Pässw0rd", "CommandLine"] {
        assert!(!text.contains(secret), "{secret} is in the traces");
    }
    assert_eq!(host.counters().plaintext_bodies, 0);
}
