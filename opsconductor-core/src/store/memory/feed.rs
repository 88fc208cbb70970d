//! The events of a tenant in one row.

use std::{collections::HashMap, time::Duration};

use async_trait::async_trait;

use super::{LiveState, MemoryStore, State};
use crate::{
    Result,
    id::{RunId, TenantId},
    run::TaskStatus,
    store::{Feed, FeedEvent, StepCounts},
};

/// Which events have a number.
#[derive(Default)]
pub(super) struct Numbered {
    /// How many of each run.
    of_run: HashMap<RunId, usize>,
    /// The events of each tenant, those at place `n` with number `n + 1`.
    of_tenant: HashMap<TenantId, Vec<(RunId, usize)>>,
}

#[async_trait]
impl Feed for MemoryStore {
    async fn number_events(&self, limit: usize) -> Result<u64> {
        Ok(self.with(|state| state.number(limit)))
    }

    async fn tenant_events(&self, tenant: TenantId, after: u64, limit: usize) -> Result<Vec<FeedEvent>> {
        Ok(self.with(|state| {
            let Some(events) = state.numbered.of_tenant.get(&tenant) else { return Vec::new() };
            let from = usize::try_from(after).unwrap_or(usize::MAX);
            let found = events.iter().zip(1_u64..).skip(from).filter_map(|((run, place), seq)| {
                let event = state.runs.get(run)?.events.get(*place)?.clone();
                Some(FeedEvent { seq, event })
            });
            found.take(limit).collect()
        }))
    }

    async fn last_tenant_event(&self, tenant: TenantId) -> Result<u64> {
        Ok(self.with(|state| state.numbered.of_tenant.get(&tenant).map_or(0, |events| events.len() as u64)))
    }

    async fn step_counts(&self, tenant: TenantId, since: Duration) -> Result<StepCounts> {
        Ok(self.with(|state| {
            let mut counts = StepCounts::default();
            let from = chrono::TimeDelta::from_std(since)
                .ok()
                .and_then(|since| state.now.checked_sub_signed(since))
                .unwrap_or_default();
            for (run, row) in &state.runs {
                if row.tenant != tenant {
                    continue;
                }
                for live in state.live.values().filter(|live| live.run == *run && !live.is_suspended()) {
                    match live.state {
                        LiveState::Queued => counts.queued += 1,
                        LiveState::Running { .. } => counts.running += 1,
                        LiveState::Waiting { .. } => {}
                    }
                }
                for task in row.tasks.iter().filter_map(|id| state.tasks.get(id)) {
                    if task.record.finished_at.is_some_and(|ended| ended >= from) {
                        match task.record.status {
                            TaskStatus::Succeeded => counts.succeeded += 1,
                            TaskStatus::Failed | TaskStatus::Lost => counts.failed += 1,
                            _ => {}
                        }
                    }
                }
            }
            counts
        }))
    }
}

impl State {
    fn number(&mut self, limit: usize) -> u64 {
        let numbered = &mut self.numbered;
        numbered.of_run.retain(|run, _| self.runs.contains_key(run));
        let mut new = Vec::new();
        for (id, row) in &self.runs {
            let from = numbered.of_run.get(id).copied().unwrap_or(0);
            new.extend(
                row.events.iter().enumerate().skip(from).map(|(at, event)| (event.at, *id, at, row.tenant)),
            );
        }
        new.sort_unstable();
        new.truncate(limit);
        for (_, run, at, tenant) in &new {
            numbered.of_run.insert(*run, at + 1);
            numbered.of_tenant.entry(*tenant).or_default().push((*run, *at));
        }
        new.len() as u64
    }
}
