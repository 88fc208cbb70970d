//! `opsconductor run` and `opsconductor approvals`: a run that asks, fails, is read, mended, done again and canceled.

use opsconductor_core::run::RunStatus;
use serde_json::{Value, json};

use super::scene::{LIMIT, Scene, eventually, text};

/// Runs the program; its exit code, what it answers and what it says.
fn say(scene: &Scene, arguments: &[&str]) -> (i32, String, String) {
    let output = scene.command(arguments).output().unwrap();
    (output.status.code().unwrap(), text(&output.stdout), text(&output.stderr))
}

/// The answer of a command that does well, as JSON.
fn answer(scene: &Scene, arguments: &[&str]) -> Value {
    let (code, answer, said) = say(scene, arguments);
    assert_eq!(code, 0, "{arguments:?}: {said}");
    serde_json::from_str(&answer).unwrap()
}

/// Waits until so many steps wait for a person, and lists them.
async fn open(scene: &Scene, count: u64) -> Value {
    let list = || answer(scene, &["approvals", "--json"]);
    eventually("the steps ask", async || list()["total"] == count).await;
    list()["approvals"].take()
}

/// What `build` says is read by `go`, which fails until the host has the file.
fn job() -> Value {
    let exec = |id: &str, command: &str| json!({"type": "winrm.exec", "shell": "powershell", "id": id, "target": "win-0", "command": command});
    json!({"name": "deploy", "version": 1, "steps": [
        exec("build", "Write-Output built"),
        {"type": "approval", "id": "ask", "message": "Deploy\nto win-0?"},
        exec("go", "if (Test-Path C:\\temp\\go.txt) { Write-Output {{ steps.build.stdout }} } else { exit 3 }"),
    ]})
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_run_is_answered_read_done_again_and_canceled() {
    let scene = Scene::sqlite().await;
    scene.targets(1).await;
    let (code, nothing, said) = say(&scene, &["approvals"]);
    assert_eq!((code, nothing.as_str()), (0, ""), "{said}");
    let run = scene.run(job()).await;
    let id = run.id().to_string();
    let (code, _, said) = say(&scene, &["run", "retry", &id]);
    assert!(code == 2 && said.contains("goes on"), "{said}");

    let worker = scene.worker(2);
    let asked = open(&scene, 1).await;
    let seen = ["run", "job", "step", "target", "waits_for", "message"].map(|name| asked[0][name].clone());
    assert_eq!(json!(seen), json!([run.id(), "deploy", "ask", null, "approval", "Deploy\nto win-0?"]));
    let table = say(&scene, &["approvals"]).1;
    assert!(table.lines().count() == 2 && table.contains("Deploy to win-0?"), "{table}");
    let decided = answer(&scene, &["run", "decide", &id, "ask", "--approve", "--note", "go ahead", "--json"]);
    assert_eq!(decided["approved"], true);
    assert_eq!(say(&scene, &["run", "decide", &id, "ask"]).0, 2, "yes or no");
    assert_eq!(say(&scene, &["run", "decide", &id, "ask", "--approve", "--reject"]).0, 2, "not both");
    assert_eq!(run.wait(LIMIT).await.unwrap().status, RunStatus::Failed);
    let (code, _, said) = say(&scene, &["run", "decide", &id, "ask", "--reject"]);
    assert!(code == 2 && said.contains("has ended"), "{said}");

    let log = say(&scene, &["run", "logs", &id]).1;
    assert!(log.lines().any(|line| line == "win-0 build | built"), "{log}");
    let bare = say(&scene, &["run", "logs", &id, "--bare", "--step", "build", "--stream", "stdout"]).1;
    assert_eq!(bare.trim_end(), "built");
    let found = answer(&scene, &["run", "logs", &id, "--search", "uil", "--json"]);
    assert_eq!((&found["line"], &found["attempt"]), (&json!("built"), &json!(1)));
    assert_eq!(say(&scene, &["run", "logs", &id, "--target", "nowhere"]).0, 3);

    scene.release();
    let again = answer(&scene, &["run", "retry", &id, "--follow", "--json"]);
    let done = again["runs"][0]["steps"].as_array().unwrap();
    assert_eq!((done.len(), &done[0]["status"]), (1, &json!("succeeded")), "{again}");
    assert_eq!(again["runs"][0]["job"], "deploy");

    let child = answer(&scene, &["run", "retry", &id, "--from", "go", "--json"]);
    assert_eq!(child["parent"], json!(run.id()));
    let child = scene.known(child["run"].as_i64().unwrap()).await;
    assert_eq!(child.wait(LIMIT).await.unwrap().status, RunStatus::Succeeded);
    let child = child.id().to_string();
    assert_eq!(say(&scene, &["run", "logs", &child, "--bare"]).1.trim_end(), "built", "as its parent said");
    let (code, _, said) = say(&scene, &["run", "retry", &child]);
    assert!(code == 2 && said.contains("succeeded"), "{said}");
    let (code, _, said) = say(&scene, &["run", "retry", &id, "--from", "nowhere"]);
    assert!(code == 3 && said.contains("build, ask, go"), "{said}");
    assert_eq!(say(&scene, &["run", "retry", &id, "--failed"]).0, 2, "only from a step on");

    let whole = answer(&scene, &["run", "retry", &id, "--from", "build", "--json"])["run"].to_string();
    assert_eq!(open(&scene, 1).await[0]["run"].to_string(), whole);
    let canceled = answer(&scene, &["run", "cancel", &whole, "--json"]);
    assert_eq!((&canceled["status"], &canceled["cancel_requested"]), (&json!("canceled"), &json!(true)));
    open(&scene, 0).await;
    assert_eq!(worker.told_to_stop("TERM").await.code(), Some(0));
}
