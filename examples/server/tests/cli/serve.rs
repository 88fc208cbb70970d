//! The API as a client meets it, over real sockets.

use std::{
    io::{BufRead as _, BufReader, Read as _, Write as _},
    net::TcpStream,
    process::{Child, Command, Stdio},
    time::Duration,
};

use serde_json::{Value, json};
use tempfile::TempDir;

use crate::opsconductor;

const PASSWORD: &str = "a password of some length";

/// A server on a store of its own; it ends with this.
pub(crate) struct Server {
    child: Child,
    pub(crate) address: String,
    /// What it said until it served.
    pub(crate) said: Vec<String>,
    _folder: TempDir,
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

impl Server {
    pub(crate) fn start() -> Self {
        Self::start_with(&[])
    }

    pub(crate) fn start_with(options: &[&str]) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let store = format!("sqlite:{}", folder.path().join("ops.db").display());
        let key = folder.path().join("key");
        assert!(opsconductor(&["key", "generate", "--out", key.to_str().unwrap()]).status.success());
        assert!(opsconductor(&["migrate", "--store", &store]).status.success());
        for (name, role) in [("root", "admin"), ("olga", "operator"), ("vera", "viewer")] {
            let email = format!("{name}@example.com");
            let mut add = Command::new(env!("CARGO_BIN_EXE_opsconductor"))
                .args(["user", "add", name, "--email", &email, "--role", role, "--store", &store])
                .stdin(Stdio::piped())
                .stderr(Stdio::null())
                .spawn()
                .unwrap();
            add.stdin.take().unwrap().write_all(format!("{PASSWORD}\n").as_bytes()).unwrap();
            assert!(add.wait().unwrap().success());
        }
        let mut child = Command::new(env!("CARGO_BIN_EXE_opsconductor"))
            .args(["serve", "--listen", "127.0.0.1:0", "--store", &store, "--key", key.to_str().unwrap()])
            .args(options)
            .stdin(Stdio::null())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let mut lines = BufReader::new(child.stderr.take().unwrap()).lines();
        let mut said = Vec::new();
        let address = lines.find_map(|line| {
            said.push(line.unwrap());
            said.last()?.strip_prefix("serving on http://")?.strip_suffix("/api").map(str::to_owned)
        });
        // Nobody may be kept from talking because nobody listens.
        std::thread::spawn(move || lines.for_each(drop));
        Self { child, address: address.unwrap(), said, _folder: folder }
    }

    pub(crate) fn raw(&self, method: &str, path: &str, headers: &[(&str, &str)], body: &str) -> TcpStream {
        let mut socket = TcpStream::connect(&self.address).unwrap();
        socket.set_read_timeout(Some(Duration::from_secs(120))).unwrap();
        let mut head = format!("{method} {path} HTTP/1.1\r\nHost: ops\r\nConnection: close\r\n");
        for (name, value) in headers {
            head.push_str(&format!("{name}: {value}\r\n"));
        }
        if !body.is_empty() {
            head.push_str(&format!("Content-Type: application/json\r\nContent-Length: {}\r\n", body.len()));
        }
        socket.write_all(format!("{head}\r\n{body}").as_bytes()).unwrap();
        socket
    }

    pub(crate) fn ask(&self, method: &str, path: &str, token: &str, body: &str) -> (u16, Value) {
        self.ask_with(method, path, &[("Authorization", &format!("Bearer {token}"))], body)
    }

    pub(crate) fn ask_with(
        &self,
        method: &str,
        path: &str,
        headers: &[(&str, &str)],
        body: &str,
    ) -> (u16, Value) {
        let mut answer = String::new();
        self.raw(method, path, headers, body).read_to_string(&mut answer).unwrap();
        let (head, body) = answer.split_once("\r\n\r\n").unwrap();
        let status = head.split(' ').nth(1).unwrap().parse().unwrap();
        (status, serde_json::from_str(body).unwrap_or_else(|_| json!(body)))
    }

    pub(crate) fn login(&self, name: &str) -> String {
        self.login_at("/api/login", name)
    }

    pub(crate) fn login_at(&self, path: &str, name: &str) -> String {
        let body = json!({"username": name, "password": PASSWORD}).to_string();
        let (status, answer) = self.ask_with("POST", path, &[], &body);
        assert_eq!(
            (status, &answer["token_type"], &answer["expires_in"]),
            (200, &json!("bearer"), &json!(900))
        );
        answer["access_token"].as_str().unwrap().to_owned()
    }
}

#[test]
fn a_run_is_made_followed_and_read_over_http() {
    let server = Server::start();
    let (root, olga, vera) = (server.login("root"), server.login("olga"), server.login("vera"));

    for (method, path) in
        [("GET", "/api/jobs"), ("GET", "/runs"), ("GET", "/api/events"), ("GET", "/api/audit")]
    {
        let (status, refusal) = server.ask_with(method, path, &[], "");
        assert_eq!((status, &refusal["status"]), (401, &json!(401)), "{path}");
        assert!(refusal["detail"].is_string() && refusal["title"].is_string() && refusal["type"].is_string());
    }
    let (status, verified) = server.ask("GET", "/verify", &vera, "");
    assert_eq!((status, &verified["user"]["role"]), (200, &json!("viewer")));

    let job = json!({"name": "Ask", "definition": {"name": "Ask first", "version": 7, "steps": [
        {"type": "approval", "id": "ask", "message": "Shall it be done for {{ whom }}?"}]}});
    assert_eq!(server.ask("POST", "/api/jobs", &vera, &job.to_string()).0, 403);
    let (status, saved) = server.ask("POST", "/api/jobs", &olga, &job.to_string());
    assert_eq!((status, &saved["version"], &saved["name"]), (201, &json!(1), &json!("Ask")), "{saved}");
    assert_eq!(saved["required_parameters"], json!(["whom"]));
    assert_eq!(server.ask("POST", "/api/jobs", &olga, &job.to_string()).0, 409);
    let bad = json!({"name": "Bad", "definition": {"name": "Bad", "version": 1, "steps": []}}).to_string();
    let (status, refusal) = server.ask("POST", "/api/jobs", &olga, &bad);
    assert_eq!(status, 400);
    assert!(refusal["problems"][0]["pointer"].is_string(), "{refusal}");
    let id = &saved["id"];

    let (status, refusal) = server.ask("POST", &format!("/api/jobs/{id}/run"), &olga, "");
    assert_eq!(status, 422, "{refusal}");
    let bearer = format!("Bearer {olga}");
    let keyed = [("Authorization", bearer.as_str()), ("Idempotency-Key", "once")];
    let (status, run) = server.ask_with("POST", &format!("/api/jobs/{id}/run"), &keyed, r#"{"whom": "ann"}"#);
    assert_eq!((status, &run["parameters"]), (201, &json!({"whom": "ann"})), "{run}");
    let wrapped = r#"{"parameters": {"whom": "ann"}}"#;
    let (status, again) = server.ask_with("POST", &format!("/jobs/{id}/run"), &keyed, wrapped);
    assert_eq!((status, &again["id"]), (201, &run["id"]));
    assert_eq!(server.ask("DELETE", &format!("/api/jobs/{id}"), &olga, "").0, 409, "it has runs");

    let run_id = &run["id"];
    let mut events = BufReader::new(server.raw(
        "GET",
        &format!("/api/runs/{run_id}/events"),
        &[("Authorization", &bearer)],
        "",
    ));
    let mut story = String::new();
    while !story.contains("event: step.waiting") {
        assert!(events.read_line(&mut story).unwrap() > 0, "{story}");
    }
    let decision = format!("/api/runs/{run_id}/steps/ask/decision");
    assert_eq!(server.ask("POST", &decision, &vera, r#"{"approve": true}"#).0, 403);
    let (status, answered) = server.ask("POST", &decision, &olga, r#"{"approve": true, "note": "go"}"#);
    assert_eq!(status, 202, "{answered}");
    // The stream of a run ends by itself.
    events.read_to_string(&mut story).unwrap();
    let at = |what: &str| story.find(what).unwrap_or_else(|| panic!("{what}: {story}"));
    assert!(
        at("event: run.queued") < at("event: run.started")
            && at("event: step.finished") < at("event: run.finished")
    );
    assert!(story.contains("\"status\":\"succeeded\""), "{story}");

    let (_, ended) = server.ask("GET", &format!("/api/runs/{run_id}"), &vera, "");
    assert_eq!(ended["status"], "succeeded");
    let (_, steps) = server.ask("GET", &format!("/api/runs/{run_id}/steps"), &vera, "");
    assert_eq!(
        (&steps[0]["status"], &steps[0]["idx"], &steps[0]["type"]),
        (&json!("succeeded"), &json!(0), &json!("approval"))
    );
    let (_, list) = server.ask("GET", "/api/runs?status=succeeded&limit=10", &vera, "");
    assert_eq!((&list["total"], list["runs"].as_array().unwrap().len()), (&json!(1), 1));
    assert_eq!(server.ask("GET", "/api/runs?status=odd", &vera, "").0, 422);
    let (status, status_now) = server.ask("GET", "/api/executor/status", &vera, "");
    assert_eq!((status, &status_now["queue_stats"]["succeeded_steps"]), (200, &json!(1)), "{status_now}");

    // From the beginning of the tenant, and from a number on.
    let mut all = BufReader::new(server.raw(
        "GET",
        "/api/events",
        &[("Authorization", &bearer), ("Last-Event-ID", "0")],
        "",
    ));
    let mut told = String::new();
    while !told.contains("event: run.finished") {
        assert!(all.read_line(&mut told).unwrap() > 0, "{told}");
    }
    assert!(told.contains("event: run.queued") && told.contains("id: 1\n"), "{told}");
    let mut rest = BufReader::new(server.raw(
        "GET",
        "/api/events",
        &[("Authorization", &bearer), ("Last-Event-ID", "1")],
        "",
    ));
    let mut after = String::new();
    while !after.contains("event: run.finished") {
        assert!(rest.read_line(&mut after).unwrap() > 0, "{after}");
    }
    assert!(!after.contains("event: run.queued") && after.contains("id: 2\n"), "{after}");

    assert_eq!(server.ask("GET", "/api/audit", &olga, "").0, 403);
    let (status, audit) = server.ask("GET", "/api/audit/verify", &root, "");
    assert_eq!((status, &audit["ok"]), (200, &json!(true)));
    assert_eq!(server.ask("GET", "/api/runs/99", &root, "").0, 404);
    assert_eq!(server.ask("GET", "/api/nothing", &root, "").0, 404);
    assert_eq!(server.ask("PATCH", "/api/jobs", &root, "").0, 405);
    assert_eq!(server.ask("POST", "/api/jobs", &root, "{").0, 422);
}

#[test]
fn it_is_not_served_beyond_this_machine_unasked() {
    let said = opsconductor(&["serve", "--listen", "0.0.0.0:0", "--store", "sqlite:unused.db"]);
    assert_eq!(said.status.code(), Some(2));
    assert!(crate::text(&said.stderr).contains("--behind-proxy"));
}
