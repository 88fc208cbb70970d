//! Redirects: none unless asked for, and each judged anew.

use opsconductor_core::target::TargetSpec;
use serde_json::json;

use super::{
    scene::{KEY, Scene},
    service::{Service, answer, redirect},
};

/// Services of which the first leads to the second.
async fn pair(status: u16, path: &str) -> (Service, Service) {
    let second = Service::start(|_| answer("200 OK", &[], "there")).await;
    let location = format!("http://other.test:{}{path}", second.port());
    let first = Service::start(move |_| redirect(status, &location)).await;
    (first, second)
}

#[tokio::test]
async fn a_redirect_is_an_answer_unless_the_step_follows() {
    let service = Service::start(|seen| match seen.path.as_str() {
        "/old" => redirect(301, "/new?a=1"),
        path => answer("200 OK", &[], path),
    })
    .await;
    let scene = Scene::new();
    scene.api(&service).await;
    let ended = scene.request(json!({"path": "/old"})).await;
    assert!(
        ended.failed().contains("301") && ended.failed().contains("followRedirects"),
        "{}",
        ended.failed()
    );
    assert_eq!(ended.output, "go there");
    assert_eq!(service.seen().len(), 1);
    scene.request(json!({"path": "/old", "expectStatus": 301})).await.succeeded();
    let ended = scene.request(json!({"path": "/old", "followRedirects": true})).await.succeeded();
    assert_eq!((ended.output.as_str(), &ended.task.metrics["redirects"]), ("/new?a=1", &json!(1)));
    scene.end().await;
}

#[tokio::test]
async fn redirects_are_bounded() {
    let service = Service::start(|_| redirect(302, "/again")).await;
    let scene = Scene::new();
    scene.api(&service).await;
    let ended = scene.request(json!({"followRedirects": 3})).await;
    assert!(ended.failed().contains("more than 3 times"), "{}", ended.failed());
    assert_eq!(service.seen().len(), 4);
    scene.end().await;
}

#[tokio::test]
async fn method_and_body_follow_what_the_status_says() {
    let service = Service::start(|seen| match seen.path[1..].parse() {
        Ok(status) => redirect(status, "/there"),
        Err(_) => answer("200 OK", &[], ""),
    })
    .await;
    let scene = Scene::new();
    scene.api(&service).await;
    for status in [303, 307] {
        let step = json!({"method": "POST", "path": format!("/{status}"), "json": {"a": 1}, "followRedirects": true});
        scene.request(step).await.succeeded();
    }
    let seen = service.seen();
    let went: Vec<_> = seen.iter().map(|seen| (seen.method.as_str(), seen.body.as_str())).collect();
    assert_eq!(went, [("POST", "{\"a\":1}"), ("GET", ""), ("POST", "{\"a\":1}"), ("POST", "{\"a\":1}")]);
    assert_eq!(seen[1].header("content-type"), None);
    scene.end().await;
}

#[tokio::test]
async fn another_origin_gets_no_credential_no_header_and_no_body() {
    let (first, second) = pair(302, "/x").await;
    let scene = Scene::new();
    scene.locked(TargetSpec::http("api", "api.test").with_port(first.port()), Some("X-API-Key")).await;
    let headers = json!({"Cookie": "session=1", "X-Token": "t", "Accept": "text/plain"});
    let step = json!({"headers": headers, "followRedirects": true});
    assert_eq!(scene.request(step).await.succeeded().output, "there");
    let (one, two) = (first.only(), second.only());
    assert_eq!((one.header("x-api-key"), one.header("cookie")), (Some(KEY), Some("session=1")));
    assert_eq!(two.header("accept"), Some("text/plain"));
    assert_eq!(two.header("host"), Some(format!("other.test:{}", second.port()).as_str()));
    assert!(!format!("{two:?}").contains(KEY), "{two:?}");
    for name in ["cookie", "x-token", "x-api-key", "authorization"] {
        assert_eq!(two.header(name), None);
    }
    scene.end().await;

    let (first, second) = pair(307, "/x").await;
    let scene = Scene::new();
    scene.api(&first).await;
    let ended = scene.request(json!({"method": "POST", "body": "b", "followRedirects": true})).await;
    assert!(ended.failed().contains("the body of the request to another host"), "{}", ended.failed());
    assert!(second.seen().is_empty());
    scene.end().await;
}

#[tokio::test]
async fn the_same_host_on_another_port_is_another_origin() {
    let second = Service::start(|_| answer("200 OK", &[], "")).await;
    let location = format!("//api.test:{}/", second.port());
    let first = Service::start(move |_| redirect(302, &location)).await;
    let scene = Scene::new();
    scene.locked(TargetSpec::http("api", "api.test").with_port(first.port()), None).await;
    scene.request(json!({"followRedirects": true})).await.succeeded();
    assert_eq!(first.only().header("authorization"), Some(format!("Bearer {KEY}").as_str()));
    assert_eq!(second.only().header("authorization"), None);
    scene.end().await;
}

#[tokio::test]
async fn a_redirect_to_where_nobody_may_go_is_not_followed() {
    for (location, why) in [
        ("http://meta.test/latest/meta-data/", "metadata service"),
        ("http://169.254.169.254/latest/meta-data/", "metadata service"),
        ("http://[::ffff:169.254.169.254]/", "metadata service"),
        ("http://[fd00:ec2::254]/", "metadata service"),
        ("http://two.test/", "metadata service"),
        ("http://inner.test/", "private address"),
        ("http://10.0.0.1/", "private address"),
        ("http://[::1]/", "this machine itself"),
        ("http://0.0.0.0/", "no single host"),
        ("file:///etc/passwd", "neither http nor https"),
        ("http://user:pass@api.test/", "user name"),
    ] {
        let service = Service::start(move |_| redirect(302, location)).await;
        let scene = Scene::new();
        scene.api(&service).await;
        let ended = scene.request(json!({"method": "POST", "followRedirects": true})).await;
        assert!(ended.failed().contains(why), "{location}: {}", ended.failed());
        assert_eq!(service.seen().len(), 1, "{location}");
        scene.end().await;
    }
}

#[tokio::test]
async fn what_breaks_behind_a_redirect_is_told_from_what_was_answered() {
    let closed = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap().port();
    let silent = Service::start(|_| Vec::new()).await;
    for (port, is_lost) in [(closed, false), (silent.port(), true)] {
        let location = format!("http://other.test:{port}/");
        let first = Service::start(move |_| redirect(303, &location)).await;
        let scene = Scene::new();
        scene.api(&first).await;
        let ended = scene.request(json!({"method": "POST", "followRedirects": true})).await;
        let said = if is_lost { ended.lost() } else { ended.failed() };
        assert!(said.contains("redirectedTo other.test"), "{said}");
        assert_eq!(first.only().method, "POST", "it was answered, and is not sent again");
        scene.end().await;
    }
}
