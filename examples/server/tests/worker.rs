//! `opsconductor worker`, `workers` and `migrate`, as real processes on both stores.
#![cfg(all(unix, feature = "sqlite"))]
#![allow(clippy::unwrap_used, reason = "a test may panic")]

#[path = "worker/again.rs"]
mod again;
#[path = "worker/scene.rs"]
mod scene;
#[path = "worker/secrets.rs"]
mod secrets;

use std::{
    collections::HashSet,
    io::{Read as _, Write as _},
};

use opsconductor_core::run::RunStatus;
use serde_json::Value;

use scene::{LIMIT, Scene, command, text};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn two_workers_share_a_sqlite_file_and_one_goes_on_when_the_other_is_killed() {
    share_and_go_on(Scene::sqlite().await).await;
}

#[cfg(feature = "postgres")]
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn two_workers_share_a_postgres_database_and_one_goes_on_when_the_other_is_killed() {
    share_and_go_on(Scene::postgres().await).await;
}

async fn share_and_go_on(scene: Scene) {
    let run = scene.run_waiting_commands(8).await;
    let (mut one, two) = (scene.worker(4), scene.worker(4));
    scene.running(8).await;

    let list = scene.listed(2).await;
    let processes: HashSet<_> = list.iter().map(|worker| worker["process"].as_u64().unwrap()).collect();
    assert_eq!(processes, HashSet::from([u64::from(one.id()), u64::from(two.id())]));
    for worker in &list {
        assert_eq!((&worker["state"], &worker["concurrency"]), (&Value::from("active"), &Value::from(4)));
    }
    let table = text(&scene.command(&["workers"]).output().unwrap().stdout);
    assert!(table.contains("HOST") && table.lines().count() == 3, "{table}");

    one.kill();
    scene.release();
    let result = run.wait(LIMIT).await.unwrap();
    assert_eq!(result.status, RunStatus::Succeeded, "{result:?}");
    assert_eq!(scene.ran(), 8, "each command ran once");

    assert_eq!(two.told_to_stop("TERM").await.code(), Some(0));
    let left = scene.listed(1).await;
    assert_eq!(
        left[0]["process"],
        one.id(),
        "who ends in order signs off, who was killed is seen to be gone"
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_worker_lets_running_tasks_end_and_a_second_signal_ends_it_at_once() {
    let scene = Scene::sqlite().await;
    let run = scene.run_waiting_commands(1).await;
    let worker = scene.worker(1);
    scene.running(1).await;
    let mut draining = worker.signal("TERM");
    draining.says("stopping").await;
    assert_eq!(scene.listed(1).await[0]["state"], "draining");
    scene.release();
    assert_eq!(draining.ended().await.code(), Some(0));
    assert_eq!(run.wait(LIMIT).await.unwrap().status, RunStatus::Succeeded);

    let scene = Scene::sqlite().await;
    scene.run_waiting_commands(1).await;
    let worker = scene.worker(1);
    scene.running(1).await;
    let mut draining = worker.signal("TERM");
    draining.says("stopping").await;
    assert_eq!(draining.signal("TERM").ended().await.code(), Some(1));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn http_requests_go_to_this_machine_only_when_the_worker_is_told_that_they_may() {
    let scene = Scene::sqlite().await;
    let service = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let port = service.local_addr().unwrap().port();
    std::thread::spawn(move || {
        for stream in service.incoming() {
            let mut stream = stream.unwrap();
            let mut head = [0; 4096];
            let _ = stream.read(&mut head).unwrap();
            stream.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok").unwrap();
        }
    });
    for (arguments, status, said) in [
        (&[][..], RunStatus::Failed, "this machine itself"),
        (&["--http-allow", "127.0.0.0/8"][..], RunStatus::Succeeded, "ok"),
        (&["--http-allow", "127.0.0.0/8", "--http-deny", "127.0.0.1"][..], RunStatus::Failed, "deny"),
    ] {
        let worker = scene.worker_with(arguments);
        let result = scene.run_request(port).await.wait(LIMIT).await.unwrap();
        assert_eq!(result.status, status, "{result:?}");
        let step = &result.steps[0];
        assert!(step.error.as_ref().unwrap_or(&step.stdout).contains(said), "{step:?}");
        assert_eq!(worker.told_to_stop("TERM").await.code(), Some(0));
    }
}

#[test]
fn what_is_wrong_with_the_store_or_the_key_is_said_in_a_sentence() {
    let folder = tempfile::tempdir().unwrap();
    let absent = format!("sqlite:{}", folder.path().join("absent.db").display());
    let key = folder.path().join("key");
    opsconductor_core::vault::create_key_file(&key).unwrap();
    let key = key.to_str().unwrap();
    let cases: &[(&[&str], i32, &str)] = &[
        (&["workers"], 2, "no store is named"),
        (&["workers", "--store", "mysql://db"], 2, "sqlite:PATH or postgres://"),
        (&["workers", "--store", "postgres://ann:s3cret@db/ops"], 2, "OPSCONDUCTOR_STORE"),
        (&["workers", "--store", &absent], 3, "is not there"),
        (&["worker", "--store", &absent, "--key", "/nowhere/key"], 3, "key"),
        (&["worker", "--store", &absent, "--key", key, "--concurrency", "0"], 2, "concurrency"),
        (&["worker", "--store", &absent, "--key", key, "--http-allow", "10.0.0.1/8"], 2, "prefix"),
        (&["worker", "--store", "sqlite:/nowhere/ops.db", "--key", key], 3, "directory"),
    ];
    for (arguments, code, expected) in cases {
        let said = command(arguments).output().unwrap();
        let told = text(&said.stderr);
        assert_eq!(said.status.code(), Some(*code), "{arguments:?}: {told}");
        assert!(told.contains(expected) && !told.contains("s3cret"), "{arguments:?}: {told}");
    }
}

#[cfg(feature = "postgres")]
#[test]
fn a_server_that_is_away_is_said_in_a_sentence_without_the_url() {
    // Nothing listens on the port of a listener that is gone.
    let port = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let said = command(&["migrate"])
        .env("OPSCONDUCTOR_STORE", format!("postgres://ann:s3cret@127.0.0.1:{port}/ops"))
        .output()
        .unwrap();
    let told = text(&said.stderr);
    assert_eq!(said.status.code(), Some(3), "{told}");
    assert!(told.starts_with("error: ") && !told.contains("s3cret"), "{told}");
}

#[test]
fn a_store_is_made_by_migrate_and_one_of_a_newer_version_is_left_alone() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("ops.db");
    let store = format!("sqlite:{}", path.display());
    let made = command(&["migrate", "--store", &store, "--json"]).output().unwrap();
    assert_eq!(made.status.code(), Some(0), "{}", text(&made.stderr));
    let answer: Value = serde_json::from_slice(&made.stdout).unwrap();
    assert_eq!(answer["store"], "sqlite");
    let listed = command(&["workers", "--store", &store, "--json"]).output().unwrap();
    assert_eq!((listed.status.code(), text(&listed.stdout).trim()), (Some(0), "[]"));

    let newer = opsconductor_store_sqlite::rusqlite::Connection::open(&path).unwrap();
    newer.execute("INSERT INTO opsconductor_migrations VALUES (999, 'from_the_future', 0)", []).unwrap();
    drop(newer);
    let refused = command(&["migrate", "--store", &store]).output().unwrap();
    assert_eq!(refused.status.code(), Some(3));
    assert!(text(&refused.stderr).contains("newer version"), "{}", text(&refused.stderr));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_definition_is_planned_saved_and_run_from_the_command_line() {
    let scene = Scene::sqlite().await;
    scene.targets(2).await;
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("greet.yaml");
    let file = file.to_str().unwrap();
    let definition = |command: &str| {
        let text = format!(
            "name: greet\nversion: 1\nsteps:\n  - type: winrm.exec\n    shell: powershell\n    \
             targets: {{tags: [all]}}\n    command: {command}\n"
        );
        std::fs::write(file, text).unwrap();
    };
    let ask = |arguments: &[&str]| {
        let output = scene.command(arguments).output().unwrap();
        (output.status.code(), text(&output.stdout), text(&output.stderr))
    };
    let plan = || {
        let (code, answer, said) = ask(&["job", "plan", file, "-p", "word=it's", "--json"]);
        assert_eq!(code, Some(0), "{said}");
        serde_json::from_str::<Value>(&answer).unwrap()
    };

    definition("Write-Output {{ word }}");
    let (code, answer, _) = ask(&["job", "plan", file, "--json"]);
    assert_eq!(code, Some(2));
    assert!(answer.contains("the parameter `word` is missing"), "{answer}");
    let (code, _, said) = ask(&["job", "plan", file, "-p", "word=it's"]);
    assert_eq!(code, Some(2));
    assert!(said.contains("word") && said.contains("quote"), "{said}");

    definition("Write-Output {{ word | quote }}");
    let planned = plan();
    let commands: Vec<_> = planned["tasks"].as_array().unwrap().iter().map(|task| &task["command"]).collect();
    assert_eq!(commands, ["Write-Output 'it''s'", "Write-Output 'it''s'"]);
    assert_eq!(ask(&["job", "apply", file]).0, Some(0));

    let digest = planned["digest"].as_str().unwrap();
    let (code, _, said) = ask(&["job", "run", "greet", "-p", "word=others", "--plan-digest", digest]);
    assert_eq!(code, Some(2));
    assert!(said.contains("the plan is not the one that was looked at"), "{said}");

    let worker = scene.worker(2);
    let (code, answer, said) =
        ask(&["job", "run", "greet", "-p", "word=it's", "--plan-digest", digest, "--follow", "--json"]);
    assert_eq!(code, Some(0), "{said}");
    assert!(said.contains("| it's"), "{said}");
    let answer: Value = serde_json::from_str(&answer).unwrap();
    assert_eq!(answer["runs"][0]["status"], "succeeded");

    definition("exit 3");
    assert_ne!(plan()["digest"], planned["digest"]);
    let (code, answer, _) = ask(&["job", "apply", file, "--json"]);
    assert_eq!((code, answer.trim()), (Some(0), r#"{"name":"greet","version":2}"#));
    assert_eq!(ask(&["job", "run", "greet", "--follow"]).0, Some(1));
    assert_eq!(worker.told_to_stop("TERM").await.code(), Some(0));
}
