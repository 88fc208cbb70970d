//! The snapshot that `enqueue` freezes: what will be done, where, and in which order.

use std::collections::{HashMap, HashSet};

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use crate::{
    id::{CredentialId, TargetId},
    notify::PlanNotices,
    run::{advance::Waiting, earlier::EarlierStep, retry::Retry},
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
    /// The defaults with the run's own parameters over them; a secret one is
    /// [`SECRET_SHOWN`](crate::job::SECRET_SHOWN).
    pub parameters: Map<String, Value>,
    /// The names of those that are secret, sorted. Their values are sealed, beside the plan:
    /// [`NewRun::secrets`](crate::store::NewRun::secrets).
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub secrets: Vec<String>,
    /// Every target that a step uses, once.
    pub targets: Vec<PlannedTarget>,
    /// The steps, in the order of the definition: those of the job, then `onFailure`, then `finally`.
    pub steps: Vec<PlannedStep>,
    /// What these read of steps that another run has done, of which this one does the rest.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub earlier: Vec<EarlierStep>,
    /// How many seconds the run may take from the start of its first task.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub timeout_sec: Option<u32>,
    /// How many of its tasks run at once, at most.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub max_parallel: Option<u32>,
    /// Who is told when it ends.
    #[serde(default, skip_serializing_if = "PlanNotices::is_empty")]
    pub notify: PlanNotices,
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
    /// In which part of a run it has its turn.
    #[serde(default, skip_serializing_if = "Runs::is_on_success")]
    pub runs: Runs,
    /// How many targets it takes at a time: the first batch, the second and so on, and the last number for all that follow.
    /// Empty: all at once.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub batches: Vec<u32>,
    /// The step is given up when more than so many percent of a batch have failed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub max_fail_percentage: Option<u8>,
}

/// In which part of a run a step has its turn.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Runs {
    /// It is what the run is about.
    #[default]
    OnSuccess,
    /// After all of these have ended, when the run has failed; else it is skipped.
    OnFailure,
    /// After all others have ended, however that was.
    Always,
}

impl Runs {
    /// Whether it is what the run is about.
    pub fn is_on_success(&self) -> bool {
        *self == Self::OnSuccess
    }
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
    /// Sets that are not the same, in what is left of a run: a task waits for its own target where the other step acts on it
    /// too, and else for nothing. Only steps that are what the run is about are matched so.
    SharedTargets,
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
    /// It waits until a person says whether it is to be sent again.
    Ask,
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
    /// Every task with the number of things it waits for, by step, then by the target's place. With `turn` the first ones wait
    /// for the run's turn too.
    pub fn tasks(&self, turn: bool) -> impl Iterator<Item = (TaskKey, u32)> + '_ {
        self.steps.iter().zip(0_u32..).flat_map(move |(step, index)| {
            let open = step.first_batch();
            self.tasks_of(step, index).zip(0..).map(move |((key, waits), place)| {
                (key, waits.max(u32::from(turn)) + u32::from(place >= open))
            })
        })
    }

    /// Every task with the number of things it waits for apart from a later batch and the run's turn.
    pub fn tasks_by_edges(&self) -> impl Iterator<Item = (TaskKey, u32)> + '_ {
        self.steps.iter().zip(0_u32..).flat_map(|(step, index)| self.tasks_of(step, index))
    }

    fn tasks_of<'p>(
        &'p self,
        step: &'p PlannedStep,
        index: u32,
    ) -> impl Iterator<Item = (TaskKey, u32)> + 'p {
        let all = step.waits();
        let shared = self.shared_with(step);
        let alone = step.targets.is_empty().then_some((TaskKey { step: index, target: None }, all));
        let each = step.targets.iter().map(move |at| {
            let not_met = shared.iter().filter(|targets| !targets.contains(at)).count() as u32;
            (TaskKey { step: index, target: Some(self.targets[*at as usize].id) }, all - not_met)
        });
        alone.into_iter().chain(each)
    }

    /// Of each step that this one shares targets with, all of its targets.
    fn shared_with(&self, step: &PlannedStep) -> Vec<HashSet<u32>> {
        let shared = step.edges.iter().filter(|edge| edge.join == Join::SharedTargets);
        shared.map(|edge| self.steps[edge.step as usize].targets.iter().copied().collect()).collect()
    }

    /// What begins with the run: whole steps, and of those that share targets with others the tasks that wait for nothing.
    pub fn begins(&self) -> Vec<(u32, Waiting)> {
        let mut begins = Vec::new();
        for (step, index) in self.steps.iter().zip(0_u32..) {
            if step.waits() == 0 {
                begins.push((index, Waiting::All));
            } else if step.edges.iter().all(|edge| edge.join == Join::SharedTargets) {
                let free = self.tasks_of(step, index).filter(|(_, waits)| *waits == 0);
                begins.extend(free.map(|(key, _)| (index, Waiting::One(key.target))));
            }
        }
        begins
    }

    /// Whether all is said of it by its steps and their edges: a store then has nothing to write but these.
    pub fn is_plain(&self) -> bool {
        let whole = self.steps.iter().all(|step| step.batches.is_empty());
        whole && self.timeout_sec.is_none() && self.max_parallel.is_none() && self.secrets.is_empty()
    }

    /// The targets of a step from the place `from` on, at most `count`.
    pub fn targets_of(&self, step: &PlannedStep, from: u32, count: u32) -> Vec<TargetId> {
        let places = step.targets.iter().skip(from as usize).take(count as usize);
        places.map(|at| self.targets[*at as usize].id).collect()
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

    /// How many things each of its tasks waits for, at most and apart from a later batch: the edges, or without any the part of
    /// the run that it belongs to.
    pub fn waits(&self) -> u32 {
        let part = self.edges.is_empty() && !self.runs.is_on_success();
        self.edges.len() as u32 + u32::from(part)
    }

    /// How many tasks the first batch has.
    pub fn first_batch(&self) -> u32 {
        self.batch_after(0)
    }

    /// How many tasks the batch has that begins after `opened` of them.
    pub fn batch_after(&self, opened: u32) -> u32 {
        let left = self.task_count().saturating_sub(opened);
        let (mut begin, mut size) = (0_u32, left);
        for next in &self.batches {
            size = (*next).max(1);
            if begin >= opened {
                break;
            }
            begin = begin.saturating_add(size);
        }
        size.min(left)
    }
}
