//! A job definition as it was written: [`JobSpec`].

use std::{fmt, sync::Arc};

use serde::{Deserialize, Deserializer};
use serde_json::Value;
use serde_saphyr::{DuplicateKeyPolicy, NonFiniteFloatPolicy, budget::BudgetBreach};

use super::{
    faults::Faults,
    strict::{self, Reading},
};
use crate::{Error, ErrorKind, Problem, Result};

/// The largest definition, as text and as what aliases in it unfold to.
pub const DEFINITION_BYTES_MAX: usize = 2 * 1024 * 1024;

/// How deep objects and lists of a definition may be nested.
pub const DEFINITION_DEPTH_MAX: usize = 64;

/// Nodes of a YAML document: what fits in [`DEFINITION_BYTES_MAX`] at a few bytes each.
const YAML_NODES_MAX: usize = 250_000;

/// A job definition in its wire form: well-formed, but not yet [checked](JobSpec::validate). Cloning it is cheap.
///
/// It can also be read as a part of another document, since it implements [`Deserialize`].
#[derive(Clone)]
pub struct JobSpec {
    definition: Arc<Value>,
    /// What was found while it was read.
    faults: Faults,
    /// Whether the definition was left out because it breaks a limit; `faults` says which.
    left_out: bool,
}

impl JobSpec {
    /// Reads a definition: JSON if it starts like JSON, with `{` or `[`, and YAML otherwise.
    ///
    /// # Errors
    ///
    /// `InvalidJob` with one problem that names line and column, when the text is neither or is too large.
    pub fn parse(text: &str) -> Result<Self> {
        let text = text.strip_prefix('\u{feff}').unwrap_or(text);
        if text.trim_start().starts_with(['{', '[']) { Self::from_json(text) } else { Self::from_yaml(text) }
    }

    /// Reads a definition in JSON.
    ///
    /// # Errors
    ///
    /// As [`JobSpec::parse`].
    pub fn from_json(text: &str) -> Result<Self> {
        check_text(text)?;
        let mut reading = Reading::default();
        let mut deserializer = serde_json::Deserializer::from_str(text);
        let read = reading.read(&mut deserializer).and_then(|value| deserializer.end().map(|()| value));
        let value = read.map_err(|error| {
            let said = error.to_string();
            let at = format!(" at line {} column {}", error.line(), error.column());
            unreadable("JSON", Some((error.line() as u64, error.column() as u64)), said.trim_end_matches(&at))
        })?;
        Ok(Self::read(value, reading.faults))
    }

    /// Reads a definition in YAML 1.2. Anchors, aliases and merge keys work, within limits; tags of one's own are refused.
    ///
    /// # Errors
    ///
    /// As [`JobSpec::parse`].
    pub fn from_yaml(text: &str) -> Result<Self> {
        check_text(text)?;
        let mut reading = Reading::default();
        let read =
            serde_saphyr::with_deserializer_from_str_with_options(text, yaml_options(), |deserializer| {
                reading.read(deserializer)
            });
        let value = read.map_err(|error| {
            let place = error.location().map(|at| (at.line(), at.column()));
            unreadable("YAML", place, &yaml_sentence(&error))
        })?;
        Ok(Self::read(value, reading.faults))
    }

    /// Takes a definition that is already a value, such as one from the store.
    pub fn from_value(definition: Value) -> Self {
        match strict::measure(&definition) {
            Ok(()) => Self::read(definition, Faults::default()),
            Err(limit) => {
                let mut faults = Faults::default();
                faults.add("", limit);
                Self { definition: Arc::new(Value::Null), faults, left_out: true }
            }
        }
    }

    /// The definition as it was written. A member that was given twice is there once, with its first value.
    pub fn as_value(&self) -> &Value {
        &self.definition
    }

    fn read(definition: Value, faults: Faults) -> Self {
        Self { definition: Arc::new(definition), faults, left_out: false }
    }

    pub(super) fn shared(&self) -> &Arc<Value> {
        &self.definition
    }

    pub(super) fn faults(&self) -> &Faults {
        &self.faults
    }

    pub(super) fn is_left_out(&self) -> bool {
        self.left_out
    }
}

impl<'de> Deserialize<'de> for JobSpec {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let mut reading = Reading::default();
        let value = reading.read(deserializer)?;
        Ok(Self::read(value, reading.faults))
    }
}

impl fmt::Debug for JobSpec {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // The definition may be large, and what people write into commands is not for logs.
        f.debug_struct("JobSpec").field("name", &self.definition.get("name")).finish_non_exhaustive()
    }
}

/// Reads another document in JSON or YAML by the rules for definitions, members given twice refused.
pub(crate) fn read_document(text: &str) -> Result<Value> {
    let JobSpec { definition, faults, .. } = JobSpec::parse(text)?;
    if faults.is_empty() {
        return Ok(Arc::unwrap_or_clone(definition));
    }
    let problems = faults.into_problems(&definition);
    Err(Error::with_problems(ErrorKind::InvalidInput, "the document does not hold", problems))
}

pub(super) fn too_large() -> String {
    format!("it is larger than {} MiB: move large content out of it", DEFINITION_BYTES_MAX / 1024 / 1024)
}

pub(super) fn too_deep() -> String {
    format!("objects and lists are nested deeper than {DEFINITION_DEPTH_MAX} levels: flatten them")
}

fn check_text(text: &str) -> Result<()> {
    if text.trim().is_empty() {
        return Err(invalid("it is empty: write a job with `name`, `version` and `steps`"));
    }
    if text.len() > DEFINITION_BYTES_MAX { Err(invalid(too_large())) } else { Ok(()) }
}

/// What the parser says, without its own account of the place.
fn yaml_sentence(error: &serde_saphyr::Error) -> String {
    match error.without_snippet() {
        serde_saphyr::Error::Budget { breach: BudgetBreach::Documents { .. }, .. } => {
            return "there is more than one document: keep one".to_owned();
        }
        serde_saphyr::Error::Budget { breach: BudgetBreach::Depth { .. }, .. } => return too_deep(),
        _ => {}
    }
    let said = error.without_snippet().render_with_formatter(&serde_saphyr::UserMessageFormatter);
    // Within an alias a breach comes as text only.
    if said.contains("too large or too complex") || said.contains("replay limit") {
        return "with its aliases followed it is larger than a definition may be: use fewer".to_owned();
    }
    let marks = [" at line ", " (defined at line ", " (used at line "];
    let end = marks.iter().filter_map(|mark| said.find(mark)).min();
    said[..end.unwrap_or(said.len())].to_owned()
}

fn unreadable(form: &str, place: Option<(u64, u64)>, said: &str) -> Error {
    let said = said.trim();
    match place {
        Some((line, column)) => {
            invalid(format!("this is not valid {form}, at line {line}, column {column}: {said}"))
        }
        None => invalid(format!("this is not valid {form}: {said}")),
    }
}

fn invalid(message: impl Into<String>) -> Error {
    Error::with_problems(
        ErrorKind::InvalidJob,
        "the definition cannot be read",
        vec![Problem::new("", message)],
    )
}

fn yaml_options() -> serde_saphyr::Options {
    serde_saphyr::options! {
        budget: serde_saphyr::budget! {
            max_depth: DEFINITION_DEPTH_MAX,
            max_nodes: YAML_NODES_MAX,
            max_events: 2 * YAML_NODES_MAX,
            max_aliases: 1_000,
            max_anchors: 1_000,
            max_recorded_anchor_events: YAML_NODES_MAX,
            max_recorded_anchor_bytes: 8 * DEFINITION_BYTES_MAX,
            max_documents: 1,
            max_merge_keys: 1_000,
            max_total_scalar_bytes: DEFINITION_BYTES_MAX,
        },
        alias_limits: serde_saphyr::alias_limits! {
            max_total_replayed_events: YAML_NODES_MAX,
            max_replay_stack_depth: 16,
            max_alias_expansions_per_anchor: 1_000,
        },
        // Repeats are passed on so that each is named with its pointer, beside the other faults.
        duplicate_keys: DuplicateKeyPolicy::PassThrough,
        non_finite_float_policy: NonFiniteFloatPolicy::Reject,
        // `no` is a word, `0755` a file mode and `1_000` a name: only what JSON would also read so is a number or a truth.
        strict_booleans: true,
        leading_zero_numbers_as_strings: true,
        underscored_numbers_as_strings: true,
        reject_unsupported_tags: true,
        emit_comments: false,
        with_snippet: false,
    }
}

#[cfg(test)]
mod tests;
