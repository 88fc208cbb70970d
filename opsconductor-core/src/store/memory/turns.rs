//! Runs with the same concurrency key, one after the other.

use super::{LiveState, State};
use crate::{
    id::{RunId, TenantId},
    run::{advance::Waiting, state::TaskStatus},
    store::Notice,
};

impl State {
    /// Whether a run with this key is alive.
    pub(super) fn is_key_taken(&self, tenant: TenantId, key: Option<&str>) -> bool {
        key.is_some_and(|key| self.first_with_key(tenant, key).is_some())
    }

    /// The oldest run with this key that is alive: the one whose turn it is.
    fn first_with_key(&self, tenant: TenantId, key: &str) -> Option<RunId> {
        let alive = self.runs.values().filter(|run| run.tenant == tenant && !run.record.status.is_final());
        alive.map(|run| &run.record).find(|run| run.concurrency_key.as_deref() == Some(key)).map(|run| run.id)
    }

    /// Lets the next run with the key of `ended` begin.
    pub(super) fn pass_key_on(&mut self, ended: RunId) {
        let Some(run) = self.runs.get(&ended) else { return };
        let Some(key) = run.record.concurrency_key.as_deref() else { return };
        // A run that was canceled while it waited had nothing to pass on: an older one has it.
        let Some(next) = self.first_with_key(run.tenant, key).filter(|next| *next > ended) else { return };
        let Some(run) = self.runs.get(&next) else { return };
        let (begins, tasks) = (run.plan.begins(), run.tasks.clone());
        for id in tasks {
            let (Some(row), Some(task)) = (self.live.get_mut(&id), self.tasks.get_mut(&id)) else { continue };
            let LiveState::Waiting { edges } = row.state else { continue };
            let (step, own) = (task.record.step, Waiting::One(task.record.target));
            if !(begins.contains(&(step, Waiting::All)) || begins.contains(&(step, own))) {
                continue;
            }
            row.state = match edges {
                1 => LiveState::Queued,
                edges => LiveState::Waiting { edges: edges - 1 },
            };
            if row.state == LiveState::Queued {
                task.record.status = TaskStatus::Queued;
            }
        }
        self.notices.push(Notice::Ready);
    }
}
