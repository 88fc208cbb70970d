//! What a run that does a part of another one again knows of the rest: the outputs of steps that it does not do itself.
//!
//! They stand in the plan, not in the run that they come from: that one may be removed meanwhile, and a repeat of a repeat
//! has them at hand all the same.

use serde::{Deserialize, Serialize};

use super::{
    plan::{RunPlan, TaskKey},
    state::TaskStatus,
};
use crate::{id::TargetId, store::TaskRecord};

/// How much of such outputs a plan holds in all, in bytes.
pub const EARLIER_BYTES_MAX: usize = 8 * 1024 * 1024;

/// A step that was done before, by another run.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct EarlierStep {
    /// The step's id.
    pub id: String,
    /// A second name by which templates read its output.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub register: Option<String>,
    /// Whether it acted on several targets, so that each task reads what was said on its own.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub per_target: bool,
    /// Its outputs, as far as they are read.
    pub outputs: Vec<EarlierOutput>,
}

/// What such a step said on one target.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct EarlierOutput {
    /// The target, if the step acts on one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub target: Option<TargetId>,
    /// How it ended.
    pub status: TaskStatus,
    /// The exit code.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub exit_code: Option<i64>,
    /// The end of its standard output, redacted; empty where only the rest is read.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub stdout: String,
    /// The same of standard error.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub stderr: String,
}

impl From<TaskRecord> for EarlierOutput {
    fn from(task: TaskRecord) -> Self {
        Self {
            target: task.target,
            status: task.status,
            exit_code: task.exit_code,
            stdout: task.stdout,
            stderr: task.stderr,
        }
    }
}

/// Where a task finds what a step before it said.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum OutputPlace<'p> {
    /// At a task of the same run, by its place in [`RunPlan::tasks`].
    Task(u64),
    /// In the plan: another run did it.
    Earlier(&'p EarlierOutput),
}

impl EarlierStep {
    /// What a task for `target` reads of it.
    fn output(&self, target: Option<TargetId>) -> Option<&EarlierOutput> {
        match self.per_target {
            true => self.outputs.iter().find(|output| output.target == target),
            false => self.outputs.first(),
        }
    }
}

impl RunPlan {
    /// Whether a step has this id, be it done here or before.
    pub fn knows(&self, id: &str) -> bool {
        self.steps.iter().any(|step| step.id == id) || self.earlier.iter().any(|step| step.id == id)
    }

    /// The id of the step that a template reads by `name`, the first part of a path: one that registers its output so.
    pub fn registered(&self, name: &str) -> Option<&str> {
        let own = self.steps.iter().map(|step| (&step.id, &step.register));
        let earlier = self.earlier.iter().map(|step| (&step.id, &step.register));
        let mut all = own.chain(earlier);
        all.find(|(_, register)| register.as_deref() == Some(name)).map(|(id, _)| id.as_str())
    }

    /// Where a task for `target` finds what the step called `id` said: on the same target, or on the only one that it acts on.
    pub fn output_of(&self, id: &str, target: Option<TargetId>) -> Option<OutputPlace<'_>> {
        let earlier = self.earlier.iter().find(|step| step.id == id);
        if let Some(output) = earlier.and_then(|step| step.output(target)) {
            return Some(OutputPlace::Earlier(output));
        }
        let at = self.steps.iter().position(|step| step.id == id)? as u32;
        // Of a step that acts on several targets, another's will not do, though it be the only one that is left.
        let others_only = earlier.is_some_and(|step| step.per_target)
            && !target.is_some_and(|target| self.has_task(TaskKey { step: at, target: Some(target) }));
        (!others_only).then(|| self.source(at, target))?.map(OutputPlace::Task)
    }

    /// How many bytes of such outputs the plan holds.
    pub fn earlier_bytes(&self) -> usize {
        let outputs = self.earlier.iter().flat_map(|step| &step.outputs);
        outputs.map(|output| output.stdout.len() + output.stderr.len()).sum()
    }

    /// Whether there is such a task.
    pub fn has_task(&self, key: TaskKey) -> bool {
        let Some(step) = self.step(key.step) else { return false };
        match key.target {
            Some(target) => step.targets.iter().any(|at| self.targets[*at as usize].id == target),
            None => step.targets.is_empty(),
        }
    }
}
