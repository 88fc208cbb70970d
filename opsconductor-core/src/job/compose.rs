//! The job schema: what every job and every step may have, and the kinds' own members among it.
//!
//! Sentences for people stand in the schema itself (`errorMessage`, `patternErrorMessage`), where editors look for them
//! too.

use serde_json::{Map, Value, json};

use super::{members, notices, reserved, step::StepHandler};

/// Steps of one job.
const STEPS_MAX: usize = 1_000;
/// The longest a run may take: 30 days.
const RUN_SEC_MAX: u32 = 30 * 24 * 60 * 60;

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
            "parameterSchema": {
                "type": "object",
                "description": "a JSON Schema (2020-12) that the parameters of each run must fit; templates then read only what its `properties` or `parameters` name; a property with `secret: true` is sealed and never shown"
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
            "timeoutSec": {
                "type": "integer", "minimum": 1, "maximum": RUN_SEC_MAX,
                "description": "how many seconds a run may take from the start of its first step; what is over it is stopped and the run fails"
            },
            "maxParallel": {
                "type": "integer", "minimum": 1, "maximum": 1_000_000,
                "description": "how many steps of a run are under way at once, each target counted, at most"
            },
            "notify": notices::schema(),
            "steps": {
                "type": "array", "minItems": 1, "maxItems": STEPS_MAX,
                "description": "what is done, one after another"
            },
            "onFailure": {
                "type": "array", "maxItems": STEPS_MAX,
                "description": "what is done when the run has failed, after all of `steps` have ended"
            },
            "finally": {
                "type": "array", "maxItems": STEPS_MAX,
                "description": "what is done last, however the run went, also when it was canceled"
            }
        }
    })
}

/// The schema of the members that every step may have, whatever else is in it.
pub(super) fn any_step() -> Value {
    json!({"type": "object", "required": ["type"], "properties": members::common(true)})
}

/// The schema of a step of one kind, complete and strict.
pub(super) fn step(handler: &dyn StepHandler) -> Value {
    let Value::Object(mut schema) = handler.schema() else { return Value::Bool(false) };
    let on_target = handler.protocol().is_some();
    let mut properties = members::common(on_target);
    properties
        .insert("type".to_owned(), json!({"const": handler.kind(), "description": "what the step does"}));
    if let Some(seconds) = handler.timeout_sec_default() {
        properties["timeoutSec"]["default"] = json!(seconds);
    }
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
    rules.push(members::resend_rule());
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
    let items = json!({
        "type": "object",
        "required": ["type"],
        "properties": {"type": {"enum": kinds}},
        "oneOf": kinds.iter().map(|kind| json!({"$ref": format!("#/$defs/{kind}")})).collect::<Vec<_>>()
    });
    for list in ["steps", "onFailure", "finally"] {
        schema["properties"][list]["items"] = items.clone();
    }
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
