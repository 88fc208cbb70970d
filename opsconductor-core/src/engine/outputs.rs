//! What a step reads of the steps before it: `steps.<id>.stdout` and what was registered.

use serde_json::{Map, Value, json};

use super::{Inner, plans::Prepared};
use crate::{
    Error, ErrorKind, Result,
    job::StepTemplates,
    run::{
        earlier::{EarlierOutput, OutputPlace},
        plan::RunPlan,
    },
    store::Claimed,
    template::{Condition, Template},
};

/// An earlier step whose output templates read.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Source {
    /// The id of the step.
    pub(super) id: String,
    /// Whether it is read as `steps.<id>`.
    by_id: bool,
    /// The name it was registered by, where it is read by that.
    registered: Option<String>,
    /// Whether its output is read as JSON.
    json: bool,
    /// What it wrote, as far as it is read.
    pub(super) texts: Texts,
}

/// Which of the two streams are read.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Texts {
    stdout: bool,
    stderr: bool,
}

impl Texts {
    /// Those that a member of a step stands for; both for the whole.
    fn of(member: Option<&str>) -> Self {
        let whole = !matches!(member, Some("stdout" | "json" | "stderr" | "exitCode" | "status"));
        Self {
            stdout: whole || matches!(member, Some("stdout" | "json")),
            stderr: whole || member == Some("stderr"),
        }
    }

    /// Reads what another reads too.
    pub(super) fn add(&mut self, other: Self) {
        self.stdout |= other.stdout;
        self.stderr |= other.stderr;
    }

    /// Leaves of an output what is read.
    pub(super) fn cut(self, output: &mut EarlierOutput) {
        if !self.stdout {
            output.stdout = String::new();
        }
        if !self.stderr {
            output.stderr = String::new();
        }
    }
}

/// The earlier steps that the templates and the condition of a step read.
pub(super) fn sources(
    plan: &RunPlan,
    templates: &StepTemplates,
    condition: Option<&Condition>,
) -> Vec<Source> {
    let mut sources: Vec<Source> = Vec::new();
    let all = templates.iter().map(|(_, template)| template).chain(condition.map(Condition::reads));
    for path in all.flat_map(Template::paths) {
        let mut parts = path.split('.');
        let first = parts.next().unwrap_or_default();
        let by_id = first == "steps";
        let found = match by_id {
            true => parts.next().filter(|id| plan.knows(id)),
            false => plan.registered(first),
        };
        let Some(id) = found else { continue };
        let member = parts.next();
        let at = sources.iter().position(|source| source.id == id).unwrap_or_else(|| {
            let id = id.to_owned();
            sources.push(Source { id, by_id: false, registered: None, json: false, texts: Texts::default() });
            sources.len() - 1
        });
        let source = &mut sources[at];
        source.json |= member == Some("json");
        source.texts.add(Texts::of(member));
        source.by_id |= by_id;
        if !by_id {
            source.registered = Some(first.to_owned());
        }
    }
    sources
}

/// Adds to `values` what the templates of a task read of earlier steps.
///
/// # Errors
///
/// Those of the store; `Template` when an output is read as JSON and is none.
pub(super) async fn add(
    inner: &Inner,
    prepared: &Prepared,
    claimed: &Claimed,
    sources: &[Source],
    values: &mut Map<String, Value>,
) -> Result<()> {
    let mut by_id = Map::new();
    for source in sources {
        let place = prepared.plan.output_of(&source.id, claimed.target).ok_or_else(|| {
            let message = "the step whose output is read does not act on this target";
            Error::new(ErrorKind::Template, message).with("step", &source.id)
        })?;
        let value = match place {
            OutputPlace::Earlier(output) => value(output, source)?,
            OutputPlace::Task(place) => {
                let task = inner.store.task_at(claimed.tenant, claimed.lease.run, place).await?;
                value(&task.into(), source)?
            }
        };
        if let Some(name) = &source.registered {
            values.insert(name.clone(), value.clone());
        }
        if source.by_id {
            by_id.insert(source.id.clone(), value);
        }
    }
    if !by_id.is_empty() {
        values.insert("steps".to_owned(), Value::Object(by_id));
    }
    Ok(())
}

fn value(output: &EarlierOutput, source: &Source) -> Result<Value> {
    let mut value = json!({
        "stdout": without_last_newlines(&output.stdout),
        "stderr": without_last_newlines(&output.stderr),
        "exitCode": output.exit_code,
        "status": output.status.as_str(),
    });
    if source.json {
        // What the parser says could quote the output.
        value["json"] = serde_json::from_str(&output.stdout).map_err(|error| {
            Error::new(
                ErrorKind::Template,
                format!(
                    "the output of step {} is read as JSON and is not JSON, at line {}, column {}",
                    source.id,
                    error.line(),
                    error.column()
                ),
            )
        })?;
    }
    Ok(value)
}

/// The text as a shell's `$(…)` gives it, so that a line can be put into a command.
fn without_last_newlines(text: &str) -> &str {
    text.trim_end_matches(['\n', '\r'])
}
