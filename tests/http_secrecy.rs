//! What must not be seen of HTTP: in the traces of anything underneath.
#![allow(clippy::unwrap_used, reason = "a test may panic")]

#[allow(dead_code, reason = "shared with the other tests of HTTP")]
#[path = "http/scene.rs"]
mod scene;
#[path = "winrm/scribe.rs"]
mod scribe;

use opsconductor_core::target::TargetSpec;
use opsconductor_tests::service::{self, Service, answer};
use serde_json::json;
use windows_sim::CertificateAuthority;

use scene::{KEY, Scene};
use scribe::Scribe;

#[tokio::test]
async fn no_trace_shows_a_key_at_any_level() {
    let scribe = Scribe::default();
    let guard = tracing::subscriber::set_default(scribe.clone());
    let authority = CertificateAuthority::new("Own").unwrap();
    let identity = authority.host(&["api.test"], 2020..2040).unwrap();
    let plain = Service::start(|_| answer("500 No", &[], "")).await;
    let secure = Service::tls(&identity, |_| answer("200 OK", &[], "")).await;
    let scene = Scene::new();
    let spec = |port| TargetSpec::http("api", "api.test").with_port(port);
    scene.locked(spec(plain.port()), None).await;
    let key = scene.ops.targets().get("api").await.unwrap().spec.credential_ref.unwrap();
    let tls = spec(secure.port())
        .with_metadata("http_use_https", true)
        .with_metadata("http_ca_pem", authority.pem());
    for spec in [spec(plain.port()), tls] {
        scene.ops.targets().update("api", spec.with_credential(key)).await.unwrap();
        scene.request(json!({"path": "/x", "headers": {"X-A": "1"}})).await;
        scene.ops.targets().test("api").await.unwrap();
    }
    scene.end().await;
    drop(guard);
    assert!(plain.seen().iter().chain(&secure.seen()).all(|seen| format!("{seen:?}").contains(KEY)));
    let written = scribe.0.lock().unwrap().clone();
    assert!(!written.is_empty(), "nothing was traced at all");
    assert!(!written.contains(KEY), "{written}");
}
