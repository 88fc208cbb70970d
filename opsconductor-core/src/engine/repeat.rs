//! Runs that are over, done again in part: what did not succeed, or a step and all that follows it.

use std::{
    collections::{HashMap, HashSet},
    sync::Arc,
    time::Duration,
};

use super::{Run, Scoped, earlier, noted, notices};
use crate::{
    Error, ErrorKind, Result,
    audit::Entry,
    id::{RunId, TargetId},
    run::{
        plan::{PlannedStep, RunPlan, TaskKey},
        state::TaskStatus,
    },
    store::{NewRun, Repeats, RunRecord, WaitsFor},
    target::Target,
};

/// How many tasks of a run are read at a time, each with up to 128 KiB of output.
pub(super) const TASKS_MAX: u32 = 250;

/// The targets for which a step is done again, with all that follows it.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum RerunTargets {
    /// All of them.
    #[default]
    All,
    /// Those on which something failed, was lost or was aborted. Steps without targets are done again too.
    Failed,
}

impl Run {
    /// Does again what did not succeed: a new run, with this one as its parent, of the tasks that failed, were lost or were
    /// aborted. What succeeded is not done again, nor what was allowed to fail; what steps read of it they read as it was.
    ///
    /// The job's version and the parameters are those of this run; targets are as they are now, so that an address or a
    /// credential that was the fault can be mended first. **A task that was lost may have been done**: nothing is ever sent
    /// again on its own, and whoever retries a run says that they have looked. The dead letters of this run go. What was
    /// done again is not done again once more: go on from the run that did it.
    ///
    /// # Errors
    ///
    /// `Forbidden`; `NotFound` when it has been removed; `Conflict` while it goes on, when it succeeded, when it was done again
    /// already, and while another run that came of the same first one goes on; `InvalidInput` for a job that is not active, and when what is to be read of the steps that
    /// are done is more than [`EARLIER_BYTES_MAX`](crate::run::EARLIER_BYTES_MAX); `InvalidJob` when a target is not there any more.
    pub async fn retry(&self) -> Result<Run> {
        let (entry, over) = self.to_repeat().await?;
        let rest = over.what_failed()?;
        self.repeat(entry, over, rest, Repeats::Once).await
    }

    /// Does the step with the id `step` again and all that follows it, however they ended: a new run, with this one as its parent,
    /// of the step, of all steps that wait for it, be it through others, and of those of `onFailure` and `finally`. What they read of the
    /// steps before they read as it was, also where these failed.
    ///
    /// Otherwise as [`Run::retry`]. Nothing goes past a person who said no, or nothing: an approval that the step comes after must
    /// have been given, or the run goes on from there.
    ///
    /// # Errors
    ///
    /// As [`Run::retry`], but a run that succeeded will do, and one that was done again; `Conflict` too when an approval was not given;
    /// `NotFound`, naming the steps there are, for a step that the run did
    /// not do; with [`RerunTargets::Failed`] `Conflict` when the step acts on none of the targets that failed.
    pub async fn rerun_from(&self, step: &str, targets: RerunTargets) -> Result<Run> {
        let (entry, over) = self.to_repeat().await?;
        let rest = over.rest_from(step, targets)?;
        self.repeat(entry.with("step", step), over, rest, Repeats::Often).await
    }

    async fn to_repeat(&self) -> Result<(Entry, Over)> {
        let entry = self.at.permit(noted::RUN_RETRIED, "").await?.with("of", self.id.get());
        Ok((entry, Over::read(&self.at, self.id).await?))
    }

    async fn repeat(&self, entry: Entry, over: Over, rest: RunPlan, repeats: Repeats) -> Result<Run> {
        let new = over.new_run(rest).await?;
        let entry = entry.with("job", new.plan.job_name.as_str());
        let repeat = self.store().repeat(self.tenant(), self.id, new, repeats);
        let enqueued = self.at.noted(entry, repeat).await?;
        Ok(Run::new(self.at.clone(), enqueued.run.id))
    }
}

/// A run that is over.
pub(super) struct Over {
    at: Scoped,
    record: RunRecord,
    plan: Arc<RunPlan>,
    ended: HashMap<TaskKey, TaskStatus>,
}

impl Over {
    /// Reads how a run ended.
    ///
    /// # Errors
    ///
    /// `NotFound`; `Conflict` while it goes on; `InvalidInput` for a job that is not active.
    pub(super) async fn read(at: &Scoped, run: RunId) -> Result<Self> {
        let (store, tenant) = (&at.inner.store, at.scope.tenant);
        let record = store.run(tenant, run).await?;
        if !record.status.is_final() {
            let message = "the run goes on; do it again when it is over, or cancel it";
            return Err(Error::new(ErrorKind::Conflict, message).with("run", run));
        }
        let job = store.job(tenant, record.job).await?;
        if !job.is_active {
            return Err(Error::new(ErrorKind::InvalidInput, "the job is not active").with("job", job.name));
        }
        let plan = store.run_plan(tenant, run).await?;
        let ended = store.outcomes(tenant, run).await?.into_iter().collect();
        Ok(Self { at: at.clone(), record, plan, ended })
    }

    /// Whether a task ended well, or badly and was allowed to.
    fn is_done(&self, key: TaskKey) -> bool {
        match self.ended.get(&key) {
            Some(TaskStatus::Succeeded | TaskStatus::Skipped) => true,
            Some(TaskStatus::Failed | TaskStatus::Lost) => {
                self.plan.step(key.step).is_some_and(|step| step.continue_on_error)
            }
            _ => false,
        }
    }

    /// The plan of what did not succeed.
    ///
    /// # Errors
    ///
    /// `Conflict` when all did.
    pub(super) fn what_failed(&self) -> Result<RunPlan> {
        self.plan.rest(|key| self.is_done(key)).ok_or_else(|| {
            let message = "the run succeeded, so nothing is left of it to do again; run it from a step on, or the job anew";
            Error::new(ErrorKind::Conflict, message).with("run", self.record.id)
        })
    }

    /// The plan of a step and all that follows it.
    fn rest_from(&self, id: &str, targets: RerunTargets) -> Result<RunPlan> {
        let steps = &self.plan.steps;
        let Some(first) = steps.iter().position(|step| step.id == id) else {
            let ids: Vec<_> = steps.iter().map(|step| step.id.as_str()).collect();
            let message = format!("the run has no such step; it has {}", ids.join(", "));
            return Err(Error::new(ErrorKind::NotFound, message).with("step", id));
        };
        self.check_approvals(first as u32)?;
        let follows = self.plan.from_step(first as u32);
        let failed: HashSet<TargetId> = self
            .plan
            .tasks(false)
            .filter(|(key, _)| !self.is_done(*key))
            .filter_map(|(key, _)| key.target)
            .collect();
        let is_meant = |key: TaskKey| {
            let target =
                targets == RerunTargets::All || key.target.is_none_or(|target| failed.contains(&target));
            follows[key.step as usize] && target
        };
        // Without the step itself there is nothing to begin from.
        let begins = self.plan.tasks(false).any(|(key, _)| key.step as usize == first && is_meant(key));
        let something_failed = targets == RerunTargets::All || self.what_failed().is_ok();
        let rest = if begins && something_failed { self.plan.rest(|key| !is_meant(key)) } else { None };
        rest.ok_or_else(|| {
            let message = "no target on which something failed is one of the step's; run it from there on for all of them";
            Error::new(ErrorKind::Conflict, message).with("step", id)
        })
    }

    /// Refuses to begin at a step while an approval that it comes after was not given.
    fn check_approvals(&self, first: u32) -> Result<()> {
        let before = self.plan.before(first);
        let asks = |key: &TaskKey| {
            before[key.step as usize] && self.plan.step(key.step).is_some_and(|step| self.is_approval(step))
        };
        let refused = self.plan.tasks(false).map(|(key, _)| key).find(|key| asks(key) && !self.is_done(*key));
        let Some(step) = refused.and_then(|key| self.plan.step(key.step)) else { return Ok(()) };
        let message = format!("the approval {} was not given; run it from there on", step.id);
        Err(Error::new(ErrorKind::Conflict, message).with("step", &self.plan.steps[first as usize].id))
    }

    fn is_approval(&self, step: &PlannedStep) -> bool {
        let Some(handler) = self.at.inner.kinds.get(&step.kind) else { return false };
        let timeout = Duration::from_secs(step.timeout_sec.into());
        handler.waits(&step.fields, timeout).is_some_and(|waits| waits.what == WaitsFor::Approval)
    }

    /// A run of `rest`, which is part of this one's plan, with where its targets are now and what it reads of the rest.
    ///
    /// # Errors
    ///
    /// `InvalidJob` when a target is not there any more; `InvalidInput` when it reads too much.
    pub(super) async fn new_run(self, mut rest: RunPlan) -> Result<NewRun> {
        rest.earlier = earlier::read_by(&self.at, self.record.id, &self.plan, &rest).await?;
        self.look_up_targets(&mut rest).await?;
        rest.notify = notices::of(&self.at, self.plan.notify.of_job().to_vec()).await?;
        let first = self.record;
        // The records go on as they are: what they are bound to is theirs, not the run's.
        let secrets = match self.plan.secrets.is_empty() {
            true => Vec::new(),
            false => self.at.inner.store.run_secrets(self.at.scope.tenant, first.id).await?,
        };
        Ok(NewRun {
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
        })
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
