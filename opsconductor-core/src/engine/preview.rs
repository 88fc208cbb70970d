//! What a run would do, without doing it.

use serde::Serialize;
use serde_json::{Map, Value};
use sha2::{Digest, Sha256};

use super::{
    Jobs,
    canonical::canonical,
    plans::{Compiled, unknown_kind},
};
use crate::{
    Error, ErrorKind, Result,
    auth::policy::{Action, Resource},
    id::RunId,
    job::{JobSpec, SECRET_SHOWN, reserved::template_values},
    run::plan::{PlannedStep, RunPlan},
    template::Template,
};

/// What templates get for a secret parameter: a value that is plain everywhere, so that the plan shows the command as a plain
/// secret would make it. [`SECRET_SHOWN`] then takes its place.
const STAND_IN: &str = "opsconductor.secret.parameter";

/// What a run would do, as [`Jobs::plan`] found it.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[non_exhaustive]
pub struct Preview {
    /// Tells whether a run does just this: [`RunOptions::plan_digest`](super::RunOptions::plan_digest). SHA-256 in hexadecimal.
    pub digest: String,
    /// The tasks, by step, then in the order of targets.
    pub tasks: Vec<PreviewTask>,
}

/// A task that would run.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[non_exhaustive]
pub struct PreviewTask {
    /// The id of the step.
    pub step: String,
    /// The step kind, such as `winrm.exec`.
    #[serde(rename = "type")]
    pub kind: String,
    /// The name of the target.
    pub target: Option<String>,
    /// The command as it would be sent; for other kinds what of the step is made from templates, as JSON. A template that reads
    /// what only a run knows (`steps`, what steps register, `run.id`) stands as it is written, and a secret parameter is shown as
    /// [`SECRET_SHOWN`].
    pub command: String,
    /// The condition that must hold when it is its turn.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub when: Option<String>,
}

impl Jobs<'_> {
    /// What a run of the job called `name` with these parameters would do now. Nothing is stored.
    ///
    /// # Errors
    ///
    /// As [`Jobs::run`]; `Template` when a value may not go where it stands.
    pub async fn plan(&self, name: &str, parameters: Map<String, Value>) -> Result<Preview> {
        self.at.authorize(Action::Read, Resource::Job)?;
        let record = self.at.inner.store.job_by_name(self.at.scope.tenant, name).await?;
        let job = self.at.inner.definitions.of(&record, &self.at.inner.kinds)?;
        let mut plan = job.plan(&self.targets_of(&job).await?, parameters)?;
        plan.job_name.clone_from(&record.name);
        plan.job_version = record.version;
        self.preview(&plan)
    }

    /// The same of a definition that is not saved.
    ///
    /// # Errors
    ///
    /// As [`Jobs::create`] and [`Jobs::plan`].
    pub async fn plan_of(&self, spec: &JobSpec, parameters: Map<String, Value>) -> Result<Preview> {
        self.at.authorize(Action::Read, Resource::Job)?;
        let job = self.check(spec).await?;
        self.preview(&job.plan(&self.targets_of(&job).await?, parameters)?)
    }

    fn preview(&self, plan: &RunPlan) -> Result<Preview> {
        let mut compiled = Vec::with_capacity(plan.steps.len());
        for step in &plan.steps {
            compiled.push(Compiled::new(&self.at.inner, plan, step)?);
        }
        let tasks = plan.tasks(false).map(|(key, _)| {
            let (at, target) = (key.step as usize, key.target.and_then(|id| plan.target(id)));
            let step = &plan.steps[at];
            // No run has this number; nothing that reads it is rendered.
            let mut values = template_values(RunId::new(0), plan, target);
            for name in &plan.secrets {
                values.insert(name.clone(), Value::from(STAND_IN));
            }
            let command = self.command(plan, step, &compiled[at], &values).map_err(|error| {
                let error = error.with("step", &step.id);
                if let Some(target) = target { error.with("target", &target.name) } else { error }
            })?;
            Ok(PreviewTask {
                step: step.id.clone(),
                kind: step.kind.clone(),
                target: target.map(|target| target.name.clone()),
                command: if plan.secrets.is_empty() {
                    command
                } else {
                    command.replace(STAND_IN, SECRET_SHOWN)
                },
                when: step.when.clone(),
            })
        });
        Ok(Preview { digest: digest(plan), tasks: tasks.collect::<Result<_>>()? })
    }

    fn command(
        &self,
        plan: &RunPlan,
        step: &PlannedStep,
        compiled: &Compiled,
        values: &Map<String, Value>,
    ) -> Result<String> {
        let known = |template: &Template| !reads_the_run(plan, template);
        let rendered = compiled.templates.render_some(&step.fields, values, known)?;
        for member in ["command", "script"] {
            if let Some(command) = rendered.get(member).and_then(Value::as_str) {
                return Ok(command.to_owned());
            }
        }
        let handler = self.at.inner.kinds.get(&step.kind).ok_or_else(|| unknown_kind(&step.kind))?;
        let mut shown = Map::new();
        for field in handler.templates(&step.fields) {
            let member = field.pointer.split('/').nth(1).unwrap_or_default();
            if let Some(value) = rendered.get(member) {
                shown.insert(member.to_owned(), value.clone());
            }
        }
        Ok(Value::Object(shown).to_string())
    }
}

/// Whether a template reads what only a run knows.
fn reads_the_run(plan: &RunPlan, template: &Template) -> bool {
    template.paths().iter().any(|path| {
        let first = path.split('.').next().unwrap_or_default();
        path == "run"
            || path == "run.id"
            || first == "steps"
            || plan.steps.iter().any(|step| step.register.as_deref() == Some(first))
    })
}

/// What tells two plans apart: the parameters (secret ones as they are shown), the targets with their addresses, and the steps. Not the job's name and
/// version, so that a version that does the same is the same.
pub(super) fn digest(plan: &RunPlan) -> String {
    let parts = serde_json::json!({
        "parameters": plan.parameters,
        "targets": plan.targets,
        "steps": plan.steps,
    });
    let digest = Sha256::digest(canonical(&parts));
    digest.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// Refuses a plan that is not the one that was looked at.
pub(super) fn check_digest(plan: &RunPlan, expected: Option<&str>) -> Result<()> {
    let Some(expected) = expected else { return Ok(()) };
    let found = digest(plan);
    if found.eq_ignore_ascii_case(expected) {
        return Ok(());
    }
    let message = "the plan is not the one that was looked at: the job, its targets or its parameters have changed since; \
                   look at it again";
    Err(Error::new(ErrorKind::Conflict, message).with("digest", found))
}
