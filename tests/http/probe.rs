//! `targets().test(…)` on targets of this protocol.

use opsconductor_core::{error::Layer, target::TargetSpec};
use tokio::net::TcpListener;
use windows_sim::CertificateAuthority;

use super::{
    scene::{KEY, Scene},
    service::{Service, answer},
};

#[tokio::test]
async fn a_target_that_answers_is_reached_with_the_time_of_each_layer() {
    let authority = CertificateAuthority::new("Own").unwrap();
    let identity = authority.host(&["api.test"], 2020..2040).unwrap();
    let service = Service::tls(&identity, |_| answer("204 No Content", &[("server", "demo/1")], "")).await;
    let scene = Scene::new();
    let spec =
        TargetSpec::http("api", "api.test").with_port(service.port()).with_metadata("http_use_https", true);
    let spec = spec.with_metadata("http_ca_pem", authority.pem()).with_metadata("http_base_path", "/v1");
    scene.locked(spec, Some("X-API-Key")).await;
    let report = scene.ops.targets().test("api").await.unwrap();
    assert!(report.ok, "{report:?}");
    assert!(report.message.contains("status 204 (demo/1)"), "{}", report.message);
    let layers: Vec<_> = report.details.timings_ms.iter().map(|(layer, _)| layer.as_str()).collect();
    assert_eq!(layers, ["name", "connect", "tls", "first_byte"]);
    assert_eq!(report.details.transport.as_deref(), Some("HTTPS, a key in x-api-key"));
    let seen = service.only();
    assert_eq!(
        (seen.method.as_str(), seen.path.as_str(), seen.header("x-api-key")),
        ("HEAD", "/v1", Some(KEY))
    );
    scene.end().await;
}

#[tokio::test]
async fn what_fails_is_named_by_its_layer() {
    let closed = TcpListener::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap().port();
    let refuses = Service::start(|_| answer("401 Unauthorized", &[], "")).await;
    let broken = Service::start(|_| answer("502 Bad Gateway", &[], "")).await;
    let plain = Service::start(|_| Vec::new()).await;
    let authority = CertificateAuthority::new("Own").unwrap();
    let identity = authority.host(&["api.test"], 2020..2040).unwrap();
    let untrusted = Service::tls(&identity, |_| answer("200 OK", &[], "")).await;
    let scene = Scene::new();
    let api = |port| TargetSpec::http("api", "api.test").with_port(port);
    scene.locked(api(refuses.port()), None).await;
    let key = scene.ops.targets().get("api").await.unwrap().spec.credential_ref;
    for (spec, layer) in [
        (api(refuses.port()).with_credential(key.unwrap()), Layer::Authentication),
        (TargetSpec::http("api", "empty.test"), Layer::Name),
        (api(closed), Layer::Connect),
        (TargetSpec::http("api", "meta.test"), Layer::Connect),
        (api(untrusted.port()).with_metadata("http_use_https", true), Layer::Tls),
        (api(broken.port()), Layer::Protocol),
        (api(plain.port()), Layer::Protocol),
    ] {
        scene.ops.targets().update("api", spec.clone()).await.unwrap();
        let report = scene.ops.targets().test("api").await.unwrap();
        assert_eq!((report.ok, report.layer), (false, Some(layer)), "{spec:?}: {}", report.message);
        assert!(!format!("{report:?}").contains(KEY));
    }
    scene.ops.targets().update("api", api(refuses.port())).await.unwrap();
    let report = scene.ops.targets().test("api").await.unwrap();
    assert!(
        report.ok && report.message.contains("401"),
        "without a credential a 401 is an answer: {report:?}"
    );
    scene.end().await;
}
