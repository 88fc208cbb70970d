//! What breaks: before the request is sent, after it, in the middle of the answer.

use opsconductor_core::{run::TaskStatus, target::TargetSpec};
use serde_json::json;
use tokio::net::TcpListener;

use super::{
    scene::Scene,
    service::{Act, Service, answer, head},
};

#[tokio::test]
async fn what_fails_before_anything_is_sent_is_definite() {
    let scene = Scene::new();
    // A port on which nobody listens any more.
    let port = TcpListener::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap().port();
    scene.target(TargetSpec::http("api", "api.test").with_port(port)).await;
    let ended = scene.request(json!({"method": "POST"})).await;
    assert!(ended.failed().contains("no connection to the host"), "{}", ended.failed());
    scene.target(TargetSpec::http("nowhere", "empty.test").with_port(port)).await;
    let ended = scene.request(json!({"method": "POST", "target": "nowhere"})).await;
    assert!(ended.failed().contains("has no address"), "{}", ended.failed());
    scene.end().await;
}

#[tokio::test]
async fn a_connection_lost_after_sending_leaves_the_outcome_unknown() {
    let service = Service::start(|seen| match seen.path.as_str() {
        "/silent" => Vec::new(),
        _ => vec![Act::Say(head("200 OK", &[], &[("content-length", "100")])), Act::Say(b"begun".to_vec())],
    })
    .await;
    let scene = Scene::new();
    scene.api(&service).await;
    for path in ["/silent", "/half"] {
        for method in ["POST", "GET"] {
            let ended = scene.request(json!({"method": method, "path": path})).await;
            assert!(ended.lost().contains("the connection broke"), "{}", ended.lost());
        }
        let ended = scene.request(json!({"path": path, "idempotent": true})).await;
        assert!(ended.failed().contains("the connection broke"), "{}", ended.failed());
        let ended = scene.request(json!({"path": path, "method": "POST", "idempotent": true})).await;
        assert!(ended.lost().contains("the connection broke"), "{}", ended.lost());
    }
    assert_eq!(service.seen().len(), 8, "nothing was sent twice");
    scene.end().await;
}

#[tokio::test]
async fn an_idempotent_step_is_sent_again_when_it_asks_for_it() {
    let service = Service::start({
        let first = std::sync::atomic::AtomicBool::new(true);
        move |_| match first.swap(false, std::sync::atomic::Ordering::SeqCst) {
            true => Vec::new(),
            false => answer("200 OK", &[], "again"),
        }
    })
    .await;
    let scene = Scene::new();
    scene.api(&service).await;
    let step = json!({"method": "POST", "idempotent": true, "onLost": "retry", "headers": {"Idempotency-Key": "{{ run.id }}"}});
    assert_eq!(scene.request(step).await.succeeded().output, "again");
    let keys: Vec<_> =
        service.seen().iter().map(|seen| seen.header("idempotency-key").unwrap().to_owned()).collect();
    assert!(keys.len() == 2 && keys[0] == keys[1], "{keys:?}");
    scene.end().await;
}

#[tokio::test]
async fn an_answer_that_does_not_end_in_time_is_given_up() {
    let service = Service::start(|_| {
        vec![
            Act::Say(head("200 OK", &[], &[("content-length", "100")])),
            Act::Say(b"begun".to_vec()),
            Act::Hold,
        ]
    })
    .await;
    let scene = Scene::new();
    scene.api(&service).await;
    let ended = scene.request(json!({"timeoutSec": 2, "idempotent": true})).await;
    assert!(ended.failed().contains("timeoutSec of 2 s"), "{}", ended.failed());
    assert_eq!(ended.output, "begun");
    service.left(1).await;
    let ended = scene.request(json!({"timeoutSec": 2, "method": "POST"})).await;
    assert!(ended.lost().contains("timeoutSec of 2 s"), "{}", ended.lost());
    scene.end().await;
}

#[tokio::test]
async fn a_cancel_ends_the_connection() {
    let service = Service::start(|_| vec![Act::Hold]).await;
    let scene = Scene::new();
    scene.api(&service).await;
    let run = scene.start(json!({"method": "POST"}), json!({})).await;
    service.asked(1).await;
    run.cancel().await.unwrap();
    run.wait(super::scene::LIMIT).await.unwrap();
    service.left(1).await;
    assert_eq!(scene.ended(&run).await.task.status, TaskStatus::Aborted);
    scene.end().await;
}

#[tokio::test]
async fn what_does_not_speak_http_is_told_from_what_does() {
    let service = Service::start(|_| vec![Act::Say(b"SSH-2.0-OpenSSH_9.2\r\n".to_vec())]).await;
    let scene = Scene::new();
    scene.api(&service).await;
    let ended = scene.request(json!({"idempotent": true})).await;
    assert!(ended.failed().contains("does not speak HTTP"), "{}", ended.failed());
    scene.end().await;
}
