//! Secret parameters: they reach their commands, and are seen nowhere else.

mod search;

use opsconductor_core::{
    Engine, Error, ErrorKind, JobSpec, Secret,
    engine::{Run, RunOptions},
    run::{RunStatus, TaskStatus},
    store::{Page, RunFilter},
    tenant::DEFAULT_TENANT,
    vault::{CallbackKeys, Keyring},
};
use opsconductor_tests::fleet::{Fleet, object};
use serde_json::{Value, json};

use super::{LIMIT, quick};
use search::{assert_not_in, dump, heard, listen};

on_each_store!(
    a_secret_parameter_reaches_its_command_and_is_seen_nowhere_else,
    a_plan_shows_that_there_is_a_secret_and_holds_for_any,
    a_repeat_with_another_secret_is_a_conflict,
    a_redriven_run_has_the_secrets_of_the_first,
    what_cannot_be_kept_secret_starts_nothing,
    without_its_key_a_secret_is_neither_sealed_nor_opened,
);

/// Holds what JSON, XML, URLs and shells write in their own ways.
const CANARY: &str = "c4nary<\"\u{f6}'&$> 7yV/q+Zw";

fn definition(name: &str, steps: &Value) -> Value {
    json!({"name": name, "version": 1, "steps": steps, "parameterSchema": {
        "properties": {
            "pw": {"type": "string", "secret": true, "pattern": "^c4", "maxLength": 40},
            "pin": {"type": "string", "secret": true},
            "svc": {"type": "string", "default": "Spooler"}
        },
        "required": ["pw"]
    }})
}

fn exec(target: &str, command: &str) -> Value {
    json!({"type": "winrm.exec", "shell": "powershell", "target": target, "command": command})
}

async fn save(fleet: &Fleet, definition: Value) -> String {
    fleet.ops.jobs().create(&JobSpec::from_value(definition)).await.unwrap().name
}

async fn start(fleet: &Fleet, job: &str, parameters: Value) -> Result<Run, Error> {
    fleet.ops.jobs().run(job, object(parameters), RunOptions::default()).await
}

async fn runs(fleet: &Fleet) -> u64 {
    fleet.ops.runs().list(RunFilter::default(), Page::default()).await.unwrap().total
}

/// Whatever a caller can see of a run.
async fn all_of(fleet: &Fleet, run: &Run) -> String {
    let store = fleet.engine.store();
    let mut all = format!("{:?} {:?}", run.record().await.unwrap(), run.steps().await.unwrap());
    all += &format!("{:?}", store.run_plan(DEFAULT_TENANT, run.id()).await.unwrap());
    all += &format!("{:?}", store.run_secrets(DEFAULT_TENANT, run.id()).await.unwrap());
    all += &format!("{:?}", fleet.ops.dead_letters().list(Page::default()).await.unwrap().items);
    let tasks = store.tasks(DEFAULT_TENANT, run.id(), Page::default()).await.unwrap().items;
    for task in &tasks {
        all += &format!("{:?}", store.attempts(DEFAULT_TENANT, run.id(), task.id).await.unwrap());
    }
    all += &format!("{tasks:?}");
    let mut events = run.events();
    while let Some(event) = events.next().await.unwrap() {
        all += &format!("{event:?}");
    }
    all
}

async fn a_secret_parameter_reaches_its_command_and_is_seen_nowhere_else(fleet: Fleet) {
    listen();
    let worker = fleet.engine.worker(quick()).unwrap();
    let steps = json!([
        exec("web-1", "print login {{ pw | quote }} for {{ svc }}"),
        exec("web-1", "print {{ pw | b64encode | quote }}"),
        exec("web-1", "write {{ pw | replace('7', '7|') | quote }}"),
        {"type": "winrm.exec", "shell": "powershell", "target": "web-1", "command": "print twice",
         "when": "pw != 'other'", "continueOnError": true},
        {"type": "winrm.exec", "shell": "powershell", "target": "web-1", "command": "blurt {{ pw | quote }}",
         "continueOnError": true},
        {"type": "winrm.exec", "shell": "powershell", "target": "web-2", "command": "print {{ pw }}",
         "continueOnError": true},
        exec("web-1", "blurt {{ pw | quote }}")
    ]);
    let job = save(&fleet, definition("spy", &steps)).await;
    let run = start(&fleet, &job, json!({"pw": CANARY, "svc": "Themes"})).await.unwrap();
    let result = run.wait(LIMIT).await.unwrap();
    use TaskStatus::{Failed, Succeeded};
    let statuses: Vec<_> = result.steps.iter().map(|step| step.status).collect();
    assert_eq!(statuses, [Succeeded, Succeeded, Succeeded, Succeeded, Failed, Failed, Failed], "{result:?}");

    // As PowerShell quotes it.
    let quoted = format!("'{}'", CANARY.replace('\'', "''"));
    let received = fleet.hosts.received();
    assert_eq!(received[0], format!("web-1: print login {quoted} for Themes"));
    assert_eq!(received.len(), 6, "the value that was not plain was not sent unquoted: {received:?}");
    let said: Vec<_> = result.steps[..3].iter().map(|step| step.stdout.as_str()).collect();
    assert_eq!(said, ["login '[redacted]' for Themes\n", "'[redacted]'\n", "'[redacted]'"]);
    let reason = result.steps[4].error.as_deref().unwrap();
    assert!(reason.contains("it said '[redacted]'"), "{reason}");
    let reason = result.steps[5].error.as_deref().unwrap();
    assert!(reason.contains("pw") && reason.contains("quote"), "{reason}");

    let record = run.record().await.unwrap();
    assert_eq!(Value::Object(record.parameters), json!({"svc": "Themes", "pw": "[secret]"}));
    let all = all_of(&fleet, &run).await;
    assert!(all.contains("[secret]") && all.contains("[redacted]"), "{all}");
    assert_not_in(all.as_bytes(), CANARY, "what is shown of the run");
    worker.shutdown().await;
    let dump = dump(&fleet).await;
    assert_not_in(&dump, CANARY, "the database");
    let stored = fleet.folder.is_some() || fleet.place.is_some();
    assert_eq!(dump.windows(6).any(|window| window == b"Themes"), stored, "what is plain is found there");
    let heard = heard();
    assert!(heard.contains("listening"));
    assert_not_in(heard.as_bytes(), CANARY, "the traces");
}

async fn a_plan_shows_that_there_is_a_secret_and_holds_for_any(fleet: Fleet) {
    let steps = json!([
        exec("web-1", "print {{ pw | quote }} {{ svc }}"),
        exec("web-1", "print {{ pw }}"),
        {"type": "winrm.exec", "shell": "cmd", "target": "web-1", "script": "x", "env": {"PW": "{{ pw }}"}}
    ]);
    let job = save(&fleet, definition("look", &steps)).await;
    let plan = async |pw: &str| fleet.ops.jobs().plan(&job, object(json!({"pw": pw}))).await;
    let preview = plan(CANARY).await.unwrap();
    let commands: Vec<_> = preview.tasks.iter().map(|task| task.command.as_str()).collect();
    assert_eq!(commands[..2], ["print '[secret]' Spooler", "print [secret]"]);
    assert_not_in(format!("{preview:?}").as_bytes(), CANARY, "the plan");
    assert_eq!(
        plan("c4 another").await.unwrap(),
        preview,
        "a digest that told them apart could be guessed at"
    );
    let with = |digest: &str| RunOptions { plan_digest: Some(digest.to_owned()), ..RunOptions::default() };
    let run = async |parameters: Value, digest: &str| {
        fleet.ops.jobs().run(&job, object(parameters), with(digest)).await.map(|run| run.id())
    };
    run(json!({"pw": CANARY}), &preview.digest).await.unwrap();
    let other = run(json!({"pw": CANARY, "svc": "Themes"}), &preview.digest).await.unwrap_err();
    assert_eq!(other.kind(), ErrorKind::Conflict);
}

async fn a_repeat_with_another_secret_is_a_conflict(fleet: Fleet) {
    let job = save(&fleet, definition("once", &json!([exec("web-1", "print {{ pw | quote }}")]))).await;
    let enqueue = async |engine: &Engine, parameters: Value| {
        let options = RunOptions { idempotency_key: Some("k".into()), ..RunOptions::default() };
        engine.local().jobs().run(&job, object(parameters), options).await.map(|run| run.id())
    };
    let engine = &fleet.engine;
    let first = enqueue(engine, json!({"pw": CANARY})).await.unwrap();
    let other =
        CallbackKeys::new("k", [""; 0], |_| async { Err(Error::new(ErrorKind::Vault, "no")) }).unwrap();
    let stranger =
        Engine::builder().shared_store(engine.store().clone()).keys(other).connector(fleet.hosts.clone());
    let stranger = stranger.build().unwrap();
    for _ in 0..2 {
        assert_eq!(enqueue(engine, json!({"pw": CANARY})).await.unwrap(), first);
    }
    for others in [
        json!({"pw": "c4 another"}),
        json!({"pw": CANARY, "pin": "1234"}),
        json!({"pw": CANARY, "svc": "Themes"}),
        // No text, so no secret that could be the first one.
        json!({"pw": 12345}),
        json!({"pw": null}),
    ] {
        let error = enqueue(engine, others).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Conflict, "{error:?}");
        assert_not_in(format!("{error:?} {}", error.report()).as_bytes(), CANARY, "the error");
    }
    assert_eq!(enqueue(&stranger, json!({"pw": CANARY})).await.unwrap_err().kind(), ErrorKind::Vault);
    assert_eq!(runs(&fleet).await, 1);
    // The key lives as long as its run, whatever becomes of the job.
    let mut changed = definition("once", &json!([exec("web-1", "print anew")]));
    changed["version"] = json!(2);
    fleet.ops.jobs().update("once", &JobSpec::from_value(changed)).await.unwrap();
    assert_eq!(enqueue(engine, json!({"pw": CANARY})).await.unwrap(), first);
    assert_eq!(enqueue(engine, json!({"pw": "c4 another"})).await.unwrap_err().kind(), ErrorKind::Conflict);
}

async fn a_redriven_run_has_the_secrets_of_the_first(fleet: Fleet) {
    let worker = fleet.engine.worker(quick()).unwrap();
    let job = save(&fleet, definition("again", &json!([exec("gone", "print {{ pw | quote }}")]))).await;
    let run = start(&fleet, &job, json!({"pw": CANARY})).await.unwrap();
    assert_eq!(run.wait(LIMIT).await.unwrap().status, RunStatus::Failed);
    let mut target = fleet.ops.targets().get("gone").await.unwrap().spec;
    target.hostname = "host".to_owned();
    fleet.ops.targets().update("gone", target).await.unwrap();
    let letter = fleet.ops.dead_letters().list(Page::default()).await.unwrap().items.remove(0);
    let again = fleet.ops.dead_letters().redrive(letter.id).await.unwrap();
    let result = again.wait(LIMIT).await.unwrap();
    assert_eq!((result.status, result.steps[0].stdout.as_str()), (RunStatus::Succeeded, "'[redacted]'\n"));
    assert!(fleet.hosts.received()[0].contains(&CANARY.replace('\'', "''")));
    assert_not_in(all_of(&fleet, &again).await.as_bytes(), CANARY, "what is shown of the run");
    worker.shutdown().await;
    assert_not_in(&dump(&fleet).await, CANARY, "the database");
}

async fn what_cannot_be_kept_secret_starts_nothing(fleet: Fleet) {
    let job = save(&fleet, definition("refused", &json!([exec("web-1", "print {{ pw | quote }}")]))).await;
    let wrong = format!("x{CANARY}");
    for (given, pointer, why) in [
        (json!({"pw": wrong}), "/pw", "does not fit the pattern `^c4`"),
        (json!({"pw": CANARY.repeat(2)}), "/pw", "must have at most 40 characters"),
        (json!({"pw": [CANARY]}), "/pw", "must be a string, not a list"),
        (json!({"pw": "c4 "}), "/pw", "too short to be kept secret"),
        (json!({"pw": "[secret]"}), "/pw", "does not fit the pattern"),
        (json!({"pw": CANARY, "pin": "[secret]"}), "/pin", "stands for a value that is not shown"),
        (json!({"pw": CANARY, "pim": CANARY}), "/pim", "did you mean `pin`?"),
        (json!({"pw": CANARY, "pin": "x".repeat(70_000)}), "", "more than 16384 bytes"),
        (json!({"pin": CANARY}), "", "the parameter `pw` is missing"),
    ] {
        for error in [
            start(&fleet, &job, given.clone()).await.map(|_| ()).unwrap_err(),
            fleet.ops.jobs().plan(&job, object(given.clone())).await.map(|_| ()).unwrap_err(),
        ] {
            assert_eq!(error.kind(), ErrorKind::InvalidParameters);
            let problem = &error.problems()[0];
            assert_eq!(problem.pointer, pointer, "{error:?}");
            assert!(problem.message.contains(why), "{error:?}");
            assert_not_in(format!("{error:?} {}", error.report()).as_bytes(), CANARY, "the error");
        }
    }
    assert_eq!(runs(&fleet).await, 0);
    assert_not_in(&dump(&fleet).await, CANARY, "the database");
}

async fn without_its_key_a_secret_is_neither_sealed_nor_opened(fleet: Fleet) {
    let steps = json!([{"type": "winrm.exec", "shell": "cmd", "target": "web-1", "command": "print x"}]);
    let job = save(&fleet, definition("locked", &steps)).await;
    let no_key = || Err::<Secret<String>, _>(Error::new(ErrorKind::Vault, "there is no key here"));
    let keyless = CallbackKeys::new("k", [""; 0], move |_| async move { no_key() }).unwrap();
    let keyless = Engine::builder().shared_store(fleet.engine.store().clone()).keys(keyless).build().unwrap();
    let parameters = object(json!({"pw": CANARY}));
    let refused = keyless.local().jobs().run(&job, parameters, RunOptions::default()).await.map(|_| ());
    let error = refused.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Vault);
    let said = error.report();
    assert!(
        said.contains("not enqueued") && said.contains("there is no key here") && said.contains("pw"),
        "{said}"
    );
    assert_not_in(format!("{error:?} {said}").as_bytes(), CANARY, "the error");
    assert_eq!(runs(&fleet).await, 0);

    // What needs no key is not asked for one.
    let plain = json!({"name": "plain", "version": 1, "steps": [{"type": "sleep", "durationSec": 1}]});
    keyless.local().jobs().create(&JobSpec::from_value(plain)).await.unwrap();
    keyless.local().jobs().run("plain", object(json!({})), RunOptions::default()).await.unwrap();

    let run = start(&fleet, &job, json!({"pw": CANARY})).await.unwrap();
    let others = Keyring::generate().unwrap();
    let stranger = Engine::builder()
        .shared_store(fleet.engine.store().clone())
        .keys(others)
        .connector(fleet.hosts.clone());
    let worker = stranger.build().unwrap().worker(quick()).unwrap();
    let result = run.wait(LIMIT).await.unwrap();
    let reason = result.steps[0].error.as_deref().unwrap();
    assert_eq!(result.steps[0].status, TaskStatus::Failed);
    assert!(reason.contains("key") && reason.contains("pw"), "{reason}");
    assert!(fleet.hosts.received().is_empty());
    worker.shutdown().await;
}
