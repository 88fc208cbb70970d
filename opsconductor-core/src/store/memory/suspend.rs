//! Tasks that wait for their time or for a person.

use super::{LiveRow, LiveState, State, missing};
use crate::{
    Error, ErrorKind, Result,
    id::{RunId, TaskId, TenantId},
    run::{event::EventKind, plan::TaskKey, state::TaskStatus},
    store::{Decision, Lease, Notice, Question, Suspended},
};

impl LiveRow {
    /// Whether it waits for its time or for an answer.
    pub(super) fn is_suspended(&self) -> bool {
        self.state == LiveState::Queued
            && self.suspended.as_ref().is_some_and(|waits| waits.decision.is_none())
    }
}

impl State {
    pub(super) fn suspended(&self, lease: &Lease) -> Result<Option<Suspended>> {
        let lost = || {
            Error::new(ErrorKind::LeaseLost, "the lease is held by someone else or has ended")
                .with("task", lease.task)
        };
        Ok(self.held(lease).ok_or_else(lost)?.suspended.clone())
    }

    /// What the tasks of a tenant ask, those first that began to wait last.
    pub(super) fn questions(&self, tenant: TenantId) -> Vec<Question> {
        let mut questions: Vec<_> =
            self.live.iter().rev().filter_map(|(id, row)| self.question(tenant, *id, row)).collect();
        // Stable, so that of those that began at once the newest task stays first.
        questions.sort_by_key(|question| std::cmp::Reverse(question.since));
        questions
    }

    fn question(&self, tenant: TenantId, task: TaskId, row: &LiveRow) -> Option<Question> {
        self.runs.get(&row.run).filter(|run| run.tenant == tenant)?;
        let waits_for = row.suspended.as_ref().filter(|_| row.is_suspended())?.waits_for;
        let (message, since) = row.asked.clone().filter(|_| waits_for.is_question())?;
        let step = self.tasks.get(&task)?.record.step;
        let (run, target, until) = (row.run, row.target, row.due_at);
        Some(Question { run, task, step, target, waits_for, message, since, until })
    }

    pub(super) fn decide(
        &mut self,
        tenant: TenantId,
        run: RunId,
        key: TaskKey,
        decision: Decision,
    ) -> Result<()> {
        let tasks = &self.run_of(tenant, run)?.tasks;
        let meant = |id: &&_| {
            self.tasks
                .get(id)
                .is_some_and(|task| (task.record.step, task.record.target) == (key.step, key.target))
        };
        let id = *tasks.iter().find(meant).ok_or_else(|| missing("task of the run", run))?;
        let now = self.now;
        let row = self.live.get_mut(&id).ok_or_else(Suspended::ended)?;
        // One that a worker has claimed when its time was over is asked about no more.
        let open =
            row.suspended.as_ref().filter(|waits| row.state == LiveState::Queued || waits.decision.is_some());
        Suspended::check_open(open)?;
        let reason = decision.sentence();
        if let Some(waits) = &mut row.suspended {
            waits.decision = Some(decision);
        }
        row.due_at = now;
        if let Some(task) = self.tasks.get_mut(&id) {
            task.record.status = TaskStatus::Queued;
        }
        self.task_event(id, EventKind::StepRequeued { reason });
        self.notices.push(Notice::Ready);
        Ok(())
    }
}
