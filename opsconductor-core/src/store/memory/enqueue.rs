//! A run comes in.

use std::collections::HashMap;

use serde_json::Map;

use super::{LiveRow, LiveState, RunRow, State, TaskRow, invalid, missing};
use crate::{
    Error, ErrorKind, Result,
    id::{CredentialId, JobId, RunId, TargetId, TaskId, TenantId},
    run::{
        advance::StepCounters, event::EventKind, phase::Stopping, plan::TaskKey, state::RunStatus,
        state::TaskStatus,
    },
    store::{Enqueued, Idempotency, NewRun, Notice, RunRecord, TaskRecord},
};

impl State {
    pub(super) fn enqueue(&mut self, tenant: TenantId, new: NewRun) -> Result<Enqueued> {
        new.check_secrets()?;
        let job = self.jobs.get(&new.job).filter(|job| job.tenant == tenant);
        let job = job.ok_or_else(|| missing("job", new.job))?;
        if let Some(first) = self.earlier(tenant, new.job, new.idempotency.as_ref())? {
            self.note = None;
            return Ok(Enqueued { run: first, repeated: true });
        }
        if !job.versions.contains_key(&new.plan.job_version) {
            return Err(missing("job version", new.plan.job_version).with("job", new.job));
        }
        if new.if_current && !(job.record.is_active && job.record.version == new.plan.job_version) {
            return Err(missing("present job version", new.plan.job_version).with("job", new.job));
        }
        if let Some(parent) = new.parent {
            self.run_of(tenant, parent)?;
        }
        if new.plan.steps.is_empty() {
            return Err(invalid("a run needs at least one step").with("job", new.job));
        }
        let id = RunId::new(self.next_id());
        let wait_for_turn = self.is_key_taken(tenant, new.concurrency_key.as_deref());
        let credentials = new.plan.credentials();
        let mut tasks = Vec::new();
        for (key, edges) in new.plan.tasks(wait_for_turn) {
            tasks.push(self.add_task(id, &new, key, edges, &credentials));
        }
        let record = RunRecord {
            id,
            job: new.job,
            job_version: new.plan.job_version,
            status: RunStatus::Queued,
            cancel_requested: false,
            requested_by: new.requested_by,
            parameters: new.plan.parameters.clone(),
            correlation_id: new.correlation_id,
            idempotency_key: new.idempotency.as_ref().map(|given| given.key.clone()),
            priority: new.priority,
            parent: new.parent,
            concurrency_key: new.concurrency_key,
            labels: new.labels,
            queued_at: self.now,
            started_at: None,
            finished_at: None,
        };
        let row = RunRow {
            tenant,
            record: record.clone(),
            digest: new.idempotency.map(|given| given.digest),
            counters: StepCounters::initial(&new.plan),
            plan: new.plan,
            secrets: new.secrets,
            events: Vec::new(),
            tasks,
            stopping: Stopping::No,
            cancel_reason: None,
        };
        self.runs.insert(id, row);
        self.run_event(id, EventKind::RunQueued);
        self.notices.push(Notice::Ready);
        self.concerns(id.get());
        Ok(Enqueued { run: record, repeated: false })
    }

    /// The run that was enqueued before with the same idempotency key.
    pub(super) fn earlier(
        &self,
        tenant: TenantId,
        job: JobId,
        given: Option<&Idempotency>,
    ) -> Result<Option<RunRecord>> {
        let Some(given) = given else { return Ok(None) };
        let first = self.runs.values().find(|run| {
            run.tenant == tenant
                && run.record.job == job
                && run.record.idempotency_key.as_ref() == Some(&given.key)
        });
        match first {
            Some(run) if run.digest != Some(given.digest) => Err(Error::new(
                ErrorKind::Conflict,
                "the idempotency key was used for another request; use a new key",
            )
            .with("key", &given.key)
            .with("run", run.record.id)),
            first => Ok(first.map(|run| run.record.clone())),
        }
    }

    fn add_task(
        &mut self,
        run: RunId,
        new: &NewRun,
        key: TaskKey,
        edges: u32,
        credentials: &HashMap<TargetId, CredentialId>,
    ) -> TaskId {
        let id = TaskId::new(self.next_id());
        let (state, status) = match edges {
            0 => (LiveState::Queued, TaskStatus::Queued),
            edges => (LiveState::Waiting { edges }, TaskStatus::Waiting),
        };
        let live = LiveRow {
            run,
            job: new.job,
            target: key.target,
            credential: key.target.and_then(|target| credentials.get(&target).copied()),
            state,
            priority: new.priority,
            due_at: self.now,
            epoch: 0,
            attempt: 0,
            dispatched: None,
            dispatched_at: None,
            suspended: None,
            asked: None,
        };
        let record = TaskRecord {
            id,
            run,
            step: key.step,
            kind: new.plan.steps[key.step as usize].kind.clone(),
            target: key.target,
            status,
            attempt: 0,
            exit_code: None,
            stdout: String::new(),
            stderr: String::new(),
            reason: None,
            metrics: Map::new(),
            started_at: None,
            finished_at: None,
        };
        self.live.insert(id, live);
        self.tasks.insert(id, TaskRow { record, attempts: Vec::new(), ended_by: None });
        id
    }
}
