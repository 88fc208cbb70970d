//! Secret parameters: what a definition may say of them, and what a run may bring.

use serde_json::{Map, Value, json};

use super::{KINDS, assert_faults, faults};
use crate::{
    ErrorKind,
    job::{JobSpec, SECRET_PARAMETERS_BYTES_MAX, SECRET_SHOWN, ValidJob, secret_parameters},
};

fn definition(parameters: &Value, schema: &Value, step: &Value) -> String {
    json!({"name": "n", "version": 1, "parameters": parameters, "parameterSchema": schema, "steps": [step]})
        .to_string()
}

fn exec() -> Value {
    json!({"type": "winrm.exec", "shell": "cmd", "target": "t", "command": "{{ pw | quote }}"})
}

fn of_schema(schema: &Value) -> String {
    definition(&json!({}), schema, &exec())
}

fn of_property(property: &Value) -> String {
    of_schema(&json!({"properties": {"pw": property}}))
}

fn job(schema: &Value) -> ValidJob {
    JobSpec::parse(&of_schema(schema)).unwrap().validate(&KINDS).unwrap()
}

fn members(value: &Value) -> Map<String, Value> {
    value.as_object().unwrap().clone()
}

#[test]
fn a_secret_is_bound_apart_and_shown_as_one() {
    let job = job(&json!({"properties": {
        "pw": {"type": "string", "secret": true, "title": "P", "description": "d", "minLength": 4, "maxLength": 9, "pattern": "^h",
               "format": "password", "writeOnly": true, "$comment": "c"},
        "other": {"type": "string", "secret": true},
        "plain": {"type": "string", "secret": false, "default": "p"}
    }}));
    assert_eq!(job.secret_parameters().collect::<Vec<_>>(), ["other", "pw"]);
    assert_eq!(job.required_parameters(), ["pw"], "a template reads it");
    let bound = job.bind(members(&json!({"pw": "hunter2"}))).unwrap();
    assert_eq!(Value::Object(bound.shown.clone()), json!({"plain": "p", "pw": SECRET_SHOWN}));
    assert_eq!(bound.secrets.len(), 1);
    assert_eq!(bound.secrets["pw"].expose(), "hunter2");
    assert!(!format!("{bound:?} {job:?}").contains("hunter2"));
    assert_eq!(secret_parameters(job.definition()).collect::<Vec<_>>(), ["pw", "other"]);
    for other in
        [json!({}), json!(3), json!({"parameterSchema": {"properties": {"a": true, "b": {"secret": 1}}}})]
    {
        assert_eq!(secret_parameters(&other).count(), 0);
    }
}

#[test]
fn what_would_publish_a_secret_is_refused() {
    let property = json!({"type": "string", "secret": true, "default": "hunter2", "enum": ["hunter2"], "const": "hunter2",
                          "examples": ["hunter2"]});
    let found = faults(&of_property(&property));
    let places: Vec<_> = found.iter().map(|(pointer, _)| pointer.rsplit('/').next().unwrap()).collect();
    assert_eq!(places, ["default", "enum", "const", "examples"]);
    for (_, message) in &found {
        assert!(message.ends_with("to everyone who reads the definition: leave it out"), "{message}");
        assert!(!message.contains("hunter2"));
    }
    let schema = json!({"properties": {"pw": {"type": "string", "secret": true}}});
    assert_faults(
        &definition(&json!({"pw": "hunter2"}), &schema, &exec()),
        &[(
            "/parameters/pw",
            "`pw` is secret and a definition is not: leave it out here, each run brings it",
        )],
    );
}

#[test]
fn a_secret_is_text_and_its_rules_stand_with_it() {
    let at = "/parameterSchema/properties/pw";
    assert_faults(
        &of_property(&json!({"secret": true})),
        &[(at, "a secret parameter is text: say `type: string`")],
    );
    for other in [json!("integer"), json!(["string", "null"]), json!("object")] {
        assert_faults(
            &of_property(&json!({"type": other, "secret": true})),
            &[(
                &format!("{at}/type"),
                "a secret parameter is text: say `type: string`, and give numbers and lists as text",
            )],
        );
    }
    assert_faults(
        &of_property(&json!({"type": "string", "secret": "yes"})),
        &[(&format!("{at}/secret"), "must be true or false")],
    );
    assert_faults(
        &of_property(&json!({"type": "string", "secret": true, "not": {"const": "hunter2"}})),
        &[(
            &format!("{at}/not"),
            "`not` cannot be said of a secret parameter, only `type`, `title`, `description`, `minLength`, `maxLength`, \
             `pattern` and `format`",
        )],
    );
    let nested = json!({
        "properties": {
            "pw": {"type": "string", "secret": true},
            "list": {"type": "array", "items": {"type": "string", "secret": true}},
            "secret": {"const": {"secret": true}}
        },
        "allOf": [{"properties": {"pw": {"minLength": 10}}}],
        "$defs": {"secret": {"type": "string"}, "a": {"secret": true}},
        "dependentRequired": {"secret": ["pw"]}
    });
    let whole = "only a whole parameter can be secret: say it of a member of `parameterSchema.properties`";
    assert_faults(
        &of_schema(&nested),
        &[
            ("/parameterSchema/properties/list/items/secret", whole),
            (
                "/parameterSchema/allOf/0/properties/pw",
                "`pw` is secret: what it must be is said in its own property alone",
            ),
            ("/parameterSchema/$defs/a/secret", whole),
        ],
    );
}

#[test]
fn a_secret_goes_where_the_target_alone_sees_it() {
    let schema = json!({"properties": {"pw": {"type": "string", "secret": true}}});
    let seen = |step: Value| {
        let found = faults(&definition(&json!({}), &schema, &step));
        let [(pointer, message)] = &found[..] else { panic!("{found:?}") };
        assert!(message.starts_with("`pw` is secret, and "), "{message}");
        pointer.clone()
    };
    let http = |more: Value| {
        let mut step = members(&json!({"type": "http.request", "target": "t"}));
        step.extend(members(&more));
        Value::Object(step)
    };
    assert_eq!(seen(http(json!({"path": "/x/{{ pw | quote }}"}))), "/steps/0/path");
    assert_eq!(seen(http(json!({"query": {"key": ["{{ pw }}"]}}))), "/steps/0/query/key/0");
    assert_eq!(seen(json!({"type": "approval", "message": "{{ pw }}?"})), "/steps/0/message");
    assert_eq!(
        seen(json!({"type": "ssh.fetch", "target": "t", "srcPath": "/{{ pw }}", "dest": "x"})),
        "/steps/0/srcPath"
    );
    assert_eq!(
        seen(json!({"type": "winrm.copy", "target": "t", "destPath": "C:\\{{ pw }}", "content": "{{ pw }}"})),
        "/steps/0/destPath"
    );
    for good in [
        http(
            json!({"headers": {"X-Key": "{{ pw }}"}, "json": {"a": "{{ pw }}"}, "assert": [{"contains": "{{ pw }}"}]}),
        ),
        json!({"type": "approval", "message": "go?", "when": "pw != 'x'"}),
        json!({"type": "ssh.exec", "target": "t", "command": "x", "env": {"PW": "{{ pw }}"}, "stdin": "{{ pw }}"}),
    ] {
        JobSpec::parse(&definition(&json!({}), &schema, &good)).unwrap().validate(&KINDS).unwrap();
    }
    let mut keyed: Value = serde_json::from_str(&of_schema(&schema)).unwrap();
    keyed["concurrencyKey"] = json!("k-{{ pw }}");
    assert_faults(
        &keyed.to_string(),
        &[("/concurrencyKey", "`pw` is secret and a concurrency key is shown: make it of other parameters")],
    );
}

#[test]
fn no_fault_of_the_parameters_repeats_a_secret() {
    let job = job(&json!({
        "properties": {
            "pw": {"type": "string", "secret": true, "minLength": 8, "maxLength": 70_000, "pattern": "^h"},
            "pin": {"type": "string", "secret": true, "format": "email"},
            "plain": {"type": "integer"}
        },
        "propertyNames": {"maxLength": 5},
        "anyOf": [{"required": ["pin"]}, {"properties": {"plain": {"const": 3}}}],
        "dependentRequired": {"pin": ["plain"]}
    }));
    for (given, pointer, expected) in [
        (json!({"pw": "xunter2-xunter2"}), "/pw", "does not fit the pattern `^h`"),
        (json!({"pw": "hunter2"}), "/pw", "must have between 8 and 70000 characters"),
        (json!({"pw": ["hunter2"]}), "/pw", "must be a string, not a list"),
        (json!({"pw": null}), "/pw", "must be a string, not null"),
        (json!({"pw": 98765}), "/pw", "must be a string, not a number: put it in quotes"),
        (json!({"pw": "hunter2-hunter2", "pin": " hu\n "}), "/pin", "is too short to be kept secret"),
        (
            json!({"pw": "hunter2-hunter2", "pin": SECRET_SHOWN}),
            "/pin",
            "stands for a value that is not shown",
        ),
        (json!({"pw": "hunter2-hunter2", "pin": "hunter2"}), "", "`plain` is missing"),
        (json!({"pw": "hunter2-hunter2", "plain": "hunter2"}), "/plain", "must be a whole number"),
        (
            json!({"pw": "hunter2-hunter2", "pww": "hunter2"}),
            "/pww",
            "there is no parameter `pww`; did you mean `pw`?",
        ),
        (json!({"pw": "hunter2-hunter2", "more": "hunter2"}), "/more", "takes those alone that it declares"),
        (json!({"pw": "h".repeat(SECRET_PARAMETERS_BYTES_MAX + 1)}), "", "bytes together"),
    ] {
        let error = job.bind(members(&given)).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::InvalidParameters);
        let mut there = error.problems().iter().filter(|problem| problem.pointer == pointer);
        assert!(there.any(|problem| problem.message.contains(expected)), "{error:?}");
        let said = format!("{error:?} {}", error.report());
        assert!(!said.contains("unter2") && !said.contains("98765"), "{said}");
    }
    job.bind(members(&json!({"pw": "hunter2-hunter2", "plain": 3}))).unwrap();
}
