//! What a job says of its parameters: defaults, and a schema that they must fit.

use std::{collections::BTreeSet, sync::Arc};

use serde_json::{Map, Value};

use super::{
    faults::Faults,
    nearest::nearest,
    place, reserved,
    secrets::{self, Secrets},
    shape::Shape,
};

const MEMBER: &str = "parameterSchema";

/// The parameters of one definition.
pub(super) struct Parameters<'d> {
    defaults: Map<String, Value>,
    schema: Option<Declared<'d>>,
}

/// Parameters that a schema declares.
struct Declared<'d> {
    shape: Arc<Shape>,
    properties: Option<&'d Map<String, Value>>,
    required: Vec<&'d str>,
    secrets: Secrets,
}

/// What of the parameters a checked job keeps.
pub(super) struct Parts {
    pub(super) defaults: Map<String, Value>,
    /// What a run's parameters must fit, secrets as they are shown.
    pub(super) schema: Option<Arc<Shape>>,
    pub(super) secrets: Secrets,
}

impl<'d> Parameters<'d> {
    /// Reads `parameters` and `parameterSchema`; what is wrong with them goes to `faults`.
    pub(super) fn read(job: &'d Map<String, Value>, faults: &mut Faults) -> Self {
        let mut defaults = Map::new();
        let schema = job.get(MEMBER).filter(|schema| schema.is_object());
        let schema = schema.and_then(|schema| declared(schema, &mut defaults, faults));
        let given = job.get("parameters").and_then(Value::as_object);
        for (name, value) in given.into_iter().flatten() {
            if schema.as_ref().is_some_and(|schema: &Declared<'_>| schema.secrets.contains_key(name)) {
                let message = format!(
                    "`{name}` is secret and a definition is not: leave it out here, each run brings it"
                );
                faults.add(place::join(&place::join("", "parameters"), name), message);
            } else {
                defaults.insert(name.clone(), value.clone());
            }
        }
        if let (Some(schema), Some(written)) = (job.get(MEMBER), &schema) {
            check_defaults(schema, written, &defaults, given, faults);
        }
        Self { defaults, schema }
    }

    /// Whether there is a parameter of this name.
    pub(super) fn declares(&self, name: &str) -> bool {
        self.defaults.contains_key(name) || self.property(name)
    }

    /// What is wrong with reading a name that nothing declares: nothing, unless there is a schema.
    pub(super) fn unknown(&self, name: &str) -> Option<String> {
        let schema = self.schema.as_ref().filter(|_| !self.declares(name))?;
        let known = schema.properties.into_iter().flat_map(Map::keys).chain(self.defaults.keys());
        Some(match nearest(name, known.map(String::as_str)) {
            Some(meant) => format!("there is no parameter `{name}`; did you mean `{meant}`?"),
            None => format!("there is no parameter `{name}`: name it in `{MEMBER}` or in `parameters`"),
        })
    }

    /// Those of `read`, and those that the schema requires, which have no default. Sorted.
    pub(super) fn required(&self, mut read: BTreeSet<String>) -> Vec<String> {
        let declared = self.schema.iter().flat_map(|schema| &schema.required);
        read.extend(declared.map(|name| (*name).to_owned()));
        read.into_iter().filter(|name| !self.defaults.contains_key(name)).collect()
    }

    /// Whether the parameter of this name is secret.
    pub(super) fn is_secret(&self, name: &str) -> bool {
        self.schema.as_ref().is_some_and(|schema| schema.secrets.contains_key(name))
    }

    /// What a checked job keeps.
    pub(super) fn into_parts(self) -> Parts {
        let (schema, secrets) = match self.schema {
            Some(schema) => (Some(schema.shape), schema.secrets),
            None => (None, Secrets::new()),
        };
        Parts { defaults: self.defaults, schema, secrets }
    }

    fn property(&self, name: &str) -> bool {
        self.schema
            .as_ref()
            .and_then(|schema| schema.properties)
            .is_some_and(|known| known.contains_key(name))
    }
}

/// A schema that can be used; its own defaults go to `defaults`.
fn declared<'d>(
    schema: &'d Value,
    defaults: &mut Map<String, Value>,
    faults: &mut Faults,
) -> Option<Declared<'d>> {
    let pointer = place::join("", MEMBER);
    let mut shape = Shape::new(schema.clone(), "the parameters");
    let secrets = if shape.is_ok() { secrets::read(schema, &pointer, faults) } else { Secrets::new() };
    if !secrets.is_empty() {
        shape = Shape::new(secrets::without(schema, &secrets), "the parameters");
    }
    let shape = match shape {
        Ok(shape) => Arc::new(shape),
        Err(why) => {
            faults.add(pointer, format!("this is not a JSON Schema (2020-12) that can be used: {why}"));
            return None;
        }
    };
    let properties = schema.get("properties").and_then(Value::as_object);
    for (name, property) in properties.into_iter().flatten() {
        if reserved::is_reserved(name) {
            let at = place::join(&place::join(&pointer, "properties"), name);
            faults.add(
                at,
                format!("`{name}` is what the engine tells templates: call the parameter otherwise"),
            );
        }
        if let Some(default) = property.get("default").filter(|_| !secrets.contains_key(name)) {
            defaults.insert(name.clone(), default.clone());
        }
    }
    let required = schema.get("required").and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default();
    let required = required.iter().filter_map(Value::as_str).collect();
    Some(Declared { shape, properties, required, secrets })
}

/// Defaults must fit the schema, but need not be all that it requires.
fn check_defaults(
    schema: &Value,
    declared: &Declared<'_>,
    defaults: &Map<String, Value>,
    given: Option<&Map<String, Value>>,
    faults: &mut Faults,
) {
    let own = Value::Object(defaults.clone());
    if declared.shape.fits(&own) {
        return;
    }
    let mut relaxed = schema.clone();
    if let Some(members) = relaxed.as_object_mut() {
        members.remove("required");
    }
    let Ok(relaxed) = Shape::new(relaxed, "the parameters") else { return };
    let mut found = Faults::default();
    relaxed.check(&own, "", &mut found);
    for problem in found.as_slice() {
        let name = problem.pointer.split('/').nth(1).map(place::unescape).unwrap_or_default();
        let written = given.is_some_and(|given| given.contains_key(&*name)) || name.is_empty();
        let at = if written {
            place::join("", "parameters") + &problem.pointer
        } else {
            place::join(&place::join(&place::join(&place::join("", MEMBER), "properties"), &name), "default")
        };
        faults.add(at, problem.message.clone());
    }
}
