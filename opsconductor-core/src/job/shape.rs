//! A compiled schema that says in plain sentences what does not fit it.

use std::collections::HashSet;

use jsonschema::{Validator, error::ValidationErrorKind};
use serde_json::Value;

use super::{explain, faults::Faults};

/// A schema with its validator. Asking whether a value fits takes well under a microsecond; only a value that does not
/// is looked at again for the reasons.
pub(super) struct Shape {
    schema: Value,
    validator: Validator,
    /// What has this shape, such as "a job".
    what: String,
}

impl Shape {
    /// Compiles `schema`. The error is a sentence about it.
    pub(super) fn new(schema: Value, what: impl Into<String>) -> Result<Self, String> {
        let validator = jsonschema::draft202012::options()
            .with_pattern_options(jsonschema::PatternOptions::regex())
            .build(&schema)
            .map_err(|error| error.masked().to_string())?;
        Ok(Self { schema, validator, what: what.into() })
    }

    pub(super) fn schema(&self) -> &Value {
        &self.schema
    }

    /// Whether `value` fits.
    pub(super) fn fits(&self, value: &Value) -> bool {
        self.validator.is_valid(value)
    }

    /// Whether `value` fits; if not, `faults` says why, with pointers below `prefix`.
    pub(super) fn check(&self, value: &Value, prefix: &str, faults: &mut Faults) -> bool {
        if self.validator.is_valid(value) {
            return true;
        }
        let mut wrong_types = HashSet::new();
        for error in self.validator.iter_errors(value) {
            if faults.is_full() {
                break;
            }
            // What has the wrong type breaks other rules too, and none of them says more. Types come first.
            let at = error.instance_path().as_str();
            if matches!(error.kind(), ValidationErrorKind::Type { .. }) {
                wrong_types.insert(at.to_owned());
            } else if wrong_types.contains(at) {
                continue;
            }
            explain::error(&error, &self.schema, &self.what, prefix, faults);
        }
        false
    }
}
