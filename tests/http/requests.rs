//! What is sent.

use opsconductor_core::target::TargetSpec;
use serde_json::{Value, json};

use super::{
    scene::Scene,
    service::{Service, answer},
};

#[tokio::test]
async fn every_method_arrives() {
    let service = Service::start(|_| answer("200 OK", &[], "")).await;
    let scene = Scene::new();
    scene.api(&service).await;
    let methods = ["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"];
    for method in methods {
        scene.request(json!({"method": method, "path": "/x"})).await.succeeded();
    }
    let seen: Vec<_> = service.seen().into_iter().map(|seen| seen.method).collect();
    assert_eq!(seen, methods);
    scene.end().await;
}

#[tokio::test]
async fn path_query_headers_and_body_arrive_as_they_were_written() {
    let service = Service::start(|_| answer("201 Created", &[], "made")).await;
    let scene = Scene::new();
    scene
        .target(
            TargetSpec::http("api", "api.test")
                .with_port(service.port())
                .with_metadata("http_base_path", "/api/v1"),
        )
        .await;
    let step = json!({
        "method": "POST", "path": "/users/{{ name | quote }}", "query": {"dry": true, "tag": ["a", "{{ name }}"]},
        "headers": {"X-Trace": "t {{ run.id }}", "User-Agent": "mine"},
        "json": {"name": "{{ name }}", "admin": false, "n": 1.5}
    });
    let ended = scene.request_with(step, json!({"name": "O'Brien & co"})).await.succeeded();
    assert_eq!(ended.output, "made");
    assert_eq!((&ended.task.metrics["status"], &ended.task.metrics["method"]), (&json!(201), &json!("POST")));

    let seen = service.only();
    assert_eq!(seen.path, "/api/v1/users/O%27Brien%20%26%20co?dry=true&tag=a&tag=O%27Brien%20%26%20co");
    let body: Value = serde_json::from_str(&seen.body).unwrap();
    assert_eq!(body, json!({"name": "O'Brien & co", "admin": false, "n": 1.5}));
    assert_eq!(seen.header("content-type"), Some("application/json"));
    assert_eq!(seen.header("user-agent"), Some("mine"));
    assert_eq!(seen.header("host"), Some(format!("api.test:{}", service.port()).as_str()));
    assert!(seen.header("x-trace").unwrap().starts_with("t "));
    assert_eq!(seen.header("authorization"), None);
    scene.end().await;
}

#[tokio::test]
async fn forms_and_texts_arrive() {
    let service = Service::start(|_| answer("200 OK", &[], "")).await;
    let scene = Scene::new();
    scene.api(&service).await;
    scene.request(json!({"method": "POST", "form": {"a b": "1&2", "n": [1, 2]}})).await.succeeded();
    scene.request(json!({"method": "PUT", "body": "line 1\nlíne 2"})).await.succeeded();
    let seen = service.seen();
    assert_eq!(seen[0].body, "a%20b=1%262&n=1&n=2");
    assert_eq!(seen[0].header("content-type"), Some("application/x-www-form-urlencoded"));
    assert_eq!(seen[1].body, "line 1\nlíne 2");
    assert_eq!(seen[1].header("content-type"), Some("text/plain; charset=utf-8"));
    assert_eq!(seen[1].path, "/");
    scene.end().await;
}

#[tokio::test]
async fn a_value_that_would_leave_its_place_is_sent_in_its_place_or_not_at_all() {
    let service = Service::start(|_| answer("200 OK", &[], "")).await;
    let scene = Scene::new();
    scene.api(&service).await;
    let hostile = ["x\r\nX-Evil: 1\r\n\r\nGET /evil HTTP/1.1\r\n", "../../admin?x#y", "\", \"admin\": true"];
    for value in hostile {
        let parameters = json!({"v": value});
        let step = json!({
            "method": "POST", "path": "/a/{{ v | quote }}", "query": {"q": "{{ v }}"},
            "json": {"v": "{{ v }}"}
        });
        scene.request_with(step, parameters.clone()).await.succeeded();
        let ended = scene.request_with(json!({"path": "/a/{{ v }}"}), parameters.clone()).await;
        assert!(ended.failed().contains("`v`"), "{}", ended.failed());
        if value.contains('\n') {
            let ended = scene.request_with(json!({"headers": {"X-V": "{{ v }}"}}), parameters).await;
            assert!(ended.failed().contains("line break") && ended.failed().contains("X-V"));
            assert!(!ended.failed().contains("X-Evil"), "{}", ended.failed());
        }
    }
    let seen = service.seen();
    assert_eq!(seen.len(), hostile.len(), "what was refused was not sent");
    for (seen, value) in seen.iter().zip(hostile) {
        assert!(seen.header("x-evil").is_none() && seen.path.starts_with("/a/"), "{seen:?}");
        assert!(!seen.path.contains("/../") && seen.path.matches('?').count() == 1, "{}", seen.path);
        assert_eq!(serde_json::from_str::<Value>(&seen.body).unwrap(), json!({"v": value}));
    }
    scene.end().await;
}
