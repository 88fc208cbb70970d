//! Ends: of tasks, of attempts, of runs.

use std::collections::{BTreeMap, HashSet};

use chrono::TimeDelta;

use super::{LiveRow, LiveState, RunRow, State, invalid};
use crate::{
    Result,
    id::{RunId, TargetId, TaskId, TenantId},
    run::{
        advance::{self, Idle, Ledger, Waiting},
        event::EventKind,
        phase::{self, Phase, Stopping},
        plan::TaskKey,
        state::{RunStatus, TaskStatus},
    },
    store::{
        AttemptRecord, Completion, Lease, Notice, Requeue, RunRecord, Settled, Suspended, WaitsFor,
        overdue_reason, tail,
    },
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
        let stopping = run.stopping;
        let over = advance::advance(&plan, &mut counters, finished, stopping, &mut Rows { state: self, id })?;
        if let Some(run) = self.runs.get_mut(&id) {
            run.counters = counters;
        }
        if let Some(status) = over {
            self.end_run(id, status);
        }
        Ok(over)
    }

    /// Ends a task that no worker holds.
    fn end_idle(&mut self, id: TaskId, status: TaskStatus, reason: &str) {
        self.live.remove(&id);
        let now = self.now;
        if let Some(task) = self.tasks.get_mut(&id) {
            task.record.status = status;
            task.record.reason = Some(reason.to_owned());
            task.record.finished_at = Some(now);
        }
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
        let keeps_attempt = task.suspend.is_some_and(WaitsFor::keeps_attempt);
        let stops = self.stops(lease.task).is_some();
        if stops || !keeps_attempt {
            self.end_attempt(&lease, task.attempt_status, Some(task.reason.clone()));
        }
        if stops {
            let reason =
                self.runs.get(&lease.run).and_then(|run| run.cancel_reason.clone()).unwrap_or_default();
            self.end_idle(lease.task, TaskStatus::Aborted, &reason);
            self.tell_of_room();
            if let Some(row) = self.tasks.get(&lease.task) {
                let key = TaskKey { step: row.record.step, target: row.record.target };
                self.advance(lease.run, &[(key, TaskStatus::Aborted)])?;
            }
            return Ok(true);
        }
        let (now, due_at) = (self.now, self.after(task.delay));
        if let Some(row) = self.live.get_mut(&lease.task) {
            row.state = LiveState::Queued;
            row.due_at = due_at;
            row.attempt -= u32::from(keeps_attempt);
            (row.dispatched, row.dispatched_at) = (None, None);
            if let Some(waits_for) = task.suspend {
                row.suspended = Some(Suspended { waits_for, decision: None });
                row.asked = Some((task.reason.clone(), now));
            }
        }
        let waits = self.live.get(&lease.task).is_some_and(LiveRow::is_suspended);
        if let Some(row) = self.tasks.get_mut(&lease.task) {
            row.record.status = if waits { TaskStatus::Waiting } else { TaskStatus::Queued };
        }
        self.task_event(lease.task, EventKind::StepRequeued { reason: task.reason });
        self.notices.push(Notice::Ready);
        Ok(true)
    }

    pub(super) fn cancel_run(&mut self, tenant: TenantId, id: RunId, reason: &str) -> Result<RunRecord> {
        let run = self.run_of(tenant, id)?;
        let next = run.stopping.canceled(&run.plan, &run.counters);
        if let (false, Some(stopping)) = (run.record.status.is_final(), next) {
            self.stop_run(id, stopping, reason)?;
        } else {
            self.note = None;
        }
        Ok(self.run_of(tenant, id)?.record.clone())
    }

    pub(super) fn stop_overdue(&mut self, limit: usize) -> Result<Vec<RunId>> {
        let overdue = |run: &&RunRow| {
            let limit = run.plan.timeout_sec.map(|seconds| TimeDelta::seconds(seconds.into()));
            let until = run.record.started_at.zip(limit).and_then(|(at, limit)| at.checked_add_signed(limit));
            let alive = !run.record.status.is_final() && run.stopping == Stopping::No;
            alive && until.is_some_and(|until| until <= self.now)
        };
        let found = self.runs.values().filter(overdue).take(limit);
        let found: Vec<_> =
            found.map(|run| (run.record.id, run.plan.timeout_sec.unwrap_or_default())).collect();
        for (id, seconds) in &found {
            self.stop_run(*id, Stopping::Overdue, &overdue_reason(*seconds))?;
        }
        Ok(found.into_iter().map(|(id, _)| id).collect())
    }

    /// Ends what no worker holds of a run that is to stop, and tells the workers that hold something.
    fn stop_run(&mut self, id: RunId, stopping: Stopping, reason: &str) -> Result<()> {
        let Some(run) = self.runs.get_mut(&id) else { return Ok(()) };
        run.stopping = stopping;
        run.record.cancel_requested = stopping.is_cancel();
        run.cancel_reason = Some(reason.to_owned());
        let (plan, mut counters, tasks) = (run.plan.clone(), run.counters.clone(), run.tasks.clone());
        let before = Phase::of(&plan, &counters);
        for task in tasks {
            let idle =
                self.live.get(&task).is_some_and(|row| !matches!(row.state, LiveState::Running { .. }));
            if idle && self.stops(task).is_some() {
                let step = self.tasks.get(&task).map_or(0, |task| task.record.step);
                counters[step as usize].count(TaskStatus::Aborted, 1);
                self.end_idle(task, TaskStatus::Aborted, reason);
            }
        }
        let over = phase::go_on(&plan, before, &mut counters, stopping, &mut Rows { state: self, id })?;
        if let Some(run) = self.runs.get_mut(&id) {
            run.counters = counters;
        }
        match over {
            Some(status) => self.end_run(id, status),
            None => self.notices.push(Notice::Cancel(id)),
        }
        Ok(())
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
    /// The tasks that are meant and that no worker holds.
    fn idle(&self, step: u32, which: Waiting, idle: Idle) -> Vec<TaskId> {
        let tasks = self.state.runs.get(&self.id).map_or(&[] as &[TaskId], |run| run.tasks.as_slice());
        let meant = |id: &&TaskId| {
            let stands = self.state.live.get(id).is_some_and(|row| match row.state {
                LiveState::Waiting { .. } => true,
                LiveState::Queued => idle == Idle::Any,
                LiveState::Running { .. } => false,
            });
            stands
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

    fn target(&self, id: TaskId) -> Option<TargetId> {
        self.state.tasks.get(&id).and_then(|task| task.record.target)
    }
}

impl Ledger for Rows<'_> {
    fn release(&mut self, step: u32, which: Waiting) -> Result<()> {
        for id in self.idle(step, which, Idle::Waiting) {
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

    fn end(
        &mut self,
        step: u32,
        which: Waiting,
        idle: Idle,
        status: TaskStatus,
        reason: &str,
    ) -> Result<Vec<Option<TargetId>>> {
        let tasks = self.idle(step, which, idle);
        for id in &tasks {
            self.state.end_idle(*id, status, reason);
        }
        Ok(tasks.into_iter().map(|id| self.target(id)).collect())
    }

    fn waiting(&mut self, step: u32, targets: &[TargetId]) -> Result<Vec<TargetId>> {
        let waits: HashSet<_> = self
            .idle(step, Waiting::All, Idle::Waiting)
            .into_iter()
            .filter_map(|id| self.target(id))
            .collect();
        Ok(targets.iter().copied().filter(|target| waits.contains(target)).collect())
    }
}
