//! The members of an `http.request` step.

use serde_json::{Value, json};

use super::{super::COMMAND_BYTES_MAX, compose::PATH_CHARS_MAX};

const MEMBERS_MAX: usize = 200;
const ASSERTIONS_MAX: usize = 100;
const STATUS_MESSAGE: &str = "must be a status from 100 to 599, a class such as \"2xx\", or a list of these";

pub(super) fn schema() -> Value {
    json!({
        "description": "Sends a request to HTTP services and checks what they answer.",
        "properties": {
            "method": {
                "enum": ["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"], "default": "GET",
                "description": "the method"
            },
            "path": {
                "type": "string", "maxLength": PATH_CHARS_MAX, "default": "",
                "description": "path and query below the target's base path, a template"
            },
            "query": values("what is added to the query, each value a template"),
            "headers": {
                "type": "object", "maxProperties": MEMBERS_MAX,
                "propertyNames": {
                    "pattern": "^[A-Za-z0-9!#$%&'*+.^_`|~-]{1,256}$",
                    "errorMessage": "a header is named with letters, digits and `-`"
                },
                "additionalProperties": {"type": "string", "maxLength": 16 * 1024},
                "description": "headers, each value a template"
            },
            "json": {
                "description": "the body: a value in which each text is a template, or one text that is a template for JSON"
            },
            "form": values("the body as a form, each value a template"),
            "body": {
                "type": "string", "maxLength": COMMAND_BYTES_MAX,
                "description": "the body as text, a template"
            },
            "expectStatus": {
                "default": "2xx",
                "description": "the status that is expected: a number, a class such as \"2xx\", or a list of these",
                "errorMessage": STATUS_MESSAGE,
                "anyOf": [status(), class(), {"type": "array", "minItems": 1, "maxItems": 50, "items": {"anyOf": [status(), class()]}}]
            },
            "assert": {
                "type": "array", "maxItems": ASSERTIONS_MAX, "items": assertion(),
                "description": "what must hold of the answer"
            },
            "followRedirects": {
                "default": false,
                "description": "how many redirects are followed: true for 5, or a number",
                "errorMessage": "must be true, false or a number from 1 to 10",
                "anyOf": [{"type": "boolean"}, {"type": "integer", "minimum": 1, "maximum": 10}]
            }
        },
        "allOf": [
            exclude("json", "form"),
            exclude("json", "body"),
            exclude("form", "body"),
        ]
    })
}

fn values(description: &str) -> Value {
    let one = json!({"type": ["string", "number", "boolean"], "maxLength": COMMAND_BYTES_MAX});
    json!({
        "type": "object", "maxProperties": MEMBERS_MAX, "description": description,
        "additionalProperties": {
            "errorMessage": "must be a text, a number, true, false, or a list of these",
            "anyOf": [one, {"type": "array", "maxItems": MEMBERS_MAX, "items": one}]
        }
    })
}

fn status() -> Value {
    json!({"type": "integer", "minimum": 100, "maximum": 599})
}

fn class() -> Value {
    json!({"type": "string", "pattern": "^[1-5]xx$", "patternErrorMessage": STATUS_MESSAGE})
}

fn assertion() -> Value {
    let one_of = ["equals", "notEquals", "contains", "matches", "exists"];
    json!({
        "type": "object", "additionalProperties": false,
        "oneOf": one_of.map(|name| json!({"required": [name]})),
        "allOf": [exclude("path", "header")],
        "properties": {
            "path": {
                "type": "string", "maxLength": 1024,
                "description": "a JSONPath (`$.items[0].name`) or a JSON Pointer (`/items/0/name`) into the body"
            },
            "header": {"type": "string", "minLength": 1, "maxLength": 256, "description": "the name of a header"},
            "equals": {"description": "the value must be this; texts in it are templates"},
            "notEquals": {"description": "the value must not be this; texts in it are templates"},
            "contains": {
                "type": "string", "minLength": 1, "maxLength": COMMAND_BYTES_MAX,
                "description": "the text must contain this, a template"
            },
            "matches": {
                "type": "string", "minLength": 1, "maxLength": 1024,
                "description": "the text must match this regular expression somewhere"
            },
            "exists": {"type": "boolean", "description": "whether there must be something"}
        }
    })
}

fn exclude(one: &str, other: &str) -> Value {
    json!({
        "not": {"required": [one, other]},
        "errorMessage": format!("`{one}` and `{other}` exclude each other: give one of them")
    })
}
