//! What waits for a person: approvals, and questions about steps whose outcome is unknown.

use std::sync::Arc;

use serde::Serialize;

use super::Scoped;
use crate::{
    ErrorKind, Result,
    auth::policy::{Action, Resource},
    clock::Timestamp,
    id::RunId,
    run::plan::RunPlan,
    store::{Listing, Page, WaitsFor},
};

/// Calls on what of a tenant waits for a person's answer, which [`Run::decide`](super::Run::decide) gives.
pub struct Approvals<'a> {
    pub(super) at: &'a Scoped,
}

/// A step that waits for a person's answer.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct OpenApproval {
    /// The run.
    pub run: RunId,
    /// The name of its job.
    pub job: String,
    /// The id of the step.
    pub step: String,
    /// The name of the target, if the step acts on one.
    pub target: Option<String>,
    /// Whether the step is an approval, or one whose outcome is unknown.
    pub waits_for: WaitsFor,
    /// What is asked.
    pub message: String,
    /// Since when.
    pub since: Timestamp,
    /// Until when an answer counts; without one the step fails then, or stays lost.
    pub until: Timestamp,
}

impl Approvals<'_> {
    /// What waits for an answer in any run of the tenant, newest first. The caller need not be one who may give it.
    ///
    /// # Errors
    ///
    /// `Forbidden`.
    pub async fn list(&self, page: Page) -> Result<Listing<OpenApproval>> {
        self.at.authorize(Action::Read, Resource::Run)?;
        let (store, tenant) = (&self.at.inner.store, self.at.scope.tenant);
        let Listing { items: questions, total } = store.questions(tenant, page).await?;
        let mut last: Option<(RunId, Arc<RunPlan>)> = None;
        let mut items = Vec::with_capacity(questions.len());
        for question in questions {
            // The questions of a wide run often follow one another; more plans than one are not held, for each may be large.
            let plan = match last.take_if(|(run, _)| *run == question.run) {
                Some((_, plan)) => plan,
                None => match store.run_plan(tenant, question.run).await {
                    Ok(plan) => plan,
                    // It ended and was removed between the two looks.
                    Err(error) if error.kind() == ErrorKind::NotFound => continue,
                    Err(error) => return Err(error),
                },
            };
            let target = question.target.and_then(|id| plan.target(id));
            items.push(OpenApproval {
                run: question.run,
                job: plan.job_name.clone(),
                step: plan.step(question.step).map(|step| step.id.clone()).unwrap_or_default(),
                target: target.map(|target| target.name.clone()),
                waits_for: question.waits_for,
                message: question.message,
                since: question.since,
                until: question.until,
            });
            last = Some((question.run, plan));
        }
        Ok(Listing { items, total })
    }
}
