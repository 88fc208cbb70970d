//! Plans of one to three steps over up to three targets.

use std::sync::Arc;

use proptest::{option, prelude::*};
use serde_json::{Map, json};

use crate::{
    run::plan::{Edge, Join, OnLost, PlannedStep, PlannedTarget, RunPlan, Runs},
    store::JobRecord,
    target::Target,
};

/// The steps of a plan.
#[derive(Debug, Clone)]
pub(super) struct Shape {
    steps: Vec<StepShape>,
    /// How many of the last steps follow a failure, and how many come in any case.
    parts: (u8, u8),
    max_parallel: Option<u32>,
    timeout_sec: Option<u32>,
}

#[derive(Debug, Clone)]
pub(super) struct StepShape {
    /// How many targets, of those that there are.
    targets: u8,
    /// Which of the steps before it are waited for, the nearest first.
    edges: [bool; 2],
    /// A barrier also where the targets are the same.
    barrier: bool,
    continue_on_error: bool,
    /// How many targets it takes at a time, and how many percent of these may fail.
    batches: Option<(u8, Option<u8>)>,
}

pub(super) fn shape() -> impl Strategy<Value = Shape> {
    let edges = prop_oneof![4 => Just([true, false]), 1 => any::<[bool; 2]>()];
    let batches = option::weighted(0.2, (1_u8..3, option::weighted(0.3, 0_u8..100)));
    let step = (0_u8..4, edges, prop::bool::weighted(0.3), prop::bool::weighted(0.2), batches).prop_map(
        |(targets, edges, barrier, continue_on_error, batches)| StepShape {
            targets,
            edges,
            barrier,
            continue_on_error,
            batches,
        },
    );
    // As often as not a single step: runs that are short come to their ends.
    let single = prop::collection::vec(step.clone(), 1..2);
    let steps = prop_oneof![single, prop::collection::vec(step, 1..4)];
    let parts = prop_oneof![2 => Just((0_u8, 0_u8)), 1 => (0_u8..3, 0_u8..3)];
    (steps, parts, option::weighted(0.1, 1_u32..3), option::weighted(0.2, 1_u32..30)).prop_map(
        |(steps, parts, max_parallel, timeout_sec)| Shape { steps, parts, max_parallel, timeout_sec },
    )
}

impl Shape {
    /// The plan over the first of `targets`.
    pub(super) fn plan(&self, job: &JobRecord, version: i32, targets: &[Target]) -> Arc<RunPlan> {
        let count = |step: &StepShape| u32::from(step.targets).min(targets.len() as u32);
        let used = self.steps.iter().map(count).max().unwrap_or_default();
        let steps = self.steps.iter().enumerate().map(|(index, step)| {
            let edges = (1..=index).zip(step.edges).filter(|(_, wanted)| *wanted);
            // A part of the run is whole in itself.
            let edges =
                edges.filter(|(back, _)| self.runs(index - back) == self.runs(index)).map(|(back, _)| {
                    let before = index - back;
                    let alike = count(&self.steps[before]) == count(step);
                    let both = count(&self.steps[before]) > 0 && count(step) > 0;
                    let join = match (step.barrier, alike) {
                        (false, true) => Join::PerTarget,
                        (false, false) if both && self.runs(index).is_on_success() => Join::SharedTargets,
                        _ => Join::Barrier,
                    };
                    Edge { step: before as u32, join }
                });
            PlannedStep {
                id: format!("step{index}"),
                name: None,
                kind: "test.noop".to_owned(),
                fields: Map::from_iter([("shell".to_owned(), json!("powershell"))]),
                targets: (0..count(step)).collect(),
                edges: edges.collect(),
                timeout_sec: 60,
                continue_on_error: step.continue_on_error,
                on_lost: OnLost::Fail,
                idempotent: false,
                max_output_bytes: 1 << 20,
                allow_raw: false,
                runs: self.runs(index),
                batches: step.batches.iter().map(|(size, _)| u32::from(*size)).collect(),
                max_fail_percentage: step.batches.and_then(|(_, most)| most),
                when: None,
                retry: None,
                register: None,
            }
        });
        Arc::new(RunPlan {
            job_name: job.name.clone(),
            job_version: version,
            parameters: Map::from_iter([("name".to_owned(), json!("välue"))]),
            secrets: Vec::new(),
            targets: targets.iter().take(used as usize).map(planned).collect(),
            steps: steps.collect(),
            earlier: Vec::new(),
            timeout_sec: self.timeout_sec,
            max_parallel: self.max_parallel,
            notify: Default::default(),
        })
    }
}

impl Shape {
    /// In which part of the run a step is; the first is always what the run is about.
    fn runs(&self, index: usize) -> Runs {
        let from_last = self.steps.len() - index;
        let (on_failure, always) = (usize::from(self.parts.0), usize::from(self.parts.1));
        match index {
            0 => Runs::OnSuccess,
            _ if from_last <= always => Runs::Always,
            _ if from_last <= always + on_failure => Runs::OnFailure,
            _ => Runs::OnSuccess,
        }
    }
}

fn planned(target: &Target) -> PlannedTarget {
    let spec = target.spec.clone();
    PlannedTarget {
        id: target.id,
        name: spec.name,
        hostname: spec.hostname,
        protocol: spec.protocol,
        port: spec.port,
        credential_ref: spec.credential_ref,
        tags: spec.tags,
        metadata: spec.metadata,
    }
}
