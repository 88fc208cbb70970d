//! What is made of an answer.

use std::io::Write as _;

use flate2::{Compression, write::GzEncoder};
use serde_json::json as value;

use super::{
    scene::Scene,
    service::{Act, Service, answer, head, json},
};

#[tokio::test]
async fn a_status_is_what_was_expected_or_the_step_fails() {
    let service = Service::start(|seen| answer(&seen.path[1..].replace('-', " "), &[], "why")).await;
    let scene = Scene::new();
    scene.api(&service).await;
    let ended = scene.request(value!({"path": "/404-Nowhere"})).await;
    assert_eq!(ended.failed(), "the service answered with the status 404, not 2xx");
    assert_eq!((ended.task.exit_code, ended.output.as_str()), (Some(1), "why"));
    assert_eq!(ended.task.metrics["status"], 404);
    scene.request(value!({"path": "/404-Nowhere", "expectStatus": ["2xx", 404]})).await.succeeded();
    scene.request(value!({"path": "/503-Away", "expectStatus": "5xx"})).await.succeeded();
    assert!(
        scene.request(value!({"path": "/200-OK", "expectStatus": 201})).await.failed().contains("not 201")
    );
    assert!(
        scene.request(value!({"path": "/401-No"})).await.failed().contains("the target has no credential")
    );
    scene.end().await;
}

#[tokio::test]
async fn what_is_asserted_holds_or_the_step_fails() {
    let service =
        Service::start(|_| json(&value!({"state": "ready", "nodes": [{"up": true}, {"up": false}]}))).await;
    let scene = Scene::new();
    scene.api(&service).await;
    let checks = value!([
        {"path": "$.state", "equals": "{{ wanted }}"},
        {"path": "/nodes/0/up", "equals": true},
        {"path": "$.error", "exists": false},
        {"header": "Content-Type", "contains": "json"},
        {"matches": "\"state\""}
    ]);
    scene.request_with(value!({"assert": checks}), value!({"wanted": "ready"})).await.succeeded();
    let ended = scene.request_with(value!({"assert": checks}), value!({"wanted": "gone"})).await;
    assert_eq!(ended.failed(), "assertion failed: `$.state` is \"ready\", not \"gone\"");
    assert_eq!(ended.task.exit_code, Some(1));
    assert!(ended.output.contains("\"up\":false"), "the answer is there to look at");
    let ended = scene.request(value!({"assert": [{"path": "$.nodes[*].up", "equals": true}]})).await;
    assert_eq!(ended.failed(), "assertion failed: `$.nodes[*].up` is false, not true");
    scene.end().await;
}

#[tokio::test]
async fn an_answer_is_text_whatever_its_charset_and_packing() {
    let service = Service::start(|seen| match seen.path.as_str() {
        "/latin" => answer("200 OK", &[("content-type", "text/plain; charset=ISO-8859-1")], b"gr\xF6\xDFe"),
        "/gzip" => answer("200 OK", &[("content-encoding", "gzip")], pack("größe".as_bytes())),
        _ => answer("200 OK", &[("content-encoding", "br")], "?"),
    })
    .await;
    let scene = Scene::new();
    scene.api(&service).await;
    assert_eq!(scene.request(value!({"path": "/latin"})).await.succeeded().output, "größe");
    assert_eq!(scene.request(value!({"path": "/gzip"})).await.succeeded().output, "größe");
    assert_eq!(service.seen()[0].header("accept-encoding"), Some("gzip"));
    assert!(scene.request(value!({"path": "/brotli"})).await.failed().contains("not asked for"));
    scene.end().await;
}

#[tokio::test]
async fn an_answer_without_end_is_read_to_the_limit_and_no_further() {
    let bomb = pack(&vec![b'x'; 32 << 20]);
    let service = Service::start(move |seen| match seen.path.as_str() {
        "/endless" => vec![
            Act::Say(head("200 OK", &[("transfer-encoding", "chunked")], &[])),
            Act::Flood(b"400\r\n".iter().chain(&[b'y'; 1024]).chain(b"\r\n").copied().collect()),
        ],
        _ => answer("200 OK", &[("content-encoding", "gzip")], &bomb),
    })
    .await;
    let scene = Scene::new();
    scene.api(&service).await;
    for path in ["/endless", "/bomb"] {
        let ended = scene.request(value!({"path": path, "maxOutputBytes": 10_000})).await.succeeded();
        assert_eq!(ended.task.metrics["content_size"], 10_000);
        let (text, mark) = ended.output.split_at(10_000);
        assert!(text.bytes().all(|byte| byte == b'x' || byte == b'y'), "{text}");
        assert!(mark.contains("longer than 10000 bytes"), "{mark}");
    }
    service.left(1).await;
    let step = value!({"path": "/bomb", "maxOutputBytes": 10_000, "assert": [{"contains": "x"}]});
    let ended = scene.request(step).await;
    assert!(ended.failed().contains("longer than `maxOutputBytes`"), "{}", ended.failed());
    scene.end().await;
}

fn pack(text: &[u8]) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::best());
    encoder.write_all(text).unwrap();
    encoder.finish().unwrap()
}
