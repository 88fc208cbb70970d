//! Ends: of tasks, of attempts, of runs.

use std::collections::BTreeMap;

use super::{LiveRow, LiveState, State, invalid};
use crate::{
    Result,
    id::{RunId, TaskId, TenantId},
    run::{
        advance::{self, Ledger, Waiting},
        event::EventKind,
        plan::TaskKey,
        state::{RunStatus, TaskStatus},
    },
    store::{AttemptRecord, Completion, Lease, Notice, Requeue, RunRecord, Settled, tail},
};

impl State {
    pub(super) fn complete(&mut self, completions: Vec<Completion>) -> Result<Vec<Settled>> {
        if let Some(wrong) = completions.iter().find(|completion| !completion.status.is_final()) {
            return Err(invalid("a task can only end in a final status").with("status", wrong.status));
        }
        let mut answers = Vec::with_capacity(completions.len());
        let mut ended: BTreeMap<RunId, Ended> = BTreeMap::new();
        for (index, completion) in completions.into_iter().enumerate() {
            let lease = completion.lease;
            if self.held(&lease).is_none() {
                answers.push(self.repeated(&lease));
                continue;
            }
            answers.push(Settled::Recorded { run: None });
            let status = completion.status;
            let Some(key) = self.end_held(completion) else { continue };
            let of_run = ended.entry(lease.run).or_default();
            of_run.tasks.push((key, status));
            of_run.last = index;
        }
        self.tell_of_room();
        for (run, Ended { tasks, last }) in ended {
            answers[last] = Settled::Recorded { run: self.advance(run, &tasks)? };
        }
        Ok(answers)
    }

    /// What to answer to a completion whose lease is not the present one.
    fn repeated(&self, lease: &Lease) -> Settled {
        match self.tasks.get(&lease.task) {
            Some(task) if task.ended_by == Some(*lease) => {
                let run = self.runs.get(&lease.run).map(|run| run.record.status);
                Settled::Recorded { run: run.filter(|status| status.is_final()) }
            }
            _ => Settled::Stale,
        }
    }

    /// Ends a task that a worker holds.
    fn end_held(&mut self, completion: Completion) -> Option<TaskKey> {
        let lease = completion.lease;
        self.write_letter(&completion);
        self.end_attempt(&lease, completion.status, completion.reason.clone());
        self.live.remove(&lease.task);
        let task = self.tasks.get_mut(&lease.task)?;
        task.ended_by = Some(lease);
        let record = &mut task.record;
        record.status = completion.status;
        record.exit_code = completion.exit_code;
        record.stdout = tail(&completion.stdout).to_owned();
        record.stderr = tail(&completion.stderr).to_owned();
        record.reason = completion.reason.clone();
        record.metrics = completion.metrics;
        record.finished_at = Some(self.now);
        let key = TaskKey { step: record.step, target: record.target };
        let event = EventKind::StepFinished { status: completion.status, reason: completion.reason };
        self.task_event(lease.task, event);
        Some(key)
    }

    fn end_attempt(&mut self, lease: &Lease, status: TaskStatus, reason: Option<String>) {
        let Some(LiveRow { attempt, state: LiveState::Running { worker, started_at, .. }, .. }) =
            self.live.get(&lease.task).cloned()
        else {
            return;
        };
        let record = AttemptRecord {
            task: lease.task,
            attempt,
            worker,
            status,
            reason,
            started_at,
            finished_at: self.now,
        };
        if let Some(task) = self.tasks.get_mut(&lease.task) {
            task.attempts.push(record);
        }
    }

    /// Lets the run go on after tasks of it ended, and ends it when it is over.
    fn advance(&mut self, id: RunId, finished: &[(TaskKey, TaskStatus)]) -> Result<Option<RunStatus>> {
        let Some(run) = self.runs.get(&id) else { return Ok(None) };
        let (plan, mut counters) = (run.plan.clone(), run.counters.clone());
        let canceled = run.record.cancel_requested;
        let over = advance::advance(&plan, &mut counters, finished, canceled, &mut Rows { state: self, id })?;
        if let Some(run) = self.runs.get_mut(&id) {
            run.counters = counters;
        }
        if let Some(status) = over {
            self.end_run(id, status);
        }
        Ok(over)
    }

    /// Ends a task that no worker holds.
    fn abort_idle(&mut self, id: TaskId, reason: &str) {
        self.live.remove(&id);
        let now = self.now;
        if let Some(task) = self.tasks.get_mut(&id) {
            task.record.status = TaskStatus::Aborted;
            task.record.reason = Some(reason.to_owned());
            task.record.finished_at = Some(now);
        }
        let status = TaskStatus::Aborted;
        self.task_event(id, EventKind::StepFinished { status, reason: Some(reason.to_owned()) });
    }

    pub(super) fn requeue(&mut self, tasks: Vec<Requeue>) -> Result<Vec<bool>> {
        if let Some(wrong) = tasks.iter().find(|task| !task.attempt_status.is_final()) {
            return Err(
                invalid("an attempt can only end in a final status").with("status", wrong.attempt_status)
            );
        }
        tasks.into_iter().map(|task| self.requeue_one(task)).collect()
    }

    fn requeue_one(&mut self, task: Requeue) -> Result<bool> {
        let lease = task.lease;
        if self.held(&lease).is_none() {
            return Ok(false);
        }
        self.end_attempt(&lease, task.attempt_status, Some(task.reason.clone()));
        let cancel = self.runs.get(&lease.run).filter(|run| run.record.cancel_requested);
        if let Some(reason) = cancel.map(|run| run.cancel_reason.clone().unwrap_or_default()) {
            self.abort_idle(lease.task, &reason);
            self.tell_of_room();
            if let Some(row) = self.tasks.get(&lease.task) {
                let key = TaskKey { step: row.record.step, target: row.record.target };
                self.advance(lease.run, &[(key, TaskStatus::Aborted)])?;
            }
            return Ok(true);
        }
        let due_at = self.after(task.delay);
        if let Some(row) = self.live.get_mut(&lease.task) {
            row.state = LiveState::Queued;
            row.due_at = due_at;
            (row.dispatched, row.dispatched_at) = (None, None);
        }
        if let Some(row) = self.tasks.get_mut(&lease.task) {
            row.record.status = TaskStatus::Queued;
        }
        self.task_event(lease.task, EventKind::StepRequeued { reason: task.reason });
        self.notices.push(Notice::Ready);
        Ok(true)
    }

    pub(super) fn cancel_run(&mut self, tenant: TenantId, id: RunId, reason: &str) -> Result<RunRecord> {
        let run = self.run_of(tenant, id)?;
        if run.record.status.is_final() || run.record.cancel_requested {
            return Ok(run.record.clone());
        }
        let (plan, mut counters, tasks) = (run.plan.clone(), run.counters.clone(), run.tasks.clone());
        for task in tasks {
            let Some(row) = self.live.get(&task) else { continue };
            if !matches!(row.state, LiveState::Running { .. }) {
                let step = self.tasks.get(&task).map_or(0, |task| task.record.step);
                counters[step as usize].count(TaskStatus::Aborted, 1);
                self.abort_idle(task, reason);
            }
        }
        let over = advance::run_status(&plan, &counters, true);
        if let Some(run) = self.runs.get_mut(&id) {
            run.counters = counters;
            run.record.cancel_requested = true;
            run.cancel_reason = Some(reason.to_owned());
        }
        match over {
            Some(status) => self.end_run(id, status),
            None => self.notices.push(Notice::Cancel(id)),
        }
        Ok(self.run_of(tenant, id)?.record.clone())
    }
}

/// The tasks of one run that a batch of completions ended.
#[derive(Default)]
struct Ended {
    tasks: Vec<(TaskKey, TaskStatus)>,
    /// The place of the last of them in the batch.
    last: usize,
}

/// One run's waiting tasks, as `advance` moves them.
struct Rows<'a> {
    state: &'a mut State,
    id: RunId,
}

impl Rows<'_> {
    fn waiting(&self, step: u32, which: Waiting) -> Vec<TaskId> {
        let tasks = self.state.runs.get(&self.id).map_or(&[] as &[TaskId], |run| run.tasks.as_slice());
        let meant = |id: &&TaskId| {
            let waits = self.state.live.get(id).is_some_and(|r| matches!(r.state, LiveState::Waiting { .. }));
            waits
                && self.state.tasks.get(id).is_some_and(|task| {
                    task.record.step == step
                        && match which {
                            Waiting::One(target) => task.record.target == target,
                            Waiting::All => true,
                        }
                })
        };
        tasks.iter().filter(meant).copied().collect()
    }
}

impl Ledger for Rows<'_> {
    fn release(&mut self, step: u32, which: Waiting) -> Result<()> {
        for id in self.waiting(step, which) {
            let Some(row) = self.state.live.get_mut(&id) else { continue };
            let LiveState::Waiting { edges } = row.state else { continue };
            if edges > 1 {
                row.state = LiveState::Waiting { edges: edges - 1 };
                continue;
            }
            row.state = LiveState::Queued;
            if let Some(task) = self.state.tasks.get_mut(&id) {
                task.record.status = TaskStatus::Queued;
            }
            self.state.notices.push(Notice::Ready);
        }
        Ok(())
    }

    fn abort(&mut self, step: u32, which: Waiting, reason: &str) -> Result<u32> {
        let tasks = self.waiting(step, which);
        for id in &tasks {
            self.state.abort_idle(*id, reason);
        }
        Ok(tasks.len() as u32)
    }
}
