//! The services of the Python system at their ports, who is told of runs, and tokens for programs.

use serde_json::{Value, json};

use crate::{opsconductor, serve::Server};

/// The same server, called at the port of a service.
fn at(server: &mut Server, service: &str) {
    let start = format!("the service {service} is at http://");
    let found = server.said.iter().find_map(|line| line.strip_prefix(&start));
    server.address = found.unwrap_or_else(|| panic!("{service}: {:?}", server.said)).to_owned();
}

#[test]
fn the_services_of_the_python_system_answer_at_ports_of_their_own() {
    let mut server = Server::start_with(&["--service-ports=0"]);
    for (service, says) in [
        ("auth", "auth-service"),
        ("users", "user-service"),
        ("credentials", "credentials-service"),
        ("targets", "targets-service"),
        ("jobs", "jobs-service"),
        ("executor", "executor-service"),
        ("scheduler", "scheduler"),
        ("notifications", "notification"),
    ] {
        at(&mut server, service);
        let (status, health) = server.ask_with("GET", "/health", &[], "");
        assert_eq!((status, &health["status"], &health["service"]), (200, &json!("healthy"), &json!(says)));
    }

    at(&mut server, "auth");
    let token = server.login_at("/login", "root");
    let (status, verified) = server.ask("GET", "/verify", &token, "");
    assert_eq!((status, &verified["user"]["username"]), (200, &json!("root")));
    assert_eq!(server.ask("GET", "/users", &token, "").0, 404, "users are another service's");

    at(&mut server, "users");
    let (status, users) = server.ask("GET", "/users", &token, "");
    assert_eq!((status, &users["total"]), (200, &json!(3)));

    at(&mut server, "credentials");
    let credential = json!({"name": "win", "credential_type": "winrm_ntlm",
        "credential_data": {"username": "ops", "password": "one of some length"}});
    let (status, made) = server.ask("POST", "/credentials", &token, &credential.to_string());
    assert_eq!((status, &made["credential_type"]), (201, &json!("winrm")), "{made}");

    at(&mut server, "targets");
    let page = json!({"name": "page", "hostname": "127.0.0.1", "protocol": "http", "port": 9, "credential_ref": null});
    let (status, target) = server.ask("POST", "/targets", &token, &page.to_string());
    assert_eq!(status, 201, "{target}");
    let id = &target["id"];
    let (status, tried) = server.ask("POST", &format!("/targets/{id}/test-winrm"), &token, "");
    assert_eq!((status, &tried["test"]["status"]), (200, &json!("error")));
    assert!(tried["test"]["details"]["message"].as_str().unwrap().contains("http"), "{tried}");

    at(&mut server, "jobs");
    let job = json!({"name": "Ask", "definition": {"name": "Ask", "version": 1, "steps": [
        {"type": "approval", "id": "ask", "message": "Shall it be done?"}]}});
    let (status, job) = server.ask("POST", "/jobs", &token, &job.to_string());
    assert_eq!(status, 201, "{job}");
    assert_eq!(server.ask("POST", &format!("/jobs/{}/run", job["id"]), &token, "").0, 201);
    assert_eq!(server.ask("GET", "/runs", &token, "").1["total"], 1);

    // Whoever watches the system asks these without a token.
    at(&mut server, "executor");
    let (status, standing) = server.ask_with("GET", "/status", &[], "");
    assert_eq!((status, &standing["worker_enabled"]), (200, &json!(true)));
    assert!(standing["queue_stats"]["failed_steps"].is_u64(), "{standing}");
    at(&mut server, "notifications");
    let (status, standing) = server.ask_with("GET", "/status", &[], "");
    assert_eq!((status, &standing["pending_notifications"]), (200, &json!(0)), "{standing}");
    assert_eq!(server.ask_with("GET", "/notifications", &[], "").0, 401);
}

#[test]
fn ports_of_services_are_ports() {
    let said = opsconductor(&["serve", "--service-ports=65530", "--store", "sqlite:unused.db"]);
    assert_eq!(said.status.code(), Some(2));
    assert!(crate::text(&said.stderr).contains("--service-ports"));
}

#[test]
fn notifications_and_the_mail_server_are_kept_over_http() {
    let server = Server::start();
    let (root, olga, vera) = (server.login("root"), server.login("olga"), server.login("vera"));
    let settings = |token: &str| server.ask("GET", "/api/smtp/settings", token, "");
    assert_eq!(settings(&olga).0, 403);
    assert_eq!((settings(&root).0, settings(&root).1["is_configured"].clone()), (200, json!(false)));

    let mut smtp = json!({"host": "127.0.0.1", "port": 9, "username": "ops", "password": "hunter-of-mails",
        "use_tls": true, "from_email": "ops@example.com", "from_name": "Operations"});
    let set = |token: &str, smtp: &Value| {
        server.ask("POST", "/api/notification/smtp/settings", token, &smtp.to_string())
    };
    assert_eq!(set(&olga, &smtp).0, 403);
    let (status, saved) = set(&root, &smtp);
    assert_eq!((status, saved["message"].is_string()), (200, true), "{saved}");
    let (_, shown) = settings(&root);
    assert!(!shown.to_string().contains("hunter"), "{shown}");
    assert_eq!((&shown["is_configured"], &shown["use_tls"]), (&json!(true), &json!(true)));
    let mask = shown["password"].clone();
    assert!(mask.is_string(), "{shown}");

    // The mask keeps the password, but it goes to no other host.
    smtp["password"] = mask.clone();
    smtp["from_name"] = json!("Night shift");
    assert_eq!(set(&root, &smtp).0, 200);
    assert_eq!(
        (&settings(&root).1["from_name"], &settings(&root).1["password"]),
        (&json!("Night shift"), &mask)
    );
    smtp["host"] = json!("mail.example.net");
    assert_eq!(set(&root, &smtp).0, 400);
    assert_eq!(settings(&root).1["host"], "127.0.0.1");
    let (status, tried) = server.ask("POST", "/api/smtp/test", &root, r#"{"test_email": "ann@example.com"}"#);
    assert_eq!((status, &tried["success"]), (200, &json!(false)), "nobody listens there: {tried}");
    smtp["host"] = json!("127.0.0.1");
    smtp["password"] = Value::Null;
    assert_eq!(set(&root, &smtp).0, 200);
    assert_eq!(settings(&root).1["password"], Value::Null);

    // Stopped and started once each, by who may.
    let call = |token: &str, path: &str| {
        server.ask("POST", &format!("/api/notification/worker/{path}"), token, "").0
    };
    assert_eq!(call(&olga, "stop"), 403);
    assert_eq!((call(&root, "stop"), call(&root, "stop")), (200, 400));
    let (_, standing) = server.ask("GET", "/api/notification/status", &vera, "");
    assert_eq!(standing["worker_running"], false);

    let job = json!({"name": "Ask", "definition": {"name": "Ask", "version": 1, "steps": [
        {"type": "approval", "id": "ask", "message": "Shall it be done?"}]}});
    let (_, job) = server.ask("POST", "/api/jobs", &olga, &job.to_string());
    let (_, run) = server.ask("POST", &format!("/api/jobs/{}/run", job["id"]), &olga, "");
    let told = json!({"job_run_id": run["id"], "channel": "email", "dest": "ann@example.com"});
    assert_eq!(server.ask("POST", "/api/notifications", &vera, &told.to_string()).0, 403);
    let (status, made) = server.ask("POST", "/api/notifications", &olga, &told.to_string());
    assert_eq!((status, &made["status"], &made["retries"]), (200, &json!("pending"), &json!(0)), "{made}");
    let bad = json!({"job_run_id": run["id"], "channel": "webhook", "dest": "no url"});
    assert_eq!(server.ask("POST", "/api/notifications", &olga, &bad.to_string()).0, 400);
    let list = format!("/api/notifications?job_run_id={}&status=pending", run["id"]);
    let (_, list) = server.ask("GET", &list, &vera, "");
    assert_eq!((&list["total"], &list["notifications"][0]["id"]), (&json!(1), &made["id"]));
    assert_eq!(server.ask("GET", "/api/notifications?status=odd", &vera, "").0, 400);
    assert_eq!((call(&root, "start"), call(&root, "start")), (200, 400));

    // Everybody says for oneself.
    let (_, me) = server.ask("GET", "/api/verify", &vera, "");
    let own = format!("/api/users/{}/notifications", me["user"]["id"]);
    assert_eq!(server.ask("GET", &own, &vera, "").1["notify_on_success"], true);
    let (status, wants) = server.ask("PUT", &own, &vera, r#"{"notify_on_success": false}"#);
    assert_eq!((status, &wants["email_enabled"]), (200, &json!(true)), "{wants}");
    assert_eq!(server.ask("GET", &own, &vera, "").1["notify_on_success"], false);
    assert_eq!(server.ask("GET", &own, &olga, "").0, 403);
}

#[test]
fn a_token_for_a_program_may_what_it_was_made_for_until_it_is_deleted() {
    let server = Server::start();
    let olga = server.login("olga");
    let wanted = json!({"name": "deploy", "scopes": ["job:read"], "expires_in": 3_600});
    let (status, made) = server.ask("POST", "/api/tokens", &olga, &wanted.to_string());
    assert_eq!(
        (status, &made["name"], &made["scopes"]),
        (201, &json!("deploy"), &json!(["job:read"])),
        "{made}"
    );
    assert_eq!(server.ask("POST", "/api/tokens", &olga, &wanted.to_string()).0, 409);
    assert_eq!(server.ask("POST", "/api/tokens", &olga, r#"{"name": "all", "role": "admin"}"#).0, 403);
    assert_eq!(server.ask("POST", "/api/tokens", &olga, r#"{"name": "odd", "scopes": ["job:eat"]}"#).0, 400);

    let token = made["token"].as_str().unwrap();
    assert_eq!(server.ask("GET", "/api/jobs", token, "").0, 200);
    assert_eq!(server.ask("GET", "/api/targets", token, "").0, 403);
    let (_, list) = server.ask("GET", "/api/tokens", &olga, "");
    assert_eq!((&list["total"], &list["tokens"][0]["prefix"]), (&json!(1), &made["prefix"]));
    assert!(!list.to_string().contains(token), "it is shown once");

    let path = format!("/api/tokens/{}", made["id"]);
    assert_eq!(server.ask("DELETE", &path, &server.login("vera"), "").0, 404, "it is another's");
    assert_eq!(server.ask("DELETE", &path, &olga, "").0, 200);
    assert_eq!(server.ask("GET", "/api/jobs", token, "").0, 401);
}
