//! What must not be seen of a credential.

use opsconductor_core::{ErrorKind, Secret, target::TargetSpec, vault::credential::Credential};
use serde_json::json;

use super::{
    scene::{KEY, Scene},
    service::{Service, answer},
};

#[tokio::test]
async fn a_key_that_comes_back_is_redacted_in_every_place() {
    let service = Service::start(|seen| {
        let key = seen.header("authorization").unwrap().to_owned();
        let body = format!("{{\"you\": \"{key}\", \"hex\": \"{}\"}}", hex(KEY));
        answer("200 OK", &[("content-type", "application/json"), ("x-key", KEY)], body)
    })
    .await;
    let scene = Scene::new();
    scene.locked(TargetSpec::http("api", "api.test").with_port(service.port()), None).await;
    for step in [
        json!({}),
        json!({"expectStatus": 500}),
        json!({"assert": [{"path": "$.you", "equals": "nobody"}]}),
        json!({"assert": [{"header": "X-Key", "equals": "nothing"}]}),
    ] {
        let ended = scene.request(step).await;
        assert!(ended.output.contains("[redacted]"), "{}", ended.output);
        assert!(
            !ended.everything.contains(KEY) && !ended.everything.contains(&hex(KEY)),
            "{}",
            ended.everything
        );
    }
    assert!(service.seen().iter().all(|seen| seen.header("authorization").unwrap().ends_with(KEY)));
    scene.end().await;
}

#[tokio::test]
async fn a_credential_of_another_type_is_refused_without_being_shown() {
    let service = Service::start(|_| answer("200 OK", &[], "")).await;
    let scene = Scene::new();
    let account = Credential::winrm("ada", Secret::from(KEY));
    let credential = scene.ops.credentials().create("account", &account).await.unwrap();
    let spec = TargetSpec::http("api", "api.test").with_port(service.port()).with_credential(credential.id);
    let refused = scene.ops.targets().create(spec).await.unwrap_err();
    assert_eq!(refused.problems()[0].pointer, "/credential_ref");
    assert!(refused.to_string().contains("api_key") && !format!("{refused:?}").contains(KEY), "{refused}");
    let error = scene.ops.targets().test("none").await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::NotFound);
    assert!(service.seen().is_empty());
    scene.end().await;
}

fn hex(text: &str) -> String {
    text.bytes().map(|byte| format!("{byte:02x}")).collect()
}
