//! The snapshot that `enqueue` freezes: what will be done, where, and in which order.

use std::collections::HashMap;

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use crate::{
    id::{CredentialId, TargetId},
    run::retry::Retry,
    target::Target,
    transport::Protocol,
};

/// A run as it was when it was enqueued. Later changes of the job or of a target do not touch it; the credential's
/// current version is opened when a task is dispatched.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct RunPlan {
    /// The job's name.
    pub job_name: String,
    /// The version of the job that runs.
    pub job_version: i32,
    /// The defaults with the run's own parameters over them.
    pub parameters: Map<String, Value>,
    /// Every target that a step uses, once.
    pub targets: Vec<PlannedTarget>,
    /// The steps, in the order of the definition.
    pub steps: Vec<PlannedStep>,
}

/// A target's address as it was.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct PlannedTarget {
    /// The target.
    pub id: TargetId,
    /// Its name.
    pub name: String,
    /// A host name or an IP address.
    pub hostname: String,
    /// The protocol.
    pub protocol: Protocol,
    /// The TCP port.
    pub port: u16,
    /// The credential that opens it.
    pub credential_ref: Option<CredentialId>,
    /// Its tags.
    pub tags: Vec<String>,
    /// Its metadata.
    pub metadata: Map<String, Value>,
}

impl From<&Target> for PlannedTarget {
    fn from(Target { id, spec, .. }: &Target) -> Self {
        Self {
            id: *id,
            name: spec.name.clone(),
            hostname: spec.hostname.clone(),
            protocol: spec.protocol,
            port: spec.port,
            credential_ref: spec.credential_ref,
            tags: spec.tags.clone(),
            metadata: spec.metadata.clone(),
        }
    }
}

/// A step as it will run.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct PlannedStep {
    /// The step's id, its own or derived from its place.
    pub id: String,
    /// What it is called, if the author said.
    pub name: Option<String>,
    /// The step kind, such as `winrm.exec`.
    pub kind: String,
    /// The members that belong to the kind, not rendered.
    pub fields: Map<String, Value>,
    /// The targets, as indices into [`RunPlan::targets`]; empty for a kind that acts on none, which is one task.
    pub targets: Vec<u32>,
    /// What it waits for.
    pub edges: Vec<Edge>,
    /// The longest a task may take.
    pub timeout_sec: u32,
    /// Whether a failure lets the steps after it go on.
    pub continue_on_error: bool,
    /// What to do with a task whose outcome is not known.
    pub on_lost: OnLost,
    /// Whether sending it twice does no harm.
    pub idempotent: bool,
    /// How much output a task may store.
    pub max_output_bytes: u64,
    /// Whether templates may use `| raw`.
    pub allow_raw: bool,
    /// An expression that must hold, or the task is skipped.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub when: Option<String>,
    /// Whether it is tried again when it fails.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub retry: Option<Retry>,
    /// A second name, beside `steps.<id>`, by which templates read its output.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub register: Option<String>,
}

/// A step that another waits for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Edge {
    /// The index of the step waited for.
    pub step: u32,
    /// How tasks are matched.
    pub join: Join,
}

/// How the tasks of two steps are matched.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Join {
    /// Same set of targets: a task waits for its own target only.
    PerTarget,
    /// Different sets: every task waits for all of them.
    Barrier,
}

/// What becomes of a task that was dispatched and whose worker is gone.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
#[non_exhaustive]
pub enum OnLost {
    /// It ends `lost`, and the run fails.
    #[default]
    Fail,
    /// It is sent again; only for a step that is declared `idempotent`.
    Retry,
}

/// One task of a plan: a step and a target.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct TaskKey {
    /// The index of the step.
    pub step: u32,
    /// The target, if the step acts on one.
    pub target: Option<TargetId>,
}

impl RunPlan {
    /// Every task with the number of edges it waits for, by step, then by the target's place.
    pub fn tasks(&self) -> impl Iterator<Item = (TaskKey, u32)> + '_ {
        self.steps.iter().zip(0_u32..).flat_map(move |(step, index)| {
            let waits = step.edges.len() as u32;
            let alone = step.targets.is_empty().then_some(None);
            let each = step.targets.iter().map(|at| Some(self.targets[*at as usize].id));
            alone.into_iter().chain(each).map(move |target| (TaskKey { step: index, target }, waits))
        })
    }

    /// The target with `id`.
    pub fn target(&self, id: TargetId) -> Option<&PlannedTarget> {
        self.targets.iter().find(|target| target.id == id)
    }

    /// The credential of each target that has one: for whoever needs all of them.
    pub fn credentials(&self) -> HashMap<TargetId, CredentialId> {
        self.targets.iter().filter_map(|target| Some((target.id, target.credential_ref?))).collect()
    }

    /// The task of step `earlier` whose output a task of another step reads, as its place in [`RunPlan::tasks`]: the one
    /// for the same target, or the only one there is.
    pub fn source(&self, earlier: u32, target: Option<TargetId>) -> Option<u64> {
        let step = self.step(earlier)?;
        let first: u64 = self.steps[..earlier as usize].iter().map(|step| u64::from(step.task_count())).sum();
        if let [] | [_] = step.targets[..] {
            return Some(first);
        }
        let own = target?;
        let at = step.targets.iter().position(|at| self.targets[*at as usize].id == own)?;
        Some(first + at as u64)
    }

    /// The step at `index`.
    pub fn step(&self, index: u32) -> Option<&PlannedStep> {
        self.steps.get(index as usize)
    }
}

impl PlannedStep {
    /// How many tasks the step is.
    pub fn task_count(&self) -> u32 {
        (self.targets.len() as u32).max(1)
    }
}
