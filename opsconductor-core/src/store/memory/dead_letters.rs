//! Dead letters.

use std::collections::BTreeSet;

use async_trait::async_trait;

use super::{MemoryStore, RunRow, State, history::listing, missing};
use crate::{
    Result,
    id::{LetterId, RunId, TenantId},
    run::{plan::TaskKey, state::TaskStatus},
    store::{
        Completion, DeadLetter, DeadLetters, Enqueued, Listing, NewLetter, NewRun, Page, Repeats,
        dead_letters::{not_over, repeat_goes_on, repeated_already},
    },
};

#[async_trait]
impl DeadLetters for MemoryStore {
    async fn dead_letter(&self, tenant: TenantId, id: LetterId) -> Result<DeadLetter> {
        self.with(|state| state.letter_of(tenant, id).cloned())
    }

    async fn list_dead_letters(
        &self,
        tenant: TenantId,
        run: Option<RunId>,
        page: Page,
    ) -> Result<Listing<DeadLetter>> {
        Ok(self.with(|state| {
            let mine = state.letters.values().rev().filter(|(owner, _)| *owner == tenant);
            listing(
                mine.map(|(_, letter)| letter).filter(|letter| run.is_none_or(|run| letter.run == run)),
                page,
            )
        }))
    }

    async fn discard_dead_letter(&self, tenant: TenantId, id: LetterId) -> Result<()> {
        self.noted(|state| {
            state.letter_of(tenant, id)?;
            state.letters.remove(&id);
            Ok(())
        })
    }

    async fn redrive(&self, tenant: TenantId, run: RunId, new: NewRun) -> Result<Enqueued> {
        self.noted(|state| {
            let status = state.run_of(tenant, run)?.record.status;
            if !state.letters.values().any(|(_, letter)| letter.run == run) {
                return Err(missing("dead letter", run));
            }
            if !status.is_final() {
                return Err(not_over(run));
            }
            state.check_line(run)?;
            let enqueued = state.enqueue(tenant, new)?;
            state.letters.retain(|_, (_, letter)| letter.run != run);
            Ok(enqueued)
        })
    }

    async fn repeat(&self, tenant: TenantId, run: RunId, new: NewRun, repeats: Repeats) -> Result<Enqueued> {
        self.noted(|state| {
            if !state.run_of(tenant, run)?.record.status.is_final() {
                return Err(not_over(run));
            }
            state.check_line(run)?;
            let is_child = |other: &&RunRow| other.record.parent == Some(run);
            if let Some(child) = state.runs.values().rfind(is_child).filter(|_| repeats == Repeats::Once) {
                return Err(repeated_already(run, child.record.id));
            }
            let enqueued = state.enqueue(tenant, new)?;
            state.letters.retain(|_, (_, letter)| letter.run != run);
            Ok(enqueued)
        })
    }
}

impl State {
    /// Refuses to do a run again while another of its line goes on.
    fn check_line(&self, run: RunId) -> Result<()> {
        let mut first = run;
        while let Some(parent) = self.runs.get(&first).and_then(|row| row.record.parent) {
            first = parent;
        }
        let mut line = BTreeSet::from([first]);
        // A run is younger than its parent, so that one look in their order meets the parent first.
        for row in self.runs.values() {
            if row.record.parent.is_some_and(|parent| line.contains(&parent)) {
                line.insert(row.record.id);
            }
        }
        let alive = line
            .into_iter()
            .filter(|id| *id != run)
            .find(|id| self.runs.get(id).is_some_and(|row| !row.record.status.is_final()));
        alive.map_or(Ok(()), |other| Err(repeat_goes_on(run, other)))
    }

    fn letter_of(&self, tenant: TenantId, id: LetterId) -> Result<&DeadLetter> {
        let row = self.letters.get(&id).filter(|(owner, _)| *owner == tenant);
        row.map(|(_, letter)| letter).ok_or_else(|| missing("dead letter", id))
    }

    /// Writes the letter for a task that is about to end, if it gets one.
    pub(super) fn write_letter(&mut self, completion: &Completion) {
        if !matches!(completion.status, TaskStatus::Failed | TaskStatus::Lost) {
            return;
        }
        let lease = completion.lease;
        let Some((run, task)) = self.runs.get(&lease.run).zip(self.tasks.get(&lease.task)) else { return };
        let key = TaskKey { step: task.record.step, target: task.record.target };
        let canceled = run.record.cancel_requested;
        let letter = NewLetter::of(&run.plan, key, completion.status, task.record.attempt, canceled);
        let Some(NewLetter { topic, payload }) = letter else { return };
        let (tenant, created_at) = (run.tenant, self.now);
        let id = LetterId::new(self.next_id());
        let letter = DeadLetter {
            id,
            topic: topic.to_owned(),
            run: lease.run,
            task: lease.task,
            payload,
            error: completion.reason.clone(),
            created_at,
        };
        self.letters.insert(id, (tenant, letter));
    }
}
