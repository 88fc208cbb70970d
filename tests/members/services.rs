//! `http.request`, to a service on loopback.

use opsconductor_core::{
    run::{
        RunStatus,
        TaskStatus::{Failed, Succeeded},
    },
    target::TargetSpec,
};
use opsconductor_tests::service::{Seen, Service, answer, json as answer_json, redirect};
use serde_json::{Value, json};

use crate::{
    scene::{Scene, statuses},
    side::with,
};

/// A scene with a target `api` at `service`.
async fn scene(service: &Service) -> Scene {
    let scene = Scene::start().await;
    let target = TargetSpec::http("api", "127.0.0.1").with_port(service.port());
    scene.ops.targets().create(target).await.unwrap();
    scene
}

fn job(name: &str, steps: &[Value]) -> Value {
    let request = |step: &Value| with(json!({"type": "http.request", "target": "api"}), step.clone());
    json!({"name": name, "version": 1, "steps": steps.iter().map(request).collect::<Vec<_>>()})
}

#[tokio::test]
pub(crate) async fn a_request_says_what_the_step_says() {
    let service = Service::start(|_| answer("200 OK", &[], "done")).await;
    let scene = scene(&service).await;
    let steps = [
        json!({"path": "/apps/{{ app | quote }}", "query": {"by": "{{ app }}", "dry": true}, "headers": {"X-Trace": "{{ run.job }}"}}),
        json!({"method": "PUT", "path": "/json", "json": {"name": "{{ app }}", "replicas": 3}}),
        json!({"method": "POST", "path": "/form", "form": {"name": "{{ app }}"}}),
        json!({"method": "PATCH", "path": "/text", "body": "it is {{ app }}"}),
    ];
    let result = scene.good(job("says", &steps), json!({"app": "a & b"})).await;
    assert!(result.steps.iter().all(|task| task.stdout == "done"), "{:?}", result.steps);
    let seen = service.seen();
    let told: Vec<_> = seen.iter().map(|seen: &Seen| (seen.method.as_str(), seen.path.as_str())).collect();
    assert_eq!(
        told,
        [
            ("GET", "/apps/a%20%26%20b?by=a%20%26%20b&dry=true"),
            ("PUT", "/json"),
            ("POST", "/form"),
            ("PATCH", "/text")
        ]
    );
    assert_eq!(seen[0].header("x-trace"), Some("says"));
    let body: Value = serde_json::from_str(&seen[1].body).unwrap();
    assert_eq!(body, json!({"name": "a & b", "replicas": 3}));
    assert_eq!(seen[2].header("content-type"), Some("application/x-www-form-urlencoded"));
    assert_eq!(seen[2].body.replace("%20", "+"), "name=a+%26+b");
    assert_eq!(seen[3].body, "it is a & b");
    scene.end().await;
}

#[tokio::test]
pub(crate) async fn an_answer_is_what_the_step_expects_and_asserts() {
    let service = Service::start(|seen| match seen.path.as_str() {
        "/gone" => answer("404 Not Found", &[], "gone"),
        "/old" => redirect(302, "/state"),
        _ => answer_json(&json!({"state": "ready", "replicas": 3, "owner": "ada"})),
    })
    .await;
    let scene = scene(&service).await;
    let checks = json!([
        {"path": "$.state", "equals": "{{ wanted }}"},
        {"path": "/owner", "notEquals": "nobody"},
        {"path": "$.error", "exists": false},
        {"header": "Content-Type", "contains": "json"},
        {"matches": "\"replicas\": *[0-9]"}
    ]);
    let steps = [
        json!({"path": "/state", "assert": checks}),
        json!({"path": "/gone", "expectStatus": [204, "4xx"]}),
        json!({"path": "/old", "followRedirects": true, "assert": [{"path": "$.replicas", "equals": 3}]}),
    ];
    let result = scene.good(job("holds", &steps), json!({"wanted": "ready"})).await;
    assert_eq!(statuses(&result), [Succeeded; 3]);
    for (name, step, says) in [
        ("asserted", json!({"path": "/state", "assert": checks}), "`$.state` is \"ready\", not \"gone\""),
        ("expected", json!({"path": "/gone"}), "404"),
        ("stays", json!({"path": "/old"}), "followRedirects"),
    ] {
        let result = scene.run(job(name, &[step]), json!({"wanted": "gone"})).await;
        assert_eq!((result.status, statuses(&result)), (RunStatus::Failed, vec![Failed]));
        let reason = result.steps[0].error.as_deref().unwrap();
        assert!(reason.contains(says), "{name}: {reason}");
    }
    scene.end().await;
}

/// What every step may have holds for this kind as well.
#[tokio::test]
pub(crate) async fn a_request_is_tried_again_and_read_by_a_step_on_another_host() {
    use std::sync::atomic::{AtomicU32, Ordering};

    let asked = AtomicU32::new(0);
    let service = Service::start(move |_| match asked.fetch_add(1, Ordering::Relaxed) {
        0 | 1 => answer("503 Busy", &[], "later"),
        _ => answer_json(&json!({"release": "7.1"})),
    })
    .await;
    let scene = scene(&service).await;
    let retry = json!({"maxAttempts": 3, "backoffSec": 0});
    let ask =
        json!({"type": "http.request", "target": "api", "id": "ask", "retry": retry, "idempotent": true});
    let read = |side: &crate::side::Side| {
        side.exec(json!({"command": "echo {{ steps.ask.json.release }}", "dependsOn": ["ask"]}))
    };
    let steps = json!([ask, read(&scene.sides[0]), read(&scene.sides[1])]);
    let result = scene.good(json!({"name": "mixed", "version": 1, "steps": steps}), json!({})).await;
    assert_eq!((result.steps[0].attempts, service.seen().len()), (3, 3));
    assert!(result.steps[1..].iter().all(|task| task.stdout.trim() == "7.1"), "{:?}", result.steps);
    scene.end().await;
}
