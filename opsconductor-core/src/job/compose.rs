//! The job schema: what every job and every step may have, and the kinds' own members among it.
//!
//! Sentences for people stand in the schema itself (`errorMessage`, `patternErrorMessage`), where editors look for them
//! too.

use serde_json::{Map, Value, json};

use super::{reserved, step::StepHandler};

/// Steps of one job.
const STEPS_MAX: usize = 1_000;
/// Targets that one step lists.
const TARGETS_MAX: usize = 10_000;
/// The longest a task may take when the step does not say.
pub(super) const TIMEOUT_SEC_DEFAULT: u32 = 60;
/// A day.
const TIMEOUT_SEC_MAX: u32 = 24 * 60 * 60;
/// How much output a task may store when the step does not say.
pub(super) const OUTPUT_BYTES_DEFAULT: u64 = 16 * 1024 * 1024;
const OUTPUT_BYTES_MAX: u64 = 1024 * 1024 * 1024;

/// The members that every step has or may have, whatever its kind.
pub(super) const STEP_MEMBERS: [&str; 11] = [
    "type",
    "id",
    "name",
    "target",
    "targets",
    "timeoutSec",
    "continueOnError",
    "onLost",
    "idempotent",
    "maxOutputBytes",
    "wait",
];

/// Whether `name` is a member of every step and not of a kind.
pub(super) fn is_common(name: &str) -> bool {
    STEP_MEMBERS.contains(&name)
}

/// The schema of a job, with its steps not looked into.
pub(super) fn job() -> Value {
    json!({
        "type": "object",
        "required": ["name", "version", "steps"],
        "additionalProperties": false,
        "properties": {
            "name": {
                "type": "string", "minLength": 1, "maxLength": 255,
                "description": "what the job is called"
            },
            "version": {
                "type": "integer", "minimum": 1, "maximum": i32::MAX,
                "description": "the author's number for this version of the definition, 1 or more"
            },
            "description": {
                "type": "string", "maxLength": 10_000,
                "description": "what the job is for"
            },
            "parameters": {
                "type": "object", "maxProperties": 1_000,
                "propertyNames": {"not": {"enum": reserved::NAMES}},
                "description": "the defaults of parameters, which templates read by name"
            },
            "priority": {
                "type": "integer", "minimum": -1_000, "maximum": 1_000, "default": 0,
                "description": "which of several waiting runs goes first: the higher one"
            },
            "concurrencyKey": {
                "type": "string", "minLength": 1, "maxLength": 1_024,
                "description": "runs whose key is the same go one after the other, in the order in which they were enqueued; a template over the parameters"
            },
            "allowRaw": {
                "type": "boolean", "default": false,
                "description": "whether templates may write values unquoted and unchecked, by `| raw`"
            },
            "steps": {
                "type": "array", "minItems": 1, "maxItems": STEPS_MAX,
                "description": "what is done, one after another"
            }
        }
    })
}

/// The schema of the members that every step may have, whatever else is in it.
pub(super) fn any_step() -> Value {
    json!({"type": "object", "required": ["type"], "properties": common(true)})
}

/// The schema of a step of one kind, complete and strict.
pub(super) fn step(handler: &dyn StepHandler) -> Value {
    let Value::Object(mut schema) = handler.schema() else { return Value::Bool(false) };
    let on_target = handler.protocol().is_some();
    let mut properties = common(on_target);
    properties
        .insert("type".to_owned(), json!({"const": handler.kind(), "description": "what the step does"}));
    if let Some(Value::Object(own)) = schema.remove("properties") {
        properties.extend(own);
    }
    let mut required = vec![json!("type")];
    if let Some(Value::Array(own)) = schema.remove("required") {
        required.extend(own);
    }
    let mut rules = match schema.remove("allOf") {
        Some(Value::Array(own)) => own,
        _ => Vec::new(),
    };
    if on_target {
        rules.push(json!({"oneOf": [{"required": ["target"]}, {"required": ["targets"]}]}));
    }
    rules.push(retry_rule());
    schema.insert("type".to_owned(), json!("object"));
    schema.insert("properties".to_owned(), Value::Object(properties));
    schema.insert("required".to_owned(), Value::Array(required));
    schema.insert("allOf".to_owned(), Value::Array(rules));
    schema.insert("additionalProperties".to_owned(), json!(false));
    Value::Object(schema)
}

/// The whole schema, for editors and forms: JSON Schema 2020-12.
pub(super) fn document<'s>(steps: impl Iterator<Item = (&'s str, &'s Value)> + Clone) -> Value {
    let mut schema = job();
    let kinds: Vec<&str> = steps.clone().map(|(kind, _)| kind).collect();
    schema["properties"]["steps"]["items"] = json!({
        "type": "object",
        "required": ["type"],
        "properties": {"type": {"enum": kinds}},
        "oneOf": kinds.iter().map(|kind| json!({"$ref": format!("#/$defs/{kind}")})).collect::<Vec<_>>()
    });
    let definitions: Map<String, Value> =
        steps.map(|(kind, schema)| (kind.to_owned(), schema.clone())).collect();
    let mut document = Map::new();
    document.insert("$schema".to_owned(), json!("https://json-schema.org/draft/2020-12/schema"));
    document.insert("title".to_owned(), json!("OpsConductor job definition"));
    if let Value::Object(members) = schema {
        document.extend(members);
    }
    document.insert("$defs".to_owned(), Value::Object(definitions));
    Value::Object(document)
}

fn common(on_target: bool) -> Map<String, Value> {
    let mut properties = Map::new();
    let mut add = |name: &str, schema: Value| properties.insert(name.to_owned(), schema);
    add("type", json!({"type": "string", "description": "what the step does, such as `winrm.exec`"}));
    add(
        "id",
        json!({
            "type": "string", "pattern": "^[A-Za-z_][A-Za-z0-9_]{0,63}$",
            "patternErrorMessage":
                "an id is made of at most 64 letters, digits and `_`, and does not start with a digit",
            "description": "the step's own name in the job; `step1`, `step2` and so on by default"
        }),
    );
    add(
        "name",
        json!({"type": "string", "minLength": 1, "maxLength": 255, "description": "what people call the step"}),
    );
    if on_target {
        let name = json!({"type": "string", "minLength": 1, "maxLength": 255});
        let mut target = name.clone();
        target["description"] = json!("the name of the target that the step acts on");
        add("target", target);
        add("targets", targets(&name));
    }
    add(
        "timeoutSec",
        json!({
            "type": "integer", "minimum": 1, "maximum": TIMEOUT_SEC_MAX, "default": TIMEOUT_SEC_DEFAULT,
            "description": "how many seconds the step may take on one target"
        }),
    );
    add(
        "continueOnError",
        json!({
            "type": "boolean", "default": false,
            "description": "whether the steps after this one go on when it fails"
        }),
    );
    add(
        "onLost",
        json!({
            "enum": ["fail", "retry"], "default": "fail",
            "description": "what happens when it is not known how the step ended because its worker is gone"
        }),
    );
    add(
        "idempotent",
        json!({
            "type": "boolean", "default": false,
            "description": "whether doing the step twice is as good as doing it once"
        }),
    );
    add(
        "maxOutputBytes",
        json!({
            "type": "integer", "minimum": 1, "maximum": OUTPUT_BYTES_MAX, "default": OUTPUT_BYTES_DEFAULT,
            "description": "how many bytes of output are stored for each target"
        }),
    );
    add(
        "wait",
        json!({
            "enum": ["all"],
            "description": "waits until the step before has ended on all its targets, not only on the same one"
        }),
    );
    properties
}

fn targets(name: &Value) -> Value {
    json!({
        "description": "the targets that the step acts on: their names, or the tags that they all carry",
        "errorMessage": "must be a list of target names, or an object such as {\"tags\": [\"role:web\"]}",
        "anyOf": [
            {"type": "array", "minItems": 1, "maxItems": TARGETS_MAX, "items": name},
            {
                "type": "object", "required": ["tags"], "additionalProperties": false,
                "properties": {
                    "tags": {
                        "type": "array", "minItems": 1, "maxItems": 32, "items": name,
                        "description": "the tags, all of which a target must carry"
                    }
                }
            }
        ]
    })
}

fn retry_rule() -> Value {
    let message = "`onLost: retry` sends the step again without knowing whether it was done: it needs \
                   `idempotent: true`";
    json!({
        "if": {"required": ["onLost"], "properties": {"onLost": {"const": "retry"}}},
        "then": {
            "required": ["idempotent"],
            "properties": {"idempotent": {"const": true, "errorMessage": message}},
            "errorMessage": message
        }
    })
}
