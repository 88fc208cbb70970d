//! The parameters of a run: the defaults with those that were given over them.

use std::collections::BTreeMap;

use serde_json::{Map, Value};

use super::{faults::Faults, nearest::nearest, place, reserved, secrets, strict, valid::ValidJob};
use crate::{Error, ErrorKind, Problem, Result, Secret};

/// The parameters of a run, as [`ValidJob::bind`] found them to fit.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct BoundParameters {
    /// All of them as they are shown: a secret one is [`SECRET_SHOWN`](super::SECRET_SHOWN).
    pub shown: Map<String, Value>,
    /// The values of the secret ones.
    pub secrets: BTreeMap<String, Secret<String>>,
}

impl ValidJob {
    /// The parameters of a run: the job's defaults with `given` over them. A name that the job neither declares nor reads is
    /// taken too, for clients of other systems send their whole set with every run; no template sees it. Not so where the job
    /// has secret parameters, for such a name could be one of theirs, misspelled.
    ///
    /// # Errors
    ///
    /// `InvalidParameters` with a problem for each parameter that is missing, is the engine's own, or does not fit the job's
    /// `parameterSchema`. No problem repeats the value of a secret one.
    pub fn bind(&self, mut given: Map<String, Value>) -> Result<BoundParameters> {
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
            } else if let Some(message) = self.stranger(name) {
                problems.push(Problem::new(place::join("", name), message));
            }
        }
        let secrets = secrets::take(&self.0.secrets, &mut given, &mut problems);
        let given = Value::Object(given);
        if let Err(limit) = strict::measure(&given) {
            problems.push(Problem::new("", limit));
        }
        let mut shown = self.parameters().clone();
        if let Value::Object(given) = given {
            shown.extend(given);
        }
        if let Some(schema) = self.0.schema.as_ref().filter(|_| problems.is_empty()) {
            let (mut faults, whole) = (Faults::default(), Value::Object(shown));
            schema.check(&whole, "", &mut faults);
            problems = faults.into_problems(&whole);
            shown = if let Value::Object(members) = whole { members } else { Map::new() };
        }
        if problems.is_empty() {
            return Ok(BoundParameters { shown, secrets });
        }
        Err(Error::with_problems(ErrorKind::InvalidParameters, "the parameters do not fit the job", problems))
    }

    /// What is wrong with a name that the job does not declare, where that matters.
    fn stranger(&self, name: &str) -> Option<String> {
        if self.0.secrets.is_empty() || self.parameters().contains_key(name) {
            return None;
        }
        let declared = self.0.schema.as_ref()?.schema().get("properties")?.as_object()?;
        if declared.contains_key(name) {
            return None;
        }
        let known = declared.keys().chain(self.parameters().keys());
        Some(match nearest(name, known.map(String::as_str)) {
            Some(meant) => format!("there is no parameter `{name}`; did you mean `{meant}`?"),
            None => format!(
                "there is no parameter `{name}`, and a job with secret parameters takes those alone that it declares"
            ),
        })
    }
}
