//! Dead letters: what went wrong for good, seen to by a person.

use std::{collections::HashMap, sync::Arc};

use super::{Run, Scoped};
use crate::{
    Error, ErrorKind, Result,
    auth::policy::{Action, Resource},
    id::{LetterId, RunId, TargetId},
    run::{
        plan::{RunPlan, TaskKey},
        state::TaskStatus,
    },
    store::{DeadLetter, Listing, NewRun, Page},
    target::Target,
};

/// How many tasks of a run are read at a time.
const TASKS_MAX: u32 = 1_000;

/// Calls on the dead letters of a tenant: one for each task that failed or was lost for good, whose step did not say to go on.
pub struct DeadLetterBox<'a> {
    pub(super) at: &'a Scoped,
}

impl DeadLetterBox<'_> {
    /// Letters, newest first.
    ///
    /// # Errors
    ///
    /// `Forbidden`.
    pub async fn list(&self, page: Page) -> Result<Listing<DeadLetter>> {
        self.at.authorize(Action::Read, Resource::DeadLetter)?;
        self.at.inner.store.list_dead_letters(self.at.scope.tenant, None, page).await
    }

    /// The letters of one run, newest first.
    ///
    /// # Errors
    ///
    /// `Forbidden`.
    pub async fn of_run(&self, run: RunId, page: Page) -> Result<Listing<DeadLetter>> {
        self.at.authorize(Action::Read, Resource::DeadLetter)?;
        self.at.inner.store.list_dead_letters(self.at.scope.tenant, Some(run), page).await
    }

    /// One letter.
    ///
    /// # Errors
    ///
    /// `Forbidden`; `NotFound`.
    pub async fn get(&self, id: LetterId) -> Result<DeadLetter> {
        self.at.authorize(Action::Read, Resource::DeadLetter)?;
        self.at.inner.store.dead_letter(self.at.scope.tenant, id).await
    }

    /// Removes a letter; the history of its run stays.
    ///
    /// # Errors
    ///
    /// `Forbidden`; `NotFound`.
    pub async fn discard(&self, id: LetterId) -> Result<()> {
        self.at.authorize(Action::Delete, Resource::DeadLetter)?;
        self.at.inner.store.discard_dead_letter(self.at.scope.tenant, id).await
    }

    /// Puts a run back of what did not succeed in the letter's run: a new run, its child, of the tasks that failed, were lost
    /// or were aborted. What succeeded is not done again, nor what was allowed to fail. Every letter of the run goes.
    ///
    /// The job's version and the parameters, secret ones too, are those of the first run; targets are as they are now, so that an address or a
    /// credential that was the fault can be mended first. A task that was lost may have been done: whoever redrives it has
    /// looked.
    ///
    /// # Errors
    ///
    /// `Forbidden`; `NotFound` for a letter that is gone, also because someone else was quicker; `Conflict` while the run goes
    /// on; `InvalidInput` for a job that is not active; `InvalidJob` when a target is not there any more.
    pub async fn redrive(&self, id: LetterId) -> Result<Run> {
        self.at.authorize(Action::Execute, Resource::DeadLetter)?;
        let (store, tenant) = (&self.at.inner.store, self.at.scope.tenant);
        let letter = store.dead_letter(tenant, id).await?;
        let first = store.run(tenant, letter.run).await?;
        if !first.status.is_final() {
            let message = "the run of the dead letter goes on; redrive it when it is over, or cancel it";
            return Err(Error::new(ErrorKind::Conflict, message).with("run", first.id));
        }
        let job = store.job(tenant, first.job).await?;
        if !job.is_active {
            return Err(Error::new(ErrorKind::InvalidInput, "the job is not active").with("job", job.name));
        }
        let plan = store.run_plan(tenant, first.id).await?;
        // The records go on as they are: what they are bound to is theirs, not the run's.
        let secrets = match plan.secrets.is_empty() {
            true => Vec::new(),
            false => store.run_secrets(tenant, first.id).await?,
        };
        let mut rest = self.rest(first.id, &plan).await?;
        self.look_up_targets(&mut rest).await?;
        let new = NewRun {
            job: first.job,
            plan: Arc::new(rest),
            secrets,
            if_current: false,
            requested_by: self.at.scope.actor.user_id(),
            correlation_id: first.correlation_id,
            idempotency: None,
            priority: first.priority,
            parent: Some(first.id),
            concurrency_key: first.concurrency_key,
            labels: first.labels,
        };
        let enqueued = store.redrive(tenant, first.id, new).await?;
        Ok(Run::new(self.at.clone(), enqueued.run.id))
    }

    /// What is left to do of a run that is over.
    async fn rest(&self, run: RunId, plan: &RunPlan) -> Result<RunPlan> {
        let mut ended: HashMap<TaskKey, TaskStatus> = HashMap::new();
        let mut page = Page { skip: 0, limit: TASKS_MAX };
        loop {
            let tasks = self.at.inner.store.tasks(self.at.scope.tenant, run, page).await?;
            page.skip += tasks.items.len() as u64;
            let done = tasks.items.is_empty() || page.skip >= tasks.total;
            for task in tasks.items {
                ended.insert(TaskKey { step: task.step, target: task.target }, task.status);
            }
            if done {
                break;
            }
        }
        let done = |key: TaskKey| match ended.get(&key) {
            Some(TaskStatus::Succeeded | TaskStatus::Skipped) => true,
            Some(TaskStatus::Failed | TaskStatus::Lost) => {
                plan.step(key.step).is_some_and(|step| step.continue_on_error)
            }
            _ => false,
        };
        plan.rest(done)
            .ok_or_else(|| Error::new(ErrorKind::NotFound, "nothing is left of the run").with("run", run))
    }

    /// Puts in where targets are now.
    async fn look_up_targets(&self, plan: &mut RunPlan) -> Result<()> {
        let names: Vec<String> = plan.targets.iter().map(|target| target.name.clone()).collect();
        let found = self.at.inner.store.targets_by_name(self.at.scope.tenant, &names).await?;
        let by_id: HashMap<TargetId, Target> = found.into_iter().map(|target| (target.id, target)).collect();
        for planned in &mut plan.targets {
            let Some(target) =
                by_id.get(&planned.id).filter(|target| target.spec.protocol == planned.protocol)
            else {
                let message =
                    "a target of the run is not there any more, or is another; enqueue the job anew";
                return Err(Error::new(ErrorKind::InvalidJob, message).with("target", &planned.name));
            };
            *planned = target.into();
        }
        Ok(())
    }
}
