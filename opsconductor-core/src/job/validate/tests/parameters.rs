//! Parameters that a schema declares.

use serde_json::{Map, Value, json};

use super::{KINDS, assert_faults};
use crate::{
    ErrorKind,
    job::{JobSpec, ValidJob},
};

fn definition(parameters: &Value, schema: &Value, command: &str) -> String {
    let step = json!({"type": "winrm.exec", "shell": "cmd", "target": "t", "command": command});
    json!({"name": "n", "version": 1, "parameters": parameters, "parameterSchema": schema, "steps": [step]})
        .to_string()
}

fn job(parameters: &Value, schema: &Value, command: &str) -> ValidJob {
    JobSpec::parse(&definition(parameters, schema, command)).unwrap().validate(&KINDS).unwrap()
}

fn members(value: &Value) -> Map<String, Value> {
    value.as_object().unwrap().clone()
}

#[test]
fn a_run_brings_what_has_no_default_and_fits() {
    let schema = json!({
        "type": "object",
        "properties": {
            "svc": {"type": "string", "pattern": "^[A-Z]"},
            "count": {"type": "integer", "minimum": 1, "default": 3},
            "level": {"enum": ["low", "high"]}
        },
        "required": ["level"],
        "additionalProperties": false
    });
    let job = job(&json!({"svc": "Spooler"}), &schema, "{{ svc }} {{ count }}");
    assert_eq!(job.required_parameters(), ["level"]);
    let bound = job.bind(members(&json!({"level": "high"}))).unwrap();
    assert_eq!(Value::Object(bound.shown), json!({"svc": "Spooler", "count": 3, "level": "high"}));
    let given = json!({"level": "hihg", "svc": "spooler", "count": 0, "more": 1});
    let error = job.bind(members(&given)).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::InvalidParameters);
    let found: Vec<_> = error.problems().iter().map(|p| (p.pointer.as_str(), p.message.as_str())).collect();
    assert_eq!(
        found,
        [
            ("/count", "must be at least 1"),
            ("/svc", "does not fit the pattern `^[A-Z]`"),
            ("/level", "must be `low` or `high`"),
            ("/more", "this member is not known: the parameters may have `svc`, `count` and `level`"),
        ]
    );
}

#[test]
fn a_name_that_nothing_declares_is_a_fault_where_there_is_a_schema() {
    assert_faults(
        &definition(
            &json!({"b": 1}),
            &json!({"properties": {"svc": {"type": "string"}}}),
            "{{ svx }} {{ b }} {{ far }}",
        ),
        &[
            (
                "/steps/0/command",
                "there is no parameter `far`: name it in `parameterSchema` or in `parameters`",
            ),
            ("/steps/0/command", "there is no parameter `svx`; did you mean `svc`?"),
        ],
    );
}

#[test]
fn defaults_fit_the_schema_and_need_not_be_complete() {
    let schema = json!({
        "properties": {"a": {"type": "integer"}, "b": {"type": "integer", "default": "x"}},
        "required": ["a", "c"]
    });
    assert_faults(
        &definition(&json!({"a": "1"}), &schema, "c"),
        &[
            ("/parameters/a", "must be a whole number, not a string: remove the quotes"),
            ("/parameterSchema/properties/b/default", "must be a whole number, not a string"),
        ],
    );
}

#[test]
fn what_is_no_schema_or_takes_a_name_of_the_engines_is_refused() {
    let found =
        JobSpec::parse(&definition(&json!({}), &json!({"type": "strng"}), "c")).unwrap().validate(&KINDS);
    let error = found.unwrap_err();
    assert_eq!(error.problems()[0].pointer, "/parameterSchema");
    assert_faults(
        &definition(&json!({}), &json!({"properties": {"run": {}}}), "c"),
        &[(
            "/parameterSchema/properties/run",
            "`run` is what the engine tells templates: call the parameter otherwise",
        )],
    );
    // Nothing is fetched from anywhere.
    let remote = json!({"$ref": "http://127.0.0.1:9/schema.json"});
    let error = JobSpec::parse(&definition(&json!({}), &remote, "c")).unwrap().validate(&KINDS).unwrap_err();
    assert_eq!(error.problems()[0].pointer, "/parameterSchema");
}
