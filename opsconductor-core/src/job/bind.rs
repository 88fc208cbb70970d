//! The parameters of a run: the defaults with those that were given over them.

use serde_json::{Map, Value};

use super::{faults::Faults, place, reserved, strict, valid::ValidJob};
use crate::{Error, ErrorKind, Problem, Result};

impl ValidJob {
    /// The parameters of a run: the job's defaults with `given` over them. A name that the job neither declares nor reads is
    /// taken too, for clients of other systems send their whole set with every run; no template sees it.
    ///
    /// # Errors
    ///
    /// `InvalidParameters` with a problem for each parameter that is missing, is the engine's own, or does not fit the job's
    /// `parameterSchema`.
    pub fn bind(&self, given: Map<String, Value>) -> Result<Map<String, Value>> {
        let mut problems = Vec::new();
        for name in self.required_parameters() {
            if !given.contains_key(name) {
                let message =
                    format!("the parameter `{name}` is missing: the job reads it and has no default for it");
                problems.push(Problem::new("", message));
            }
        }
        for name in given.keys() {
            if reserved::is_reserved(name) {
                let message = format!("`{name}` is what the engine tells templates: it cannot be given");
                problems.push(Problem::new(place::join("", name), message));
            }
        }
        let given = Value::Object(given);
        if let Err(limit) = strict::measure(&given) {
            problems.push(Problem::new("", limit));
        }
        let mut bound = self.parameters().clone();
        if let Value::Object(given) = given {
            bound.extend(given);
        }
        if let Some(schema) = self.0.schema.as_ref().filter(|_| problems.is_empty()) {
            let (mut faults, whole) = (Faults::default(), Value::Object(bound));
            schema.check(&whole, "", &mut faults);
            problems = faults.into_problems(&whole);
            bound = if let Value::Object(members) = whole { members } else { Map::new() };
        }
        if problems.is_empty() {
            return Ok(bound);
        }
        Err(Error::with_problems(ErrorKind::InvalidParameters, "the parameters do not fit the job", problems))
    }
}
