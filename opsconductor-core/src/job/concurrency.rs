//! The concurrency key of a run: runs whose key is the same go one after the other.

use serde_json::{Map, Value};

use super::{place, valid::ValidJob};
use crate::{Error, ErrorKind, Problem, Result, template::Sink};

/// The member of the job.
pub(super) const MEMBER: &str = "concurrencyKey";

/// What the key is rendered as.
pub(super) const SINK: Sink = Sink::Text;

/// The longest key, in bytes.
pub const CONCURRENCY_KEY_BYTES_MAX: usize = 255;

impl ValidJob {
    /// The key of a run with these (bound) parameters; none when the job has none.
    ///
    /// # Errors
    ///
    /// `InvalidParameters` when the key cannot be rendered, is empty, is longer than [`CONCURRENCY_KEY_BYTES_MAX`] or holds
    /// a control character.
    pub fn concurrency_key(&self, parameters: &Map<String, Value>) -> Result<Option<String>> {
        let Some(template) = &self.0.concurrency_key else { return Ok(None) };
        let key = template.render(parameters).map_err(|error| unfit(error.to_string()))?;
        // The parameters may be anything, so the key is not repeated.
        if key.trim().is_empty() {
            Err(unfit(
                "the concurrency key of this run would be empty: give it parameters that tell it apart",
            ))
        } else if key.len() > CONCURRENCY_KEY_BYTES_MAX {
            let message = format!(
                "the concurrency key of this run has {} bytes, at most {CONCURRENCY_KEY_BYTES_MAX} are possible",
                key.len()
            );
            Err(unfit(message))
        } else if key.contains(char::is_control) {
            Err(unfit("the concurrency key of this run holds a control character: keys are one line of text"))
        } else {
            Ok(Some(key))
        }
    }
}

fn unfit(message: impl Into<String>) -> Error {
    let problem = Problem::new(place::join("", MEMBER), message);
    Error::with_problems(ErrorKind::InvalidParameters, "the parameters do not fit the job", vec![problem])
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test may panic")]

    use serde_json::{Value, json};

    use super::*;
    use crate::job::{JobSpec, StepKinds};

    fn spec(key: &str) -> JobSpec {
        let step = json!({"type": "winrm.exec", "target": "web", "shell": "cmd", "command": "ver"});
        let job = json!({"name": "j", "version": 1, "concurrencyKey": key, "parameters": {"site": "home"}, "steps": [step]});
        JobSpec::from_value(job)
    }

    fn key(template: &str, given: Value) -> Result<Option<String>> {
        let job = spec(template).validate(&StepKinds::built_in()).unwrap();
        let Value::Object(given) = given else { panic!("parameters are an object") };
        job.concurrency_key(&job.bind(given)?.shown)
    }

    #[test]
    fn a_key_is_made_of_parameters() {
        assert_eq!(key("deploy", json!({})).unwrap().as_deref(), Some("deploy"));
        assert_eq!(key("deploy {{ site }}", json!({})).unwrap().as_deref(), Some("deploy home"));
        let given = json!({"site": "a b; \"c\" é"});
        assert_eq!(key("{{ site }}", given).unwrap().as_deref(), Some("a b; \"c\" é"), "text is not quoted");
        let required = spec("{{ host }}").validate(&StepKinds::built_in()).unwrap();
        assert_eq!(required.required_parameters(), ["host"]);
    }

    #[test]
    fn what_makes_no_key_is_refused_with_the_place() {
        for (template, given) in [
            ("{{ site }}", json!({"site": " "})),
            ("{{ site }}", json!({"site": "x".repeat(256)})),
            ("{{ site }}", json!({"site": "a\nb"})),
            ("{{ site }}", json!({"site": null})),
        ] {
            let error = key(template, given).unwrap_err();
            assert_eq!(error.kind(), ErrorKind::InvalidParameters);
            assert_eq!(error.problems()[0].pointer, "/concurrencyKey");
        }
        assert!(key("{{ site }}", json!({"site": "x".repeat(255)})).is_ok());
    }

    #[test]
    fn a_key_that_reads_what_a_run_does_not_have_yet_is_a_fault() {
        for template in ["{{ target.name }}", "{{ run.id }}", "{{ steps.a.stdout }}", "{{ site"] {
            let error = spec(template).validate(&StepKinds::built_in()).unwrap_err();
            assert_eq!(error.problems().len(), 1, "{error:?}");
            assert_eq!(error.problems()[0].pointer, "/concurrencyKey");
        }
    }
}
