//! The step kinds there are: [`StepKinds`].

use std::{collections::BTreeMap, fmt, sync::Arc};

use serde_json::Value;

use super::{compose, kinds, members, shape::Shape, step::StepHandler};
use crate::{Error, ErrorKind, Result};

/// The step kinds that jobs may use, each with its schema compiled. Build it once; validation borrows it.
pub struct StepKinds {
    kinds: BTreeMap<String, StepKind>,
    job: Shape,
    any_step: Shape,
}

/// One kind with the schema of its steps.
pub(super) struct StepKind {
    pub(super) handler: Arc<dyn StepHandler>,
    pub(super) shape: Shape,
}

impl StepKinds {
    /// No kinds at all, for a host that wants only its own.
    pub fn empty() -> Self {
        let own = |schema, what: &str| Shape::new(schema, what).expect("the library's own schema compiles");
        Self {
            kinds: BTreeMap::new(),
            job: own(compose::job(), "a job"),
            any_step: own(compose::any_step(), "a step"),
        }
    }

    /// The kinds of this library: `winrm.exec`, `winrm.copy`, `winrm.fetch`, their twins with `ssh`, `http.request`, `sleep` and
    /// `approval`. They are there without the features of their transports too, so that jobs can be checked where nothing runs.
    pub fn built_in() -> Self {
        let mut kinds = Self::empty();
        for handler in kinds::built_in() {
            kinds.register(handler).expect("the library's own kinds can be registered");
        }
        kinds
    }

    /// Adds a kind.
    ///
    /// # Errors
    ///
    /// `Conflict` when there is a kind of that name; `InvalidInput` for a name or a schema that cannot be used, saying why.
    pub fn register(&mut self, handler: Arc<dyn StepHandler>) -> Result<()> {
        let kind = handler.kind().to_owned();
        let refuse = |why: String| Error::new(ErrorKind::InvalidInput, why).with("kind", &kind);
        if self.kinds.contains_key(&kind) {
            return Err(Error::new(ErrorKind::Conflict, "there is a step kind of this name already")
                .with("kind", &kind));
        }
        if !is_kind_name(&kind) {
            return Err(refuse(
                "a step kind is named with lower-case letters, digits, `_` and `.`, such as `acme.deploy`"
                    .to_owned(),
            ));
        }
        check_schema(&handler.schema()).map_err(refuse)?;
        let shape = Shape::new(compose::step(handler.as_ref()), format!("a {kind} step"))
            .map_err(|why| refuse(format!("the kind's schema does not compile: {why}")))?;
        self.kinds.insert(kind, StepKind { handler, shape });
        Ok(())
    }

    /// The handler of `kind`.
    pub fn get(&self, kind: &str) -> Option<&Arc<dyn StepHandler>> {
        self.kinds.get(kind).map(|kind| &kind.handler)
    }

    /// The names of all kinds, sorted.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.kinds.keys().map(String::as_str)
    }

    /// The schema of job definitions with these kinds, as JSON Schema 2020-12. It accepts what validation accepts, save for
    /// what no schema can say: that ids differ, that templates parse, that targets exist.
    pub fn job_schema(&self) -> Value {
        compose::document(self.kinds.iter().map(|(name, kind)| (name.as_str(), kind.shape.schema())))
    }

    pub(super) fn kind(&self, name: &str) -> Option<&StepKind> {
        self.kinds.get(name)
    }

    pub(super) fn job(&self) -> &Shape {
        &self.job
    }

    pub(super) fn any_step(&self) -> &Shape {
        &self.any_step
    }
}

impl Default for StepKinds {
    fn default() -> Self {
        Self::built_in()
    }
}

impl fmt::Debug for StepKinds {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_set().entries(self.kinds.keys()).finish()
    }
}

fn is_kind_name(name: &str) -> bool {
    let part = |part: &str| {
        part.starts_with(|c: char| c.is_ascii_lowercase())
            && part.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'_')
    };
    name.len() <= 64 && name.split('.').all(part)
}

/// What composing needs beyond a valid schema. The error is a sentence.
fn check_schema(schema: &Value) -> Result<(), String> {
    let Some(object) = schema.as_object() else {
        return Err("the kind's schema must be an object with `properties`".to_owned());
    };
    if let Err(error) = jsonschema::draft202012::meta::validate(schema) {
        return Err(format!("the kind's schema is not JSON Schema: {}", error.masked()));
    }
    // The schema becomes a part of another, where a reference would lead elsewhere, and strictness is added there.
    if let Some(keyword) = foreign_keyword(schema) {
        return Err(format!(
            "the kind's schema uses `{keyword}`, but it must stand on its own: write the schema out"
        ));
    }
    if object.get("type").is_some_and(|kind| kind != "object") {
        return Err("the kind's schema must have the type `object`".to_owned());
    }
    for keyword in ["additionalProperties", "unevaluatedProperties"] {
        if object.get(keyword).is_some_and(|rule| *rule != Value::Bool(false)) {
            return Err(format!("a step with unknown members is refused: leave out `{keyword}`"));
        }
    }
    if object.contains_key("patternProperties") {
        return Err(
            "the members of a kind must be named one by one: leave out `patternProperties`".to_owned()
        );
    }
    let own = object.get("properties").and_then(Value::as_object);
    if let Some(taken) = own.and_then(|own| own.keys().find(|name| members::is_common(name))) {
        return Err(format!(
            "`{taken}` is a member of every step: call the kind's own member something else"
        ));
    }
    Ok(())
}

fn foreign_keyword(schema: &Value) -> Option<&str> {
    const FOREIGN: [&str; 8] =
        ["$ref", "$dynamicRef", "$id", "$anchor", "$dynamicAnchor", "$defs", "$schema", "$vocabulary"];
    match schema {
        Value::Object(map) => map.iter().find_map(|(key, value)| {
            if FOREIGN.contains(&key.as_str()) { Some(key.as_str()) } else { foreign_keyword(value) }
        }),
        Value::Array(items) => items.iter().find_map(foreign_keyword),
        _ => None,
    }
}

#[cfg(test)]
mod tests;
