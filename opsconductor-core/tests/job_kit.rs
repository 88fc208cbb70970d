//! The test kit for job definitions, as a test of a definition uses it.
#![allow(clippy::unwrap_used, reason = "a test may panic")]
#![allow(clippy::needless_pass_by_value, reason = "literals are handed over")]

use std::time::Duration;

use opsconductor_core::{
    ErrorKind,
    run::{RunStatus, TaskStatus},
    tenant::Role,
    testing::{
        job_kit::{JobKit, Sent, What},
        transport::LocalFolder,
    },
};
use serde_json::{Value, json};

fn job(steps: Value) -> String {
    json!({"name": "j", "version": 1, "steps": steps}).to_string()
}

fn command(target: &str, command: &str) -> Value {
    json!({"type": "winrm.exec", "shell": "powershell", "target": target, "command": command})
}

fn with(mut step: Value, more: Value) -> Value {
    step.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    step
}

fn seconds(seconds: u64) -> Duration {
    Duration::from_secs(seconds)
}

#[test]
fn a_command_that_the_test_does_not_answer_is_named_with_the_line_that_does() {
    let kit = JobKit::new().windows("web1").windows("web2");
    kit.on("web1").command_containing("Start").times(1);
    let steps = json!([command("web1", "Start-Service a"), command("web2", "say \"{{ x }}\"")]);
    let error = kit.run(&job(steps.clone()), json!({"x": "hi"})).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::InvalidInput);
    let said = error.to_string();
    assert!(
        said.starts_with("`web2` received the command \"say \\\"hi\\\"\" and the test does not say"),
        "{said}"
    );
    assert!(said.contains("kit.on(\"web2\").command(\"say \\\"hi\\\"\").prints(\"...\")"), "{said}");
    let error = kit.run(&job(steps), json!({"x": "hi"})).unwrap_err();
    assert!(
        error.to_string().contains("`web1` received the command \"Start-Service a\" once more"),
        "{error}"
    );
}

#[test]
fn a_forgotten_answer_is_an_error_even_where_the_run_goes_on() {
    let kit = JobKit::new().windows("web1");
    let steps = json!([with(command("web1", "x"), json!({"continueOnError": true})), {"type": "sleep", "durationSec": 9}]);
    assert_eq!(kit.run(&job(steps), Value::Null).unwrap_err().kind(), ErrorKind::InvalidInput);
    let later = json!([{"type": "sleep", "durationSec": 9}, command("web1", "x")]);
    let mut run = kit.run(&job(later), Value::Null).unwrap();
    run.advance(seconds(8)).unwrap();
    assert!(run.advance(seconds(1)).unwrap_err().to_string().contains("web1"));
}

#[test]
fn a_definition_that_does_not_hold_gives_every_problem() {
    let kit = JobKit::new().unix("db1");
    let steps = json!([command("web1", "x"), command("db1", "y")]);
    let error = kit.run(&job(steps), Value::Null).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::InvalidJob);
    let pointers: Vec<_> = error.problems().iter().map(|problem| problem.pointer.as_str()).collect();
    assert_eq!(pointers, ["/steps/0/target", "/steps/1/target"]);
    let wrong = kit.run(&job(json!([])), json!([1])).unwrap_err();
    assert_eq!(wrong.kind(), ErrorKind::InvalidInput);
}

#[test]
fn outputs_conditions_and_targets_are_those_of_the_engine() {
    let kit =
        JobKit::new().windows("web1").tagged("web").windows("web2").tagged("web").after("web1").unix("db1");
    kit.on("db1").any_command().prints("{\"version\": 7}\n");
    kit.on("web2").command("check 7").prints("old\n").prints_error("hm");
    kit.on_all().command_containing("check").prints("new\n");
    kit.on_all().command_containing("renew").takes(seconds(3));
    let web = json!({"tags": ["web"]});
    let steps = json!([
        {"type": "ssh.exec", "id": "db", "target": "db1", "command": "cat /etc/version.json"},
        {"type": "winrm.exec", "id": "check", "shell": "cmd", "targets": web, "serial": 1, "command": "check {{ steps.db.json.version }}"},
        {"type": "winrm.exec", "id": "renew", "shell": "cmd", "targets": web, "when": "steps.check.stdout == 'old'", "command": "renew {{ target.name }}"}
    ]);
    let mut run = kit.run(&job(steps), Value::Null).unwrap();
    assert_eq!(run.finish().unwrap(), RunStatus::Succeeded);
    let sent: Vec<String> = run.sent().iter().map(Sent::to_string).collect();
    assert_eq!(sent, ["db1: cat /etc/version.json", "web1: check 7", "web2: check 7", "web2: renew web2"]);
    assert_eq!(run.step_on("renew", "web1").unwrap().status, TaskStatus::Skipped);
    let renewed = run.step_on("renew", "web2").unwrap();
    assert_eq!((renewed.status, renewed.duration), (TaskStatus::Succeeded, Some(seconds(3))));
    assert_eq!(run.step_on("check", "web2").unwrap().stderr, "hm");
    assert_eq!(run.step("db").unwrap().stdout, "{\"version\": 7}\n");
    assert_eq!(run.step("check").unwrap_err().kind(), ErrorKind::InvalidInput);
    assert_eq!(run.step("nothing").unwrap_err().kind(), ErrorKind::NotFound);
}

#[test]
fn time_outs_and_back_offs_go_by_the_time_of_the_test() {
    let kit = JobKit::new().windows("web1");
    kit.on("web1").command("hang").prints("so far").never_ends();
    kit.on("web1").command("flaky").exits(3).times(2);
    kit.on("web1").command("flaky").takes(seconds(1));
    let retry = json!({"maxAttempts": 3, "backoffSec": 60, "on": ["failure"]});
    let steps = json!([
        with(command("web1", "hang"), json!({"id": "hang", "timeoutSec": 20, "continueOnError": true})),
        with(command("web1", "flaky"), json!({"id": "flaky", "retry": retry}))
    ]);
    let mut run = kit.run(&job(steps), Value::Null).unwrap();
    run.advance(seconds(19)).unwrap();
    assert_eq!(run.step("hang").unwrap().status, TaskStatus::Running);
    run.advance(seconds(1)).unwrap();
    let hang = run.step("hang").unwrap();
    assert_eq!((hang.status, hang.stdout.as_str()), (TaskStatus::Failed, "so far"));
    assert!(hang.error.as_deref().unwrap().contains("timeoutSec of 20 s"), "{:?}", hang.error);
    // The second attempt waits for 30 to 60 seconds, the third for 60 to 120.
    assert_eq!(run.commands("web1"), ["hang", "flaky"]);
    run.advance(seconds(60)).unwrap();
    assert_eq!(run.commands("web1").len(), 3);
    assert_eq!(run.finish().unwrap(), RunStatus::Succeeded);
    assert_eq!(run.step("flaky").unwrap().attempts, 3);
    assert!((seconds(111)..=seconds(201)).contains(&run.elapsed()), "{:?}", run.elapsed());
}

#[test]
fn a_run_that_takes_too_long_is_stopped_and_does_what_is_done_in_any_case() {
    let kit = JobKit::new().windows("web1");
    kit.on("web1").command("hang").never_ends();
    kit.on("web1").command("clean");
    let definition = json!({"name": "j", "version": 1, "timeoutSec": 30,
        "steps": [with(command("web1", "hang"), json!({"timeoutSec": 600}))], "finally": [command("web1", "clean")]});
    let mut run = kit.run(&definition.to_string(), Value::Null).unwrap();
    run.advance(seconds(29)).unwrap();
    assert_eq!(run.status().unwrap(), RunStatus::Running);
    assert_eq!(run.finish().unwrap(), RunStatus::Failed);
    assert_eq!(run.commands("web1"), ["hang", "clean"]);
    assert!(run.elapsed() < seconds(33), "{:?}", run.elapsed());
}

#[test]
fn a_person_answers_or_lets_the_time_pass() {
    let kit = JobKit::new().windows("web1");
    kit.on("web1").command("go");
    let ask = json!({"type": "approval", "id": "ask", "message": "Deploy {{ what }}?", "approvers": {"users": ["ada"]}});
    let definition = job(json!([ask, command("web1", "go")]));
    let start = || kit.run(&definition, json!({"what": "1.2"})).unwrap();

    let mut run = start();
    let questions = run.questions().unwrap();
    assert_eq!((questions.len(), questions[0].message.as_str()), (1, "Deploy 1.2?"));
    assert!(run.finish().unwrap_err().to_string().contains("Deploy 1.2?"));
    assert_eq!(run.approve("ask").unwrap_err().kind(), ErrorKind::Forbidden, "not among the approvers");
    run.answer("ask").by("ada", Role::Operator).note("fine").yes().unwrap();
    assert_eq!(run.finish().unwrap(), RunStatus::Succeeded);
    assert_eq!((run.commands("web1"), run.elapsed() < seconds(1)), (vec!["go".to_owned()], true));

    let mut run = start();
    run.answer("ask").by("ada", Role::Operator).note("not today").no().unwrap();
    assert!(run.step("ask").unwrap().error.unwrap().contains("not today"));

    let mut run = start();
    run.advance(seconds(24 * 60 * 60)).unwrap();
    assert_eq!(run.status().unwrap(), RunStatus::Failed);
    assert!(run.step("ask").unwrap().error.unwrap().contains("nobody answered"));
    assert!(run.commands("web1").is_empty());
}

#[test]
fn hosts_that_are_away_or_lost_are_what_they_are_to_the_engine() {
    let kit = JobKit::new().windows("web1").windows("web2");
    kit.on("web1").refuses_connections(1);
    kit.on("web1").command("send").loses_connection().times(1);
    kit.on("web1").command("send");
    kit.on("web2").is_away();
    let retry = json!({"maxAttempts": 2, "backoffSec": 5, "on": ["connection"]});
    let steps = json!([{"type": "winrm.exec", "shell": "cmd", "id": "send", "targets": ["web1", "web2"], "command": "send",
        "retry": retry, "onLost": "ask"}]);
    let mut run = kit.run(&job(steps), Value::Null).unwrap();
    assert!(run.finish().unwrap_err().to_string().contains("outcome is unknown"));
    assert_eq!(run.questions().unwrap()[0].target.as_deref(), Some("web1"));
    run.answer("send").on("web1").yes().unwrap();
    assert_eq!(run.finish().unwrap(), RunStatus::Failed);
    assert_eq!(run.commands("web1"), ["send", "send"]);
    assert_eq!(run.step_on("send", "web1").unwrap().status, TaskStatus::Succeeded);
    let away = run.step_on("send", "web2").unwrap();
    assert_eq!((away.status, away.attempts), (TaskStatus::Failed, 2));
}

#[test]
fn files_are_written_brought_and_looked_at() {
    let folder = LocalFolder::new();
    folder.file("site.conf", b"listen 80");
    let kit = JobKit::new().windows("web1").unix("db1").files(folder.path(""));
    kit.on("db1").has_file("/var/log/app.log", "all is well").has_file("/etc/motd", "old");
    let copy =
        |more: Value| with(json!({"type": "ssh.copy", "target": "db1", "destPath": "/etc/motd"}), more);
    let steps = json!([
        {"type": "winrm.copy", "target": "web1", "destPath": "C:\\temp\\{{ n }}.txt", "content": "hello {{ n }}"},
        {"type": "winrm.copy", "target": "web1", "destPath": "C:\\site.conf", "src": "site.conf"},
        {"type": "ssh.fetch", "target": "db1", "srcPath": "/var/log/app.log", "dest": "app.log"},
        copy(json!({"content": "old", "overwrite": false})),
        copy(json!({"id": "keep", "content": "new", "overwrite": false, "continueOnError": true})),
        {"type": "ssh.fetch", "id": "none", "target": "db1", "srcPath": "/nowhere"}
    ]);
    let run = kit.run(&job(steps), json!({"n": 7})).unwrap();
    assert_eq!(run.file("web1", "C:\\temp\\7.txt").unwrap(), b"hello 7");
    assert_eq!(run.file("web1", "C:\\site.conf").unwrap(), b"listen 80");
    assert_eq!(std::fs::read(folder.path("db1/app.log")).unwrap(), b"all is well");
    assert!(run.step("keep").unwrap().error.unwrap().contains("overwrite is false"));
    assert_eq!(run.file("db1", "/etc/motd").unwrap(), b"old");
    assert!(run.step("none").unwrap().error.unwrap().contains("has_file"));
    let What::Copy { path, content } = &run.sent()[0].what else { panic!("it was a copy") };
    assert_eq!((path.as_str(), content.as_str()), ("C:\\temp\\7.txt", "hello 7"));
}

#[test]
fn requests_are_answered_and_looked_at() {
    let kit = JobKit::new().service("api");
    kit.on("api").request("POST", "/apps/shop").header("X-Id", "9").body("{\"state\": \"ready\"}");
    kit.on("api").request("GET", "/slow").never_ends();
    let request = |more: Value| with(json!({"type": "http.request", "target": "api"}), more);
    let steps = json!([
        request(
            json!({"id": "post", "method": "POST", "path": "/apps/{{ app | quote }}", "json": {"n": "{{ app }}"},
            "assert": [{"path": "$.state", "equals": "ready"}, {"header": "X-Id", "equals": "9"}]})
        ),
        request(
            json!({"id": "slow", "path": "/slow", "timeoutSec": 5, "idempotent": true, "continueOnError": true})
        ),
        request(json!({"id": "lost", "path": "/slow", "timeoutSec": 5}))
    ]);
    let mut run = kit.run(&job(steps), json!({"app": "shop"})).unwrap();
    assert_eq!(run.finish().unwrap(), RunStatus::Failed);
    assert_eq!(run.step("post").unwrap().status, TaskStatus::Succeeded, "{:?}", run.step("post"));
    let What::Request { body, .. } = &run.sent()[0].what else { panic!("it was a request") };
    assert_eq!(body.as_deref(), Some("{\"n\":\"shop\"}"));
    let statuses = ["slow", "lost"].map(|step| run.step(step).unwrap().status);
    assert_eq!(statuses, [TaskStatus::Failed, TaskStatus::Lost]);
    let error = kit.run(&job(json!([request(json!({"path": "/other"}))])), Value::Null).unwrap_err();
    assert!(error.to_string().contains("kit.on(\"api\").request(\"GET\", \"/other\").body("), "{error}");
}

#[test]
fn a_cancel_stops_what_runs() {
    let kit = JobKit::new().windows("web1");
    kit.on("web1").command("hang").never_ends();
    let mut run = kit.run(&job(json!([command("web1", "hang")])), Value::Null).unwrap();
    assert_eq!(run.status().unwrap(), RunStatus::Running);
    run.cancel().unwrap();
    assert_eq!(run.status().unwrap(), RunStatus::Canceled);
    assert!(run.elapsed() < seconds(1), "{:?}", run.elapsed());
}

#[tokio::test]
async fn it_works_in_a_test_with_a_runtime_of_its_own() {
    let kit = JobKit::new().windows("web1");
    kit.on("web1").command("go").takes(seconds(5));
    let mut run = kit.run(&job(json!([command("web1", "go")])), Value::Null).unwrap();
    assert_eq!(run.finish().unwrap(), RunStatus::Succeeded);
    assert!(kit.run("{}", Value::Null).is_err());
    let plan = kit.plan(&job(json!([command("web1", "do {{ x }}")])), json!({"x": 1})).unwrap();
    assert_eq!(plan.tasks[0].command, "do 1");
}

#[test]
#[should_panic(expected = "the kit has no target `web2`; it has [\"web1\"]")]
fn an_answer_of_a_target_that_is_not_there_is_a_mistake() {
    JobKit::new().windows("web1").on("web2").any_command();
}

#[test]
fn secrets_are_sent_and_not_shown() {
    let folder = LocalFolder::new();
    let kit = JobKit::new().unix("db1").files(folder.path(""));
    kit.on("db1").command("login 'hunter2 and more'").prints("hunter2 and more");
    let definition = json!({"name": "j", "version": 1,
    "parameterSchema": {"properties": {"password": {"type": "string", "secret": true}}, "required": ["password"]},
    "steps": [
        {"type": "ssh.exec", "target": "db1", "command": "login {{ password | quote }}", "env": {"P": "{{ password }}"}},
        {"type": "ssh.copy", "target": "db1", "destPath": "/etc/pass", "content": "p={{ password }}"}
    ]});
    let run = kit.run(&definition.to_string(), json!({"password": "hunter2 and more"})).unwrap();
    assert_eq!(run.status().unwrap(), RunStatus::Succeeded, "{:?}", run.steps());
    assert_eq!(run.commands("db1").len(), 1);
    assert!(!format!("{:?}", run.sent()).contains("hunter2"), "{:?}", run.sent());
    assert_eq!(run.file("db1", "/etc/pass").unwrap(), b"p=[secret]");
}
