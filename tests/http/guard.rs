//! Where requests may go.

use opsconductor_core::{
    target::TargetSpec,
    transport::http::{HttpConnector, HttpSettings},
};
use serde_json::json;

use super::{
    scene::{Names, Scene},
    service::{Service, answer},
};

#[tokio::test]
async fn this_machine_is_no_target_unless_the_host_program_allows_it() {
    let service = Service::start(|_| answer("200 OK", &[], "")).await;
    let scene = Scene::with(HttpConnector::builder().with_resolver(Names));
    for (target, host) in [
        ("a", "api.test"),
        ("b", "127.0.0.1"),
        ("c", "localhost"),
        ("d", "::ffff:127.0.0.1"),
        ("e", "0.0.0.0"),
    ] {
        scene.target(TargetSpec::http(target, host).with_port(service.port())).await;
        let ended = scene.request(json!({"target": target})).await;
        assert!(ended.failed().contains("the host is at"), "{host}: {}", ended.failed());
    }
    assert!(service.seen().is_empty());
    scene.end().await;
}

#[tokio::test]
async fn one_forbidden_address_forbids_the_name() {
    let service = Service::start(|_| answer("200 OK", &[], "")).await;
    let scene = Scene::new();
    scene.target(TargetSpec::http("api", "two.test").with_port(service.port())).await;
    let ended = scene.request(json!({})).await;
    assert!(ended.failed().contains("169.254.169.254"), "{}", ended.failed());
    assert!(service.seen().is_empty());
    scene.end().await;
}

#[tokio::test]
async fn what_is_denied_is_denied_although_it_is_allowed() {
    let service = Service::start(|_| answer("200 OK", &[], "")).await;
    let settings = HttpSettings {
        allow: vec!["127.0.0.0/8".parse().unwrap()],
        deny: vec!["127.0.0.1".parse().unwrap()],
    };
    let scene = Scene::with(HttpConnector::builder().with_settings(settings).with_resolver(Names));
    scene.api(&service).await;
    let ended = scene.request(json!({})).await;
    assert!(ended.failed().contains("deny"), "{}", ended.failed());
    assert!(service.seen().is_empty());
    scene.end().await;
}

#[tokio::test]
async fn a_credential_does_not_go_over_plain_http_to_another_machine() {
    let scene = Scene::new();
    scene.locked(TargetSpec::http("api", "inner.test").with_port(9), None).await;
    let ended = scene.request(json!({})).await;
    assert!(ended.failed().contains("http_allow_plain_credentials"), "{}", ended.failed());
    scene.end().await;
}
