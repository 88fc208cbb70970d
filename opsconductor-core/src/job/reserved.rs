//! The names that the engine gives to templates beside the parameters: `target`, `run` and `steps`.

use serde_json::{Map, Value, json};

use crate::{
    id::RunId,
    run::plan::{PlannedTarget, RunPlan},
};

/// Names that a parameter may not have.
pub const NAMES: [&str; 3] = ["target", "steps", "run"];

/// What `target` has: `{{ target.hostname }}`.
pub const TARGET_MEMBERS: [&str; 6] = ["name", "hostname", "port", "protocol", "tags", "metadata"];

/// What `run` has: `{{ run.id }}`.
pub const RUN_MEMBERS: [&str; 3] = ["id", "job", "version"];

/// What an earlier step has: `{{ steps.check.stdout }}`.
pub const STEP_MEMBERS: [&str; 5] = ["stdout", "stderr", "exitCode", "status", "json"];

/// Whether `name` is one of [`NAMES`].
pub fn is_reserved(name: &str) -> bool {
    NAMES.contains(&name)
}

/// Everything that the templates of one task see: the run's parameters, `run`, and `target` if the step acts on one.
pub fn template_values(run: RunId, plan: &RunPlan, target: Option<&PlannedTarget>) -> Map<String, Value> {
    let mut values = plan.parameters.clone();
    values.insert(
        "run".to_owned(),
        json!({"id": run.get(), "job": plan.job_name, "version": plan.job_version}),
    );
    if let Some(target) = target {
        values.insert("target".to_owned(), target_value(target));
    }
    values
}

fn target_value(target: &PlannedTarget) -> Value {
    json!({
        "name": target.name,
        "hostname": target.hostname,
        "port": target.port,
        "protocol": target.protocol.as_str(),
        "tags": target.tags,
        "metadata": target.metadata,
    })
}
