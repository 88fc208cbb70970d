//! Requests that follow from each other, and requests that are tried again.

use std::sync::atomic::{AtomicUsize, Ordering};

use opsconductor_core::{JobSpec, engine::RunOptions, run::RunStatus};
use serde_json::{Map, json};

use super::{
    scene::{LIMIT, Scene},
    service::{Service, answer, json as in_json},
};

#[tokio::test]
async fn what_one_request_learns_the_next_one_says() {
    let service = Service::start(|seen| match seen.path.as_str() {
        "/login" => in_json(&json!({"token": "a \"b\"\u{fc}", "id": 7, "name": "x/y?"})),
        _ => answer("200 OK", &[], ""),
    })
    .await;
    let scene = Scene::new();
    scene.api(&service).await;
    let job = json!({"name": "flow", "version": 1, "steps": [
        {"id": "login", "type": "http.request", "target": "api", "method": "POST", "path": "/login"},
        {
            "type": "http.request", "target": "api", "method": "PUT",
            "path": "/users/{{ steps.login.json.name | quote }}",
            "query": {"id": "{{ steps.login.json.id }}"},
            "json": "{\"id\": {{ steps.login.json.id }}, \"token\": {{ steps.login.json.token | quote }}}"
        }
    ]});
    scene.ops.jobs().create(&JobSpec::from_value(job)).await.unwrap();
    let run = scene.ops.jobs().run("flow", Map::new(), RunOptions::default()).await.unwrap();
    let result = run.wait(LIMIT).await.unwrap();
    assert_eq!(result.status, RunStatus::Succeeded, "{result:?}");
    let sent = &service.seen()[1];
    assert_eq!(sent.path, "/users/x%2Fy%3F?id=7");
    let body: serde_json::Value = serde_json::from_str(&sent.body).unwrap();
    assert_eq!(body, json!({"id": 7, "token": "a \"b\"\u{fc}"}));
    scene.end().await;
}

#[tokio::test]
async fn a_step_that_may_be_tried_again_is_until_its_expectations_hold() {
    let asked = AtomicUsize::new(0);
    let service = Service::start(move |_| match asked.fetch_add(1, Ordering::SeqCst) {
        0 => answer("503 Away", &[], ""),
        1 => in_json(&json!({"state": "starting"})),
        // The connection breaks before there is an answer.
        2 => Vec::new(),
        _ => in_json(&json!({"state": "ready"})),
    })
    .await;
    let scene = Scene::new();
    scene.api(&service).await;
    let step = json!({
        "idempotent": true, "assert": [{"path": "$.state", "equals": "ready"}],
        "retry": {"maxAttempts": 5, "backoffSec": 0}
    });
    let ended = scene.request(step).await.succeeded();
    assert_eq!((ended.task.attempt, service.seen().len()), (4, 4));
    scene.end().await;
}
