//! What a step reads of the steps before it: `steps.<id>.stdout` and what was registered.

use serde_json::{Map, Value, json};

use super::{Inner, plans::Prepared};
use crate::{
    Error, ErrorKind, Result,
    job::StepTemplates,
    run::plan::RunPlan,
    store::{Claimed, TaskRecord},
    template::{Condition, Template},
};

/// An earlier step whose output templates read.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Source {
    step: u32,
    /// Whether it is read as `steps.<id>`.
    by_id: bool,
    /// The name it was registered by, where it is read by that.
    registered: Option<String>,
    /// Whether its output is read as JSON.
    json: bool,
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
            true => parts.next().and_then(|id| plan.steps.iter().position(|step| step.id == id)),
            false => plan.steps.iter().position(|step| step.register.as_deref() == Some(first)),
        };
        let Some(step) = found else { continue };
        let json = parts.next().is_some_and(|member| member == "json");
        let step = step as u32;
        let at = sources.iter().position(|source| source.step == step).unwrap_or_else(|| {
            sources.push(Source { step, by_id: false, registered: None, json: false });
            sources.len() - 1
        });
        let source = &mut sources[at];
        source.json |= json;
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
        let step = prepared.step(source.step)?;
        let place = prepared.plan.source(source.step, claimed.target).ok_or_else(|| {
            let message = "the step whose output is read does not act on this target";
            Error::new(ErrorKind::Template, message).with("step", &step.id)
        })?;
        let task = inner.store.task_at(claimed.tenant, claimed.lease.run, place).await?;
        let value = value(&task, &step.id, source.json)?;
        if let Some(name) = &source.registered {
            values.insert(name.clone(), value.clone());
        }
        if source.by_id {
            by_id.insert(step.id.clone(), value);
        }
    }
    if !by_id.is_empty() {
        values.insert("steps".to_owned(), Value::Object(by_id));
    }
    Ok(())
}

fn value(task: &TaskRecord, id: &str, as_json: bool) -> Result<Value> {
    let mut value = json!({
        "stdout": without_last_newlines(&task.stdout),
        "stderr": without_last_newlines(&task.stderr),
        "exitCode": task.exit_code,
        "status": task.status.as_str(),
    });
    if as_json {
        // What the parser says could quote the output.
        value["json"] = serde_json::from_str(&task.stdout).map_err(|error| {
            Error::new(
                ErrorKind::Template,
                format!(
                    "the output of step {id} is read as JSON and is not JSON, at line {}, column {}",
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
