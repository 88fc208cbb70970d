//! Plans of one to three steps over up to three targets.

use std::sync::Arc;

use proptest::prelude::*;
use serde_json::{Map, json};

use crate::{
    run::plan::{Edge, Join, OnLost, PlannedStep, PlannedTarget, RunPlan},
    store::JobRecord,
    target::Target,
};

/// The steps of a plan.
#[derive(Debug, Clone)]
pub(super) struct Shape(pub(super) Vec<StepShape>);

#[derive(Debug, Clone)]
pub(super) struct StepShape {
    /// How many targets, of those that there are.
    targets: u8,
    /// Which of the steps before it are waited for, the nearest first.
    edges: [bool; 2],
    /// A barrier also where the targets are the same.
    barrier: bool,
    continue_on_error: bool,
}

pub(super) fn shape() -> impl Strategy<Value = Shape> {
    let edges = prop_oneof![4 => Just([true, false]), 1 => any::<[bool; 2]>()];
    let step = (0_u8..4, edges, prop::bool::weighted(0.3), prop::bool::weighted(0.2)).prop_map(
        |(targets, edges, barrier, continue_on_error)| StepShape {
            targets,
            edges,
            barrier,
            continue_on_error,
        },
    );
    // As often as not a single step: runs that are short come to their ends.
    let single = prop::collection::vec(step.clone(), 1..2);
    prop_oneof![single, prop::collection::vec(step, 1..4)].prop_map(Shape)
}

impl Shape {
    /// The plan over the first of `targets`.
    pub(super) fn plan(&self, job: &JobRecord, version: i32, targets: &[Target]) -> Arc<RunPlan> {
        let count = |step: &StepShape| u32::from(step.targets).min(targets.len() as u32);
        let used = self.0.iter().map(count).max().unwrap_or_default();
        let steps = self.0.iter().enumerate().map(|(index, step)| {
            let edges = (1..=index).zip(step.edges).filter(|(_, wanted)| *wanted).map(|(back, _)| {
                let before = index - back;
                let alike = count(&self.0[before]) == count(step);
                let join = if alike && !step.barrier { Join::PerTarget } else { Join::Barrier };
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
                when: None,
                retry: None,
                register: None,
            }
        });
        Arc::new(RunPlan {
            job_name: job.name.clone(),
            job_version: version,
            parameters: Map::from_iter([("name".to_owned(), json!("välue"))]),
            targets: targets.iter().take(used as usize).map(planned).collect(),
            steps: steps.collect(),
        })
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
