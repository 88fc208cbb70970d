//! Configuration as code: the targets, jobs and notification rules that a tenant is to have, as files say it.
//!
//! A file is JSON or YAML: an object with any of the members `targets`, `jobs` and `notifications`, or a job definition by
//! itself. Credentials are named, never written down. [`Scoped::config`](crate::engine::Scoped::config) compares this with what
//! is there, and makes it so.
//!
//! ```
//! use opsconductor_core::config::Desired;
//!
//! let mut desired = Desired::default();
//! desired.add("hosts.yaml", "
//! targets:
//!   - name: web-1
//!     hostname: 10.0.0.5
//!     credential: win-admin
//!     tags: [role:web]
//! ")?;
//! let twice = desired.add("more.yaml", "targets: [{name: web-1, hostname: 10.0.0.6, credential: win-admin}]");
//! assert!(twice.unwrap_err().to_string().contains("hosts.yaml"));
//! # Ok::<(), opsconductor_core::Error>(())
//! ```

use std::collections::HashMap;

use serde::{Deserialize, de::DeserializeOwned};
use serde_json::{Map, Value};

use crate::{
    Error, ErrorKind, JobSpec, Problem, Result,
    job::{pointer, read_document},
    notify::Rule,
    transport::Protocol,
};

/// The most targets and jobs of one configuration.
pub const ITEMS_MAX: usize = 50_000;

/// What a tenant is to have. Empty at first; files are added one by one.
#[derive(Debug, Clone, Default)]
pub struct Desired {
    pub(crate) targets: Vec<Placed<TargetConfig>>,
    pub(crate) jobs: Vec<Placed<JobConfig>>,
    pub(crate) rules: Option<Placed<Vec<Rule>>>,
    /// Where each name stands, to tell who has it already.
    places: HashMap<(Kind, String), String>,
}

/// A kind of thing that is configured.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Kind {
    /// A target.
    Target,
    /// A job.
    Job,
    /// The rules of the tenant for notifications, as a whole.
    Notifications,
}

impl Kind {
    /// Its name.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Target => "target",
            Self::Job => "job",
            Self::Notifications => "notifications",
        }
    }
}

/// A thing and where it was read.
#[derive(Debug, Clone)]
pub(crate) struct Placed<T> {
    /// The pointer to it, after the file's name if it has one.
    pub(crate) place: String,
    pub(crate) item: T,
}

/// A target, as a file says it.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct TargetConfig {
    pub(crate) name: String,
    pub(crate) hostname: String,
    #[serde(default = "winrm")]
    pub(crate) protocol: Protocol,
    pub(crate) port: Option<u16>,
    /// The credential's name.
    pub(crate) credential: Option<String>,
    #[serde(default)]
    pub(crate) tags: Vec<String>,
    #[serde(default)]
    pub(crate) metadata: Map<String, Value>,
    /// The names of targets that come before it.
    #[serde(default)]
    pub(crate) depends_on: Vec<String>,
}

fn winrm() -> Protocol {
    Protocol::Winrm
}

/// A job, under its name.
#[derive(Debug, Clone)]
pub(crate) struct JobConfig {
    pub(crate) name: String,
    pub(crate) spec: JobSpec,
}

impl Desired {
    /// Adds what a file says. `source` names it in problems.
    ///
    /// # Errors
    ///
    /// `InvalidInput` with every problem of the file, each with its place: it cannot be read, holds what it should not, or names
    /// something that is there already. Nothing of it is added then.
    pub fn add(&mut self, source: &str, text: &str) -> Result<()> {
        let document = read_document(text).map_err(|error| {
            let problems = error.problems().iter();
            let placed = problems.map(|it| Problem::new(place(source, &it.pointer), &it.message));
            refuse(placed.collect())
        })?;
        self.add_value(source, document)
    }

    /// Adds what a document says.
    ///
    /// # Errors
    ///
    /// As [`Desired::add`].
    pub fn add_value(&mut self, source: &str, document: Value) -> Result<()> {
        let mut next = self.clone();
        let mut problems = Vec::new();
        match document {
            Value::Object(members) if members.contains_key("steps") => {
                next.add_job(place(source, ""), Value::Object(members), &mut problems);
            }
            Value::Object(members) => {
                for (name, value) in members {
                    let at = place(source, &pointer("", &name));
                    match (name.as_str(), value) {
                        ("targets", Value::Array(items)) => next.add_targets(&at, items, &mut problems),
                        ("jobs", Value::Array(items)) => {
                            for (index, item) in items.into_iter().enumerate() {
                                next.add_job(pointer(&at, &index.to_string()), item, &mut problems);
                            }
                        }
                        ("notifications", Value::Array(items)) => next.add_rules(at, items, &mut problems),
                        ("targets" | "jobs" | "notifications", _) => {
                            problems.push(Problem::new(at, "it is a list"));
                        }
                        _ => problems.push(Problem::new(
                            at,
                            "a file has the members `targets`, `jobs` and `notifications`, or is a job definition with `steps`",
                        )),
                    }
                }
            }
            _ => problems.push(Problem::new(place(source, ""), "it is an object")),
        }
        if next.targets.len() + next.jobs.len() > ITEMS_MAX {
            let message = format!("a configuration has at most {ITEMS_MAX} targets and jobs");
            problems.push(Problem::new(place(source, ""), message));
        }
        if problems.is_empty() {
            *self = next;
            return Ok(());
        }
        Err(refuse(problems))
    }

    fn add_targets(&mut self, at: &str, items: Vec<Value>, problems: &mut Vec<Problem>) {
        for (index, item) in items.into_iter().enumerate() {
            let place = pointer(at, &index.to_string());
            let Some(item) = read::<TargetConfig>(&place, item, problems) else { continue };
            if self.is_new(Kind::Target, &item.name, &place, problems) {
                self.targets.push(Placed { place, item });
            }
        }
    }

    fn add_job(&mut self, place: String, definition: Value, problems: &mut Vec<Problem>) {
        let Some(name) = definition.get("name").and_then(Value::as_str).map(str::to_owned) else {
            problems.push(Problem::new(place, "a job has a `name`"));
            return;
        };
        if self.is_new(Kind::Job, &name, &place, problems) {
            let spec = JobSpec::from_value(definition);
            self.jobs.push(Placed { place, item: JobConfig { name, spec } });
        }
    }

    fn add_rules(&mut self, place: String, items: Vec<Value>, problems: &mut Vec<Problem>) {
        let before = problems.len();
        let mut rules = Vec::with_capacity(items.len());
        for (index, item) in items.into_iter().enumerate() {
            let at = pointer(&place, &index.to_string());
            let Some(rule) = read::<Rule>(&at, item, problems) else { continue };
            match rule.check() {
                Ok(()) => rules.push(rule),
                Err(error) => problems.push(Problem::new(at, error.to_string())),
            }
        }
        if self.is_new(Kind::Notifications, "", &place, problems) && problems.len() == before {
            self.rules = Some(Placed { place, item: rules });
        }
    }

    fn is_new(&mut self, kind: Kind, name: &str, place: &str, problems: &mut Vec<Problem>) -> bool {
        let first = self.places.entry((kind, name.to_owned())).or_insert_with(|| place.to_owned());
        if first == place {
            return true;
        }
        let what = match kind {
            Kind::Notifications => "the rules for notifications stand".to_owned(),
            kind => format!("a {} of this name stands", kind.as_str()),
        };
        problems.push(Problem::new(place, format!("{what} at {first} already")));
        false
    }
}

fn read<T: DeserializeOwned>(place: &str, value: Value, problems: &mut Vec<Problem>) -> Option<T> {
    match serde_json::from_value(value) {
        Ok(read) => Some(read),
        Err(error) => {
            // What was given may be a secret in a wrong place: what was expected says enough.
            let said = error.to_string();
            let said = match said.split_once(", expected ") {
                Some((head, expected)) if head.starts_with("invalid ") => {
                    format!("it does not fit: expected {expected}")
                }
                _ => said,
            };
            problems.push(Problem::new(place, said));
            None
        }
    }
}

/// A place in a file: `hosts.yaml#/targets/3`, or the pointer alone where the document has no name.
fn place(source: &str, pointer: &str) -> String {
    if source.is_empty() { pointer.to_owned() } else { format!("{source}#{pointer}") }
}

pub(crate) fn refuse(problems: Vec<Problem>) -> Error {
    Error::with_problems(ErrorKind::InvalidInput, "the configuration does not hold", problems)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test may panic")]

    use super::*;

    fn problems(text: &str) -> Vec<String> {
        let refused = Desired::default().add("a.yaml", text).unwrap_err();
        assert_eq!(refused.kind(), ErrorKind::InvalidInput, "{refused:?}");
        refused.problems().iter().map(|problem| problem.pointer.clone()).collect()
    }

    #[test]
    fn every_problem_of_a_file_has_its_place() {
        let text = "
targets:
  - {name: a, hostname: h, credential: c}
  - {name: b, hostname: h, credential: c, pasword: x}
  - {name: a, hostname: h, credential: c}
jobs: [{version: 1, steps: []}]
notifications: [{on: failure, channel: webhook, dest: 'no url'}]
surprise: 1
";
        let expected = ["/targets/1", "/targets/2", "/jobs/0", "/notifications/0", "/surprise"]
            .map(|it| format!("a.yaml#{it}"));
        assert_eq!(problems(text), expected);
        assert_eq!(problems("targets: 3"), ["a.yaml#/targets"]);
        assert_eq!(problems("[]"), ["a.yaml#"]);
        assert_eq!(problems("targets: [{name: a, name: b, hostname: h}]"), ["a.yaml#/targets/0/name"]);
        assert_eq!(problems("{"), ["a.yaml#"]);
    }

    #[test]
    fn a_file_that_is_refused_adds_nothing_and_a_job_may_stand_alone() {
        let mut desired = Desired::default();
        desired.add("job.yaml", "name: J\nversion: 1\nsteps: []\n").unwrap();
        let both = "targets: [{name: a, hostname: h}]\njobs: [{name: J, steps: []}]\n";
        let refused = desired.add("b.yaml", both).unwrap_err();
        assert!(refused.to_string().contains("job.yaml#"), "{refused}");
        assert!(desired.targets.is_empty());
        assert_eq!(desired.jobs[0].item.name, "J");
        desired.add("", r#"{"notifications": []}"#).unwrap();
        assert!(desired.rules.is_some_and(|rules| rules.item.is_empty() && rules.place == "/notifications"));
    }
}
