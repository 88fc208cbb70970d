//! Secret parameters: what a schema may say of them, and what their values must be.
//!
//! Rules about a secret stand in its own property alone. The rest of the schema is held against [`SECRET_SHOWN`] in the
//! value's place, so that no fault it finds can repeat the value.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Map, Value, json};

use super::{explain, faults::Faults, place, shape::Shape};
use crate::{Problem, Secret, run::redact::ENCODED_SECRET_BYTES_MIN};

/// What stands for the value of a secret parameter wherever parameters are shown.
pub const SECRET_SHOWN: &str = "[secret]";

/// The most bytes that the secret parameters of one run may have together: room for a few keys and certificates. What looks
/// for them in output grows with them.
pub const SECRET_PARAMETERS_BYTES_MAX: usize = 16 * 1024;

/// The keyword of JSON Schema that makes a parameter secret.
const KEYWORD: &str = "secret";

/// What a schema may say of a secret parameter. Everything else could hold a value, or be about something that is no text.
const ALLOWED: [&str; 12] = [
    KEYWORD,
    "type",
    "title",
    "description",
    "minLength",
    "maxLength",
    "pattern",
    "format",
    "errorMessage",
    "patternErrorMessage",
    "writeOnly",
    "$comment",
];

/// What of it a reader of the definition would learn the value from.
const PUBLISHING: [&str; 4] = ["default", "enum", "const", "examples"];

/// The secret parameters of a job, by name, with what is said of each.
pub(super) type Secrets = BTreeMap<String, Shape>;

/// The names of the secret parameters that a definition declares, whether or not it holds.
pub fn secret_parameters(definition: &Value) -> impl Iterator<Item = &str> {
    names(definition.get("parameterSchema").unwrap_or(&Value::Null))
}

fn names(schema: &Value) -> impl Iterator<Item = &str> {
    let properties = schema.get("properties").and_then(Value::as_object);
    let secret = properties.into_iter().flatten().filter(|(_, property)| is_secret(property));
    secret.map(|(name, _)| name.as_str())
}

fn is_secret(property: &Value) -> bool {
    property.get(KEYWORD) == Some(&Value::Bool(true))
}

/// The secret parameters that the schema at `pointer` declares; what is wrong with them goes to `faults`.
pub(super) fn read(schema: &Value, pointer: &str, faults: &mut Faults) -> Secrets {
    let secret: BTreeSet<&str> = names(schema).collect();
    look(schema, pointer, true, &secret, faults);
    let mut secrets = Secrets::new();
    for name in secret {
        let at = place::join(&place::join(pointer, "properties"), name);
        let property = &schema["properties"][name];
        check_property(property, &at, faults);
        match Shape::new(property.clone(), "the parameter") {
            Ok(shape) => drop(secrets.insert(name.to_owned(), shape)),
            Err(why) => faults.add(at, format!("this is not a JSON Schema that can be used: {why}")),
        }
    }
    secrets
}

/// `schema` as it is for parameters whose secrets are not shown.
pub(super) fn without(schema: &Value, secrets: &Secrets) -> Value {
    let mut schema = schema.clone();
    for name in secrets.keys() {
        if let Some(property) = schema.get_mut("properties").and_then(|all| all.get_mut(name)) {
            let mut plain = json!({"type": "string"});
            if let Some(description) = property.get("description") {
                plain["description"] = description.clone();
            }
            *property = plain;
        }
    }
    schema
}

/// What is wrong with the property of a secret parameter.
fn check_property(property: &Value, at: &str, faults: &mut Faults) {
    match property.get("type") {
        Some(given) if given == "string" => {}
        Some(_) => faults.add(
            place::join(at, "type"),
            "a secret parameter is text: say `type: string`, and give numbers and lists as text",
        ),
        None => faults.add(at, "a secret parameter is text: say `type: string`"),
    }
    for keyword in property.as_object().into_iter().flat_map(Map::keys) {
        let here = place::join(at, keyword);
        if PUBLISHING.contains(&keyword.as_str()) {
            let message = format!(
                "`{keyword}` would show what the secret is to everyone who reads the definition: leave it out"
            );
            faults.add(here, message);
        } else if !ALLOWED.contains(&keyword.as_str()) {
            let message = format!(
                "`{keyword}` cannot be said of a secret parameter, only {}",
                explain::list(&ALLOWED[1..8], "and")
            );
            faults.add(here, message);
        }
    }
}

/// Looks in a schema for `secret` where it would do nothing, and for rules about secrets in other places than their own.
fn look(schema: &Value, at: &str, outermost: bool, secret: &BTreeSet<&str>, faults: &mut Faults) {
    let Value::Object(members) = schema else {
        for (index, item) in schema.as_array().into_iter().flatten().enumerate() {
            look(item, &place::join(at, &index.to_string()), false, secret, faults);
        }
        return;
    };
    for (keyword, value) in members {
        let here = place::join(at, keyword);
        match keyword.as_str() {
            KEYWORD if value == &Value::Bool(false) => {}
            KEYWORD if value != &Value::Bool(true) => faults.add(here, "must be true or false"),
            KEYWORD => faults.add(
                here,
                "only a whole parameter can be secret: say it of a member of `parameterSchema.properties`",
            ),
            // These hold values and names.
            "default" | "const" | "enum" | "examples" | "dependentRequired" => {}
            // The members of these are named by people.
            "properties" | "patternProperties" | "$defs" | "definitions" | "dependentSchemas"
            | "dependencies" => {
                for (name, inner) in value.as_object().into_iter().flatten() {
                    let there = place::join(&here, name);
                    let own = keyword == "properties" && secret.contains(name.as_str());
                    match (own, outermost) {
                        (true, true) => {}
                        (true, false) => faults.add(
                            there,
                            format!("`{name}` is secret: what it must be is said in its own property alone"),
                        ),
                        (false, _) => look(inner, &there, false, secret, faults),
                    }
                }
            }
            _ => look(value, &here, false, secret, faults),
        }
    }
}

/// Takes the values of secret parameters out of `given`, where [`SECRET_SHOWN`] stands for them from then on; what is wrong
/// with them goes to `problems` and never repeats them.
pub(super) fn take(
    secrets: &Secrets,
    given: &mut Map<String, Value>,
    problems: &mut Vec<Problem>,
) -> BTreeMap<String, Secret<String>> {
    let (mut taken, mut bytes) = (BTreeMap::new(), 0);
    for (name, shape) in secrets {
        let Some(member) = given.get_mut(name) else { continue };
        let value = std::mem::replace(member, Value::from(SECRET_SHOWN));
        let at = place::join("", name);
        let mut faults = Faults::default();
        shape.check(&value, &at, &mut faults);
        problems.extend_from_slice(faults.as_slice());
        let Value::String(text) = value else { continue };
        let secret = Secret::new(text);
        if let Some(why) = unfit(secret.expose()) {
            problems.push(Problem::new(at, why));
        }
        bytes += secret.expose().len();
        taken.insert(name.clone(), secret);
    }
    if bytes > SECRET_PARAMETERS_BYTES_MAX {
        let message =
            format!("the secret parameters have more than {SECRET_PARAMETERS_BYTES_MAX} bytes together");
        problems.push(Problem::new("", message));
    }
    taken
}

/// Why a text cannot be a secret, if so.
fn unfit(text: &str) -> Option<String> {
    if text == SECRET_SHOWN {
        return Some(format!("`{SECRET_SHOWN}` stands for a value that is not shown: give the value itself"));
    }
    (text.trim().len() < ENCODED_SECRET_BYTES_MIN).then(|| {
        format!(
            "is too short to be kept secret: what has fewer than {ENCODED_SECRET_BYTES_MIN} bytes, white space around it \
             not counted, cannot be found and hidden in output"
        )
    })
}
