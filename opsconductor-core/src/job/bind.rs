//! The parameters of a run: the defaults with those that were given over them.

use serde_json::{Map, Value};

use super::{nearest::nearest, place, reserved, strict, valid::ValidJob};
use crate::{Error, ErrorKind, Problem, Result};

impl ValidJob {
    /// The parameters of a run: the job's defaults with `given` over them. A name that the job neither declares nor reads is
    /// refused: it is a slip more often than not, and the default that would silently stand in for it may be another
    /// machine's service.
    ///
    /// # Errors
    ///
    /// `InvalidParameters` with a problem for each parameter that is missing or unknown.
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
            if let Some(message) = self.refusal(name) {
                problems.push(Problem::new(place::join("", name), message));
            }
        }
        let given = Value::Object(given);
        if let Err(limit) = strict::measure(&given) {
            problems.push(Problem::new("", limit));
        }
        if !problems.is_empty() {
            return Err(Error::with_problems(
                ErrorKind::InvalidParameters,
                "the parameters do not fit the job",
                problems,
            ));
        }
        let mut bound = self.parameters().clone();
        if let Value::Object(given) = given {
            bound.extend(given);
        }
        Ok(bound)
    }

    fn refusal(&self, name: &str) -> Option<String> {
        if reserved::is_reserved(name) {
            return Some(format!("`{name}` is what the engine tells templates: it cannot be given"));
        }
        let known = || {
            let declared = self.parameters().keys().map(String::as_str);
            let read = self.required_parameters().iter().chain(&self.0.optional).map(String::as_str);
            declared.chain(read)
        };
        if known().any(|known| known == name) {
            return None;
        }
        Some(match nearest(name, known()) {
            Some(meant) => format!("the job has no such parameter; did you mean `{meant}`?"),
            None => {
                "the job has no such parameter: remove it, or declare it in the job's `parameters`".to_owned()
            }
        })
    }
}
