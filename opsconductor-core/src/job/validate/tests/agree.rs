//! JSON and YAML say the same, and the published schema accepts what validation accepts.

use std::sync::LazyLock;

use jsonschema::Validator;
use proptest::prelude::*;
use serde_json::{Map, Value, json};

use super::KINDS;
use crate::{Error, job::JobSpec};

static SCHEMA: LazyLock<Validator> =
    LazyLock::new(|| jsonschema::draft202012::new(&KINDS.job_schema()).expect("the job schema compiles"));

/// Values that are right in some places and wrong in most. None of them is a template or an id, whose faults no schema sees.
fn any_value() -> impl Strategy<Value = Value> {
    prop_oneof![
        Just(json!(null)),
        any::<bool>().prop_map(Value::from),
        (-2_i64..100).prop_map(Value::from),
        Just(json!(60.0)),
        Just(json!(0.5)),
        Just(json!(1e300)),
        prop::sample::select(vec![
            "",
            "abcd",
            "cmd",
            "powershell",
            "retry",
            "fail",
            "all",
            "winrm.exec",
            "winrm.copy",
            "acme.none"
        ])
        .prop_map(Value::from),
        Just(json!([])),
        Just(json!(["abcd"])),
        Just(json!(["abcd", 1])),
        Just(json!({})),
        Just(json!({"tags": ["abcd"]})),
        Just(json!({"tags": []})),
        Just(json!({"abcd": "abcd"})),
        Just(json!({"target": 1})),
        Just(json!({"a b": "c"})),
    ]
}

const MEMBERS: [&str; 25] = [
    "name",
    "version",
    "description",
    "parameters",
    "priority",
    "allowRaw",
    "steps",
    "type",
    "target",
    "targets",
    "timeoutSec",
    "continueOnError",
    "onLost",
    "idempotent",
    "maxOutputBytes",
    "wait",
    "shell",
    "command",
    "script",
    "env",
    "stdin",
    "destPath",
    "contentB64",
    "content",
    "unknown",
];

fn sample() -> Value {
    json!({
        "name": "n", "version": 1, "parameters": {"a": 1},
        "steps": [
            {"type": "winrm.exec", "shell": "cmd", "target": "t", "command": "dir"},
            {"type": "winrm.copy", "targets": ["t", "u"], "destPath": "x", "contentB64": "abcd", "timeoutSec": 5},
            {"type": "winrm.exec", "shell": "powershell", "targets": {"tags": ["a"]}, "script": "s",
             "onLost": "retry", "idempotent": true}
        ]
    })
}

/// Where a change happens (the job or a step), to which member, and what it becomes; `None` takes it away.
type Change = (usize, &'static str, Option<Value>);

fn changes() -> impl Strategy<Value = Vec<Change>> {
    let member = prop::sample::select(&MEMBERS[..]);
    prop::collection::vec((0..4_usize, member, prop::option::weighted(0.8, any_value())), 0..4)
}

fn changed(changes: Vec<Change>) -> Value {
    let mut job = sample();
    for (place, member, value) in changes {
        let holder = match place {
            0 => Some(&mut job),
            step => job.get_mut("steps").and_then(|steps| steps.get_mut(step - 1)),
        };
        let Some(Value::Object(map)) = holder else { continue };
        match value {
            Some(value) => drop(map.insert(member.to_owned(), value)),
            None => drop(map.shift_remove(member)),
        }
    }
    job
}

/// Any document, also one that has nothing to do with jobs.
fn document() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        (-1e9..1e9).prop_map(Value::from),
        "[ -~\u{e9}\u{4e2d}\n\t]{0,12}".prop_map(Value::from),
        prop::sample::select(vec![
            "no", "yes", "null", "~", "1_000", "0755", "0x1f", "1e3", "- a", "a: b", "#", "!x", "&a", "*a"
        ])
        .prop_map(Value::from),
    ];
    leaf.prop_recursive(4, 32, 4, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..4).prop_map(Value::from),
            prop::collection::vec(("[ -~]{0,8}", inner), 0..4)
                .prop_map(|members| Value::Object(members.into_iter().collect::<Map<_, _>>())),
        ]
    })
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 400, ..ProptestConfig::default() })]

    #[test]
    fn the_schema_accepts_what_validation_accepts(changes in changes()) {
        let job = changed(changes);
        let validated = JobSpec::from_value(job.clone()).validate(&KINDS);
        // The schema names base64 (`contentEncoding`) and leaves what is in it to validation.
        let in_base64 = |error: &Error| error.problems().iter().all(|problem| problem.pointer.ends_with("/contentB64"));
        prop_assume!(!validated.as_ref().is_err_and(in_base64));
        prop_assert_eq!(SCHEMA.is_valid(&job), validated.is_ok(), "{}: {:?}", job, validated.err());
    }

    #[test]
    fn every_pointer_leads_somewhere_and_no_sentence_is_empty(changes in changes()) {
        let job = changed(changes);
        if let Err(error) = JobSpec::from_value(job.clone()).validate(&KINDS) {
            prop_assert!(!error.problems().is_empty());
            for problem in error.problems() {
                prop_assert!(job.pointer(&problem.pointer).is_some(), "{} in {}", problem, job);
                prop_assert!(!problem.message.is_empty());
            }
        }
    }

    #[test]
    fn json_and_yaml_read_the_same(document in document()) {
        let json = JobSpec::from_json(&document.to_string()).unwrap();
        prop_assert_eq!(json.as_value(), &document);
        let text = serde_saphyr::to_string(&document).unwrap();
        if !text.trim().is_empty() {
            let yaml = JobSpec::from_yaml(&text).unwrap();
            prop_assert_eq!(yaml.as_value(), &document, "{}", text);
        }
        // JSON is YAML as well.
        let flow = JobSpec::from_yaml(&document.to_string()).unwrap();
        prop_assert_eq!(flow.as_value(), &document);
    }
}
