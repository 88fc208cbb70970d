//! [`PlanSketch`]: plans in a line or two.

use std::sync::Arc;

use serde_json::{Map, json};

use crate::{
    id::{CredentialId, TargetId},
    run::plan::{Edge, Join, OnLost, PlannedStep, PlannedTarget, RunPlan, Runs},
    store::JobRecord,
    transport::Protocol,
};

/// Puts a [`RunPlan`] together.
#[derive(Debug, Clone)]
pub struct PlanSketch(RunPlan);

impl PlanSketch {
    /// A plan for `job` in its present version, without steps, over `targets`.
    pub fn new(job: &JobRecord, targets: &[TargetId]) -> Self {
        let planned = |id: &TargetId| PlannedTarget {
            id: *id,
            name: format!("target-{id}"),
            hostname: "192.0.2.1".to_owned(),
            protocol: Protocol::Http,
            port: 80,
            credential_ref: None,
            tags: Vec::new(),
            metadata: Map::new(),
        };
        Self(RunPlan {
            job_name: job.name.clone(),
            job_version: job.version,
            parameters: Map::from_iter([("name".to_owned(), json!("välue"))]),
            secrets: Vec::new(),
            targets: targets.iter().map(planned).collect(),
            steps: Vec::new(),
            earlier: Vec::new(),
            timeout_sec: None,
            max_parallel: None,
            notify: Default::default(),
        })
    }

    /// One more step, over the targets at `targets` (none: a step that acts on none), which waits for `edges`.
    #[must_use]
    pub fn step(mut self, targets: &[u32], edges: &[(u32, Join)]) -> Self {
        self.0.steps.push(PlannedStep {
            id: format!("step{}", self.0.steps.len()),
            name: None,
            kind: "test.noop".to_owned(),
            fields: Map::from_iter([("shell".to_owned(), json!("powershell"))]),
            targets: targets.to_vec(),
            edges: edges.iter().map(|(step, join)| Edge { step: *step, join: *join }).collect(),
            timeout_sec: 60,
            continue_on_error: false,
            on_lost: OnLost::Fail,
            idempotent: false,
            max_output_bytes: 1 << 20,
            allow_raw: false,
            runs: Runs::OnSuccess,
            batches: Vec::new(),
            max_fail_percentage: None,
            when: None,
            retry: None,
            register: None,
        });
        self
    }

    /// Lets the last step fail without harm to those after it.
    #[must_use]
    pub fn continue_on_error(mut self) -> Self {
        if let Some(step) = self.0.steps.last_mut() {
            step.continue_on_error = true;
        }
        self
    }

    /// Says in which part of the run the last step has its turn.
    #[must_use]
    pub fn runs(mut self, runs: Runs) -> Self {
        if let Some(step) = self.0.steps.last_mut() {
            step.runs = runs;
        }
        self
    }

    /// Lets the last step take its targets in batches, until more than so many percent of one have failed.
    #[must_use]
    pub fn batches(mut self, batches: &[u32], max_fail_percentage: Option<u8>) -> Self {
        if let Some(step) = self.0.steps.last_mut() {
            (step.batches, step.max_fail_percentage) = (batches.to_vec(), max_fail_percentage);
        }
        self
    }

    /// Lets the run take no longer than so many seconds.
    #[must_use]
    pub fn timeout_sec(mut self, seconds: u32) -> Self {
        self.0.timeout_sec = Some(seconds);
        self
    }

    /// Lets at most so many tasks run at once.
    #[must_use]
    pub fn max_parallel(mut self, tasks: u32) -> Self {
        self.0.max_parallel = Some(tasks);
        self
    }

    /// Lets a credential open every target.
    #[must_use]
    pub fn credential(mut self, credential: CredentialId) -> Self {
        self.0.targets.iter_mut().for_each(|target| target.credential_ref = Some(credential));
        self
    }

    /// Gives the run a secret parameter.
    #[must_use]
    pub fn secret(mut self, name: &str) -> Self {
        self.0.parameters.insert(name.to_owned(), json!("[secret]"));
        self.0.secrets.push(name.to_owned());
        self
    }

    /// The plan.
    pub fn build(self) -> Arc<RunPlan> {
        Arc::new(self.0)
    }
}
