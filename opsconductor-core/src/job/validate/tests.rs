#![allow(clippy::unwrap_used, reason = "a test may panic")]

mod agree;
mod limits;
mod lists;
mod order;
mod parameters;
mod secrets;

use std::sync::LazyLock;

use crate::{
    ErrorKind,
    job::{JobSpec, StepKinds, TargetChoice},
    run::OnLost,
};

static KINDS: LazyLock<StepKinds> = LazyLock::new(StepKinds::built_in);

const SEED: &str = r#"{"name": "Restart service on Windows", "version": 1, "parameters": {"svc": "Spooler"},
 "steps": [
  {"type": "winrm.exec", "shell": "powershell", "target": "sample-windows-server",
   "command": "Restart-Service {{ svc }}; (Get-Service {{ svc }}).Status", "timeoutSec": 90},
  {"type": "winrm.copy", "target": "sample-windows-server", "destPath": "C:\\temp\\{{ svc }}.txt",
   "contentB64": "aGVsbG8=", "overwrite": true, "timeoutSec": 60}]}"#;

/// The faults of a definition, as pairs of pointer and sentence.
fn faults(definition: &str) -> Vec<(String, String)> {
    let error = JobSpec::parse(definition).unwrap().validate(&KINDS).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::InvalidJob);
    error.problems().iter().map(|problem| (problem.pointer.clone(), problem.message.clone())).collect()
}

fn assert_faults(definition: &str, expected: &[(&str, &str)]) {
    let found = faults(definition);
    let found: Vec<_> = found.iter().map(|(pointer, message)| (pointer.as_str(), message.as_str())).collect();
    assert_eq!(found, expected, "{definition}");
}

fn of_steps(steps: &str) -> String {
    format!(r#"{{"name": "n", "version": 1, "steps": [{steps}]}}"#)
}

/// A `winrm.exec` step that holds, with `more` members.
fn exec(more: &str) -> String {
    format!(r#"{{"type": "winrm.exec", "shell": "powershell", "target": "t"{more}}}"#)
}

#[test]
fn the_seed_form_is_valid() {
    let job = JobSpec::parse(SEED).unwrap().validate(&KINDS).unwrap();
    assert_eq!(job.name(), "Restart service on Windows");
    assert_eq!((job.version(), job.priority(), job.allow_raw()), (1, 0, false));
    assert_eq!(job.parameters()["svc"], "Spooler");
    assert!(job.required_parameters().is_empty());
    assert_eq!(job.definition(), &serde_json::from_str::<serde_json::Value>(SEED).unwrap());
    let [exec, copy] = job.steps() else { panic!("two steps") };
    assert_eq!((exec.id(), exec.kind(), exec.timeout_sec()), ("step1", "winrm.exec", 90));
    assert_eq!(exec.fields().keys().collect::<Vec<_>>(), ["shell", "command"]);
    assert_eq!(exec.targets(), &TargetChoice::Names(vec!["sample-windows-server".to_owned()]));
    assert_eq!((copy.id(), copy.timeout_sec()), ("step2", 60));
    assert_eq!(copy.fields().keys().collect::<Vec<_>>(), ["destPath", "contentB64", "overwrite"]);
}

#[test]
fn what_templates_read_and_nothing_declares_is_required() {
    let definition =
        SEED.replace(r#""parameters": {"svc": "Spooler"},"#, "").replace("(Get-", "# {{ a }} (Get-");
    let job = JobSpec::parse(&definition).unwrap().validate(&KINDS).unwrap();
    assert_eq!(job.required_parameters(), ["a", "svc"]);
    let optional =
        of_steps(&exec(r#", "command": "x {{ a | default('b') }} {{ target.name }} {{ run.id }}""#));
    assert!(JobSpec::parse(&optional).unwrap().validate(&KINDS).unwrap().required_parameters().is_empty());
}

#[test]
fn every_member_is_read() {
    let definition = r#"{"name": "n", "version": 7, "description": "d", "priority": -3, "allowRaw": true, "steps": [
        {"type": "winrm.exec", "id": "first", "name": "First", "targets": ["a", "b"], "timeoutSec": 60.0, "shell": "cmd",
         "continueOnError": true, "onLost": "retry", "idempotent": true, "maxOutputBytes": 10, "command": "{{ x | raw }}",
         "env": {"A": "{{ y }}"}, "stdin": "{{ z }}", "workingDirectory": "C:\\{{ w }}"},
        {"type": "winrm.exec", "targets": {"tags": ["role:web", "env:prod"]}, "shell": "cmd", "script": "{{ no }}",
         "wait": "all"},
        {"type": "winrm.copy", "target": "a", "destPath": "x", "content": "{{ c }}"}]}"#;
    let job = JobSpec::parse(definition).unwrap().validate(&KINDS).unwrap();
    assert_eq!((job.version(), job.priority(), job.allow_raw()), (7, -3, true));
    assert_eq!(job.required_parameters(), ["c", "w", "x", "y", "z"]);
    let first = &job.steps()[0];
    assert_eq!((first.id(), first.name(), first.timeout_sec()), ("first", Some("First"), 60));
    assert_eq!((first.continue_on_error(), first.idempotent()), (true, true));
    assert_eq!((first.on_lost(), first.max_output_bytes()), (OnLost::Retry, 10));
    assert!(!first.waits_for_all());
    let second = &job.steps()[1];
    let TargetChoice::Selected(selector) = second.targets() else { panic!("{second:?}") };
    assert_eq!(selector.tags(), ["role:web", "env:prod"]);
    assert_eq!((second.id(), second.waits_for_all(), second.on_lost()), ("step2", true, OnLost::Fail));
    let named: Vec<_> = job.target_names().collect();
    let expected = [("/steps/0/targets/0", "a"), ("/steps/0/targets/1", "b"), ("/steps/2/target", "a")];
    assert_eq!(named, expected.map(|(pointer, name)| (pointer.to_owned(), name)));
    let selectors: Vec<_> =
        job.selectors().map(|(pointer, selector)| (pointer, selector.tags().len())).collect();
    assert_eq!(selectors, [("/steps/1/targets".to_owned(), 2)]);
}

#[test]
fn faults_of_the_job() {
    let not_an_object = "a job definition is an object with `name`, `version` and `steps`, not ";
    assert_faults("[]", &[("", &format!("{not_an_object}a list"))]);
    assert_faults("hello", &[("", &format!("{not_an_object}a string"))]);
    assert_faults("~", &[("", &format!("{not_an_object}null"))]);
    assert_faults(
        "{}",
        &[
            ("", "`name` is missing (what the job is called)"),
            ("", "`version` is missing (the author's number for this version of the definition, 1 or more)"),
            ("", "`steps` is missing (what is done, one after another)"),
        ],
    );
    assert_faults(
        r#"{"name": "", "version": "1", "nam": 3, "steps": [], "allowRaw": "true", "priority": 2000,
            "parameters": {"target": 1, "a": 2, "run": 3}, "retry": 1, "description": null}"#,
        &[
            ("/name", "must not be empty"),
            ("/version", "must be a whole number, not a string: remove the quotes"),
            ("/nam", "this member is not known; did you mean `name`?"),
            ("/steps", "must not be empty"),
            ("/allowRaw", "must be true or false, not a string: remove the quotes"),
            ("/priority", "must be between -1000 and 1000"),
            (
                "/parameters/target",
                "`target` is reserved for what the engine tells templates: choose another name",
            ),
            ("/parameters/run", "`run` is reserved for what the engine tells templates: choose another name"),
            (
                "/retry",
                "this member is not known: a job may have `name`, `version`, `description`, `parameters`, `parameterSchema`, `priority`, \
                 `concurrencyKey`, `allowRaw`, `timeoutSec`, `maxParallel`, `notify`, `steps`, `onFailure` and `finally`",
            ),
            ("/description", "must be a string, not null"),
        ],
    );
    assert_faults(
        r#"{"name": 5, "version": 1.5, "version": 1, "steps": {}}"#,
        &[
            ("/name", "must be a string, not a number: put it in quotes"),
            ("/version", "this member is given more than once: keep one of them"),
            ("/version", "must be a whole number"),
            ("/steps", "must be a list, not an object"),
        ],
    );
}

#[test]
fn faults_of_what_every_step_has() {
    assert_faults(&of_steps("1"), &[("/steps/0", "must be an object, not a number")]);
    assert_faults(
        &of_steps(r#"{"target": 3}"#),
        &[
            ("/steps/0", "`type` is missing (what the step does, such as `winrm.exec`)"),
            ("/steps/0/target", "must be a string, not a number: put it in quotes"),
        ],
    );
    assert_faults(
        &of_steps(r#"{"type": "winrm.exce", "timeoutSec": 0}"#),
        &[
            ("/steps/0/type", "there is no step type `winrm.exce`; did you mean `winrm.exec`?"),
            ("/steps/0/timeoutSec", "must be between 1 and 86400"),
        ],
    );
    assert_faults(
        &of_steps(r#"{"type": "telnet", "id": "1a"}"#),
        &[
            (
                "/steps/0/type",
                "there is no step type `telnet`; there are `approval`, `http.request`, `sleep`, `ssh.copy`, `ssh.exec`, `ssh.fetch`, \
                 `winrm.copy`, `winrm.exec` and `winrm.fetch`",
            ),
            (
                "/steps/0/id",
                "an id is made of at most 64 letters, digits and `_`, and does not start with a digit",
            ),
        ],
    );
    assert_faults(
        &of_steps(&exec(
            r#", "command": "c", "targets": ["u"], "onLost": "rerty", "wait": "any", "maxOutputBytes": 0.5,
                "continueOnError": 1, "idempotent": null, "name": """#,
        )),
        &[
            ("/steps/0", "`target` and `targets` exclude each other: give one of them"),
            ("/steps/0/onLost", "must be one of `fail`, `retry`, `ask`; did you mean `retry`?"),
            ("/steps/0/wait", "must be `all`"),
            ("/steps/0/maxOutputBytes", "must be a whole number"),
            ("/steps/0/continueOnError", "must be true or false, not a number"),
            ("/steps/0/idempotent", "must be true or false, not null"),
            ("/steps/0/name", "must not be empty"),
        ],
    );
    let retry = "`onLost: retry` sends the step again without knowing whether it was done: it needs `idempotent: true`";
    assert_faults(&of_steps(&exec(r#", "command": "c", "onLost": "retry""#)), &[("/steps/0", retry)]);
    assert_faults(
        &of_steps(&exec(r#", "command": "c", "onLost": "retry", "idempotent": false"#)),
        &[("/steps/0/idempotent", retry)],
    );
}

#[test]
fn faults_of_targets() {
    let with = |targets: &str| {
        of_steps(&format!(r#"{{"type": "winrm.exec", "shell": "cmd", "command": "c"{targets}}}"#))
    };
    assert_faults(&with(""), &[("/steps/0", "`target` or `targets` is missing")]);
    assert_faults(&with(r#", "target": """#), &[("/steps/0/target", "must not be empty")]);
    let either = r#"must be a list of target names, or an object such as {"tags": ["role:web"]}"#;
    assert_faults(&with(r#", "targets": "web1""#), &[("/steps/0/targets", either)]);
    assert_faults(&with(r#", "targets": []"#), &[("/steps/0/targets", "must not be empty")]);
    assert_faults(
        &with(r#", "targets": ["a", 3]"#),
        &[("/steps/0/targets/1", "must be a string, not a number: put it in quotes")],
    );
    assert_faults(
        &with(r#", "targets": {"tag": ["a"]}"#),
        &[("/steps/0/targets/tag", "this member is not known; did you mean `tags`?")],
    );
    assert_faults(&with(r#", "targets": {"tags": []}"#), &[("/steps/0/targets/tags", "must not be empty")]);
}

#[test]
fn ids_differ_also_from_those_that_steps_get_by_their_place() {
    let steps =
        ["a", "b", "a", "step5"].map(|id| exec(&format!(r#", "command": "c", "id": "{id}""#))).join(",");
    assert_faults(
        &of_steps(&format!("{steps},{}", exec(r#", "command": "c""#))),
        &[
            ("/steps/2/id", "`a` is the id of step 1 already: ids must differ"),
            ("/steps/3/id", "`step5` is what step 5 is called, since it has no id: choose another"),
        ],
    );
    assert!(
        JobSpec::parse(&of_steps(&exec(r#", "command": "c", "id": "step1""#)))
            .unwrap()
            .validate(&KINDS)
            .is_ok()
    );
}

#[test]
fn faults_of_exec() {
    assert_faults(
        &of_steps(r#"{"type": "winrm.exec"}"#),
        &[
            ("/steps/0", "`shell` is missing (what runs the command, `powershell` or `cmd`)"),
            ("/steps/0", "`target` or `targets` is missing"),
            ("/steps/0", "`command` or `script` is missing"),
        ],
    );
    assert_faults(
        &of_steps(
            r#"{"type": "winrm.exec", "shell": "bash", "command": "a", "script": "b", "target": "x", "Comand": "x"}"#,
        ),
        &[
            ("/steps/0", "`command` and `script` exclude each other: give one of them"),
            ("/steps/0/shell", "must be `powershell` or `cmd`"),
            ("/steps/0/Comand", "this member is not known; did you mean `command`?"),
        ],
    );
    assert_faults(
        &of_steps(&exec(r#", "command": "c", "whenever": "x""#)),
        &[(
            "/steps/0/whenever",
            "this member is not known: a winrm.exec step may have `type`, `id`, `name`, `target`, `targets`, `allowEmpty`, \
             `serial`, `maxFailPercentage`, `timeoutSec`, `continueOnError`, `onLost`, `idempotent`, `maxOutputBytes`, `wait`, `dependsOn`, `when`, \
             `retry`, `register`, `shell`, `command`, `script`, `env`, `stdin` and `workingDirectory`",
        )],
    );
    assert_faults(
        &of_steps(&exec(r#", "script": "s", "env": {"A B": "x", "C": 3, "Path": "1", "PATH": "2"}"#)),
        &[
            (
                "/steps/0/env/A B",
                "an environment variable is named with letters, digits and `_`, and does not start with a digit",
            ),
            ("/steps/0/env/C", "must be a string, not a number: put it in quotes"),
        ],
    );
    assert_faults(
        &of_steps(&exec(r#", "script": "s", "env": {"Path": "1", "PATH": "2"}"#)),
        &[("/steps/0/env/PATH", "Windows takes `PATH` and `Path` for the same variable: keep one")],
    );
    assert_faults(
        &of_steps(&exec(&format!(r#", "command": "{}""#, "x".repeat(65_537)))),
        &[("/steps/0/command", "must have between 1 and 65536 characters")],
    );
}

#[test]
fn faults_of_copy() {
    assert_faults(
        &of_steps(r#"{"type": "winrm.copy", "target": "a"}"#),
        &[
            ("/steps/0", "`destPath` is missing (the path of the file on the host, a template)"),
            ("/steps/0", "`contentB64`, `content` or `src` is missing"),
        ],
    );
    assert_faults(
        &of_steps(r#"{"type": "winrm.copy", "target": "a", "destPath": "x", "src": "../key"}"#),
        &[("/steps/0/src", "the path must not hold `.`, `..` or an empty part")],
    );
    assert_faults(
        &of_steps(r#"{"type": "winrm.fetch", "target": "a", "srcPath": "x", "dest": "C:/y", "maxBytes": 0}"#),
        &[("/steps/0/maxBytes", "must be between 1 and 1099511627776")],
    );
    assert_faults(
        &of_steps(r#"{"type": "winrm.fetch", "target": "a", "srcPath": "x", "dest": "C:/y"}"#),
        &[(
            "/steps/0/dest",
            "the path must be relative to the worker's folder for files, its parts separated by `/`",
        )],
    );
    let content = |encoded: &str| {
        of_steps(&format!(
            r#"{{"type": "winrm.copy", "target": "a", "destPath": "x", "contentB64": "{encoded}"}}"#
        ))
    };
    for (encoded, message) in [
        ("aGVs%G8=", "this is not base64: look at character 5"),
        ("aGVsbG8", "this is not base64: it must end in the right number of `=`"),
        ("aG=sbG8=", "this is not base64: the `=` in place 3 is not at the end"),
        ("aGVsbG9=", "this is not base64: its end is missing or damaged"),
    ] {
        assert_faults(&content(encoded), &[("/steps/0/contentB64", message)]);
    }
    assert_faults(
        &content(&"AAAA".repeat(350_000)),
        &[("/steps/0/contentB64", "the content has 1050000 bytes; a copy writes at most 1048576")],
    );
    for encoded in ["", "aGVs\\nbG8=\\n"] {
        JobSpec::parse(&content(encoded)).unwrap().validate(&KINDS).unwrap();
    }
}

#[test]
fn faults_of_templates() {
    let raw = r#""| raw" needs "allowRaw" in the job; "| quote" is the safe way (line 1, column 4)"#;
    assert_faults(&of_steps(&exec(r#", "command": "{{ x | raw }}""#)), &[("/steps/0/command", raw)]);
    assert_faults(
        &of_steps(&exec(
            r#", "command": "{{ steps.a.stdout }} {{ target.host }} {{ run.foo }} {{ target.name }}", "env": {"A": "{% if %}"}"#,
        )),
        &[
            ("/steps/0/command", "`run` has no `foo`, only `id`, `job` and `version`"),
            ("/steps/0/command", "there is no step `a`"),
            (
                "/steps/0/command",
                "`target` has no `host`, only `name`, `hostname`, `port`, `protocol`, `tags` and `metadata`",
            ),
            ("/steps/0/env/A", "template syntax: unexpected end of block (line 1)"),
        ],
    );
}

#[test]
fn templates_are_looked_at_beside_other_faults() {
    let found = faults(
        r#"{"version": 1, "naem": "n", "steps": [
            {"type": "winrm.exec", "shell": "powershell", "command": "Write '{{ x | quote }}'", "bogus": 1, "timeoutSec": "90",
             "env": {"A B": "x", "C": 3, "D": "{{ 1 + }}"}, "stdin": "{% for %}"}]}"#,
    );
    let pointers: Vec<_> = found.iter().map(|(pointer, _)| pointer.as_str()).collect();
    assert_eq!(
        pointers,
        [
            "",
            "/naem",
            "/steps/0",
            "/steps/0/command",
            "/steps/0/bogus",
            "/steps/0/timeoutSec",
            "/steps/0/env/A B",
            "/steps/0/env/C",
            "/steps/0/env/D",
            "/steps/0/stdin",
        ]
    );
    assert!(found[3].1.contains("inside a quoted literal"), "{}", found[3].1);
}
