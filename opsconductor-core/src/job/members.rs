//! The members that every step has or may have: their schema, limits and defaults.

use serde_json::{Map, Value, json};

use super::reserved;
use crate::{
    run::retry::{BACKOFF_SEC_DEFAULT, BACKOFF_SEC_MAX_DEFAULT, RetryOn},
    transport::Protocol,
};

/// What a name looks like that templates can read.
const NAME_PATTERN: &str = "^[A-Za-z_][A-Za-z0-9_]{0,63}$";
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
pub(super) const STEP_MEMBERS: [&str; 16] = [
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
    "allowEmpty",
    "dependsOn",
    "when",
    "retry",
    "register",
];

/// Whether `name` is a member of every step and not of a kind.
pub(super) fn is_common(name: &str) -> bool {
    STEP_MEMBERS.contains(&name)
}

/// The schema of those members.
pub(super) fn common(on_target: bool) -> Map<String, Value> {
    let mut properties = Map::new();
    let mut add = |name: &str, schema: Value| properties.insert(name.to_owned(), schema);
    add("type", json!({"type": "string", "description": "what the step does, such as `winrm.exec`"}));
    add(
        "id",
        json!({
            "type": "string", "pattern": NAME_PATTERN,
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
        add(
            "allowEmpty",
            json!({
                "type": "boolean", "default": false,
                "description": "whether the step is skipped when its selector chooses no target, in place of a fault"
            }),
        );
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
    add(
        "dependsOn",
        json!({
            "type": "array", "maxItems": 100, "items": {"type": "string"},
            "description": "the ids of the steps that this one waits for; by default the step before it, and none for `[]`"
        }),
    );
    add(
        "when",
        json!({
            "type": "string", "minLength": 1,
            "description": "an expression of the template language, without braces: the step is skipped on a target where it does not hold"
        }),
    );
    add("retry", retry());
    add(
        "register",
        json!({
            "type": "string", "pattern": NAME_PATTERN, "not": {"enum": reserved::NAMES},
            "patternErrorMessage": "a registered name is made of at most 64 letters, digits and `_`, and does not start with a digit",
            "errorMessage": "`target`, `steps` and `run` are what the engine tells templates: register another name",
            "description": "the name by which templates of later steps read this one's output, as they do by `steps.<id>`"
        }),
    );
    properties
}

fn targets(name: &Value) -> Value {
    let mut selector = selector(name);
    let mut rejected = selector.clone();
    rejected["properties"]["not"] = json!(false);
    selector["properties"]["not"] = json!({
        "description": "what is left out: a selector of the same form, or a list of them",
        "errorMessage": "must be an object such as {\"tags\": [\"env:test\"]}, or a list of them",
        "anyOf": [rejected.clone(), {"type": "array", "minItems": 1, "maxItems": 32, "items": rejected}]
    });
    json!({
        "description": "the targets that the step acts on: their names, or what chooses them",
        "errorMessage": "must be a list of target names, or an object such as {\"tags\": [\"role:web\"]}",
        "anyOf": [
            {"type": "array", "minItems": 1, "maxItems": TARGETS_MAX, "items": name},
            selector
        ]
    })
}

/// What chooses targets, without `not`.
fn selector(name: &Value) -> Value {
    let protocols: Vec<&str> = Protocol::ALL.into_iter().map(Protocol::as_str).collect();
    let pattern = json!({"type": "string", "minLength": 1, "maxLength": 255});
    json!({
        "type": "object", "minProperties": 1, "additionalProperties": false,
        "properties": {
            "tags": {
                "type": "array", "minItems": 1, "maxItems": 32, "items": name,
                "description": "the tags, all of which a target must carry"
            },
            "protocol": {"enum": protocols, "description": "the protocol that a target must speak"},
            "name": {
                "description": "a pattern for the target's name, with `*` and `?`, or a list of them of which one must fit",
                "anyOf": [pattern.clone(), {"type": "array", "minItems": 1, "maxItems": 100, "items": pattern}]
            }
        }
    })
}

fn retry() -> Value {
    json!({
        "type": "object", "additionalProperties": false, "required": ["maxAttempts"],
        "description": "how often the step is tried again after a failure of which it is known that it is one",
        "properties": {
            "maxAttempts": {
                "type": "integer", "minimum": 1, "maximum": 100,
                "description": "how many attempts there are in all, the first among them"
            },
            "backoffSec": {
                "type": "integer", "minimum": 0, "maximum": 3_600, "default": BACKOFF_SEC_DEFAULT,
                "description": "how many seconds the second attempt waits; each further one waits twice as long, and up to half of it less by chance"
            },
            "maxBackoffSec": {
                "type": "integer", "minimum": 0, "maximum": 86_400, "default": BACKOFF_SEC_MAX_DEFAULT,
                "description": "the longest that an attempt waits"
            },
            "on": {
                "type": "array", "minItems": 1, "maxItems": 3, "uniqueItems": true,
                "items": {"enum": RetryOn::ALL.map(RetryOn::as_str)},
                "description": "the failures after which it is tried again: `failure` (it ran and failed), `connection` (nothing was sent), `timeout` (it was stopped at `timeoutSec`); by default the first two"
            }
        }
    })
}

/// What is sent without knowing whether it was done must bear that.
pub(super) fn resend_rule() -> Value {
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
