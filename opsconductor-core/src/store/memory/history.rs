//! The [`History`] of the memory store.

use std::sync::Arc;

use async_trait::async_trait;

use super::{LiveState, MemoryStore, missing};
use crate::{
    Result,
    id::{RunId, TaskId, TenantId},
    run::{
        TaskStatus,
        event::Event,
        plan::{RunPlan, TaskKey},
    },
    store::{
        AttemptRecord, History, Listing, OutputChunk, OutputQuery, Page, Question, RunFilter, RunRecord,
        SealedParameter, TaskRecord,
    },
};

#[async_trait]
impl History for MemoryStore {
    async fn run(&self, tenant: TenantId, id: RunId) -> Result<RunRecord> {
        self.with(|state| Ok(state.run_of(tenant, id)?.record.clone()))
    }

    async fn list_runs(&self, tenant: TenantId, filter: RunFilter, page: Page) -> Result<Listing<RunRecord>> {
        Ok(self.with(|state| {
            let runs = state.runs.values().rev().filter(|run| {
                run.tenant == tenant
                    && filter.job.is_none_or(|job| run.record.job == job)
                    && filter.status.is_none_or(|status| run.record.status == status)
            });
            listing(runs.map(|run| &run.record), page)
        }))
    }

    async fn run_plan(&self, tenant: TenantId, id: RunId) -> Result<Arc<RunPlan>> {
        self.with(|state| Ok(state.run_of(tenant, id)?.plan.clone()))
    }

    async fn run_secrets(&self, tenant: TenantId, id: RunId) -> Result<Vec<SealedParameter>> {
        self.with(|state| Ok(state.run_of(tenant, id)?.secrets.clone()))
    }

    async fn tasks(&self, tenant: TenantId, run: RunId, page: Page) -> Result<Listing<TaskRecord>> {
        self.with(|state| {
            let tasks = &state.run_of(tenant, run)?.tasks;
            let records = tasks.iter().filter_map(|id| state.tasks.get(id)).map(|task| &task.record);
            Ok(listing(records, page))
        })
    }

    async fn outcomes(&self, tenant: TenantId, run: RunId) -> Result<Vec<(TaskKey, TaskStatus)>> {
        self.with(|state| {
            let tasks = state.run_of(tenant, run)?.tasks.iter().filter_map(|id| state.tasks.get(id));
            let over = tasks.map(|task| &task.record).filter(|task| task.status.is_final());
            Ok(over.map(|task| (TaskKey { step: task.step, target: task.target }, task.status)).collect())
        })
    }

    async fn task_at(&self, tenant: TenantId, run: RunId, place: u64) -> Result<TaskRecord> {
        self.with(|state| {
            let tasks = &state.run_of(tenant, run)?.tasks;
            let id = usize::try_from(place).ok().and_then(|at| tasks.get(at));
            let task = id.and_then(|id| state.tasks.get(id));
            Ok(task.ok_or_else(|| missing("task", place))?.record.clone())
        })
    }

    async fn attempts(&self, tenant: TenantId, run: RunId, task: TaskId) -> Result<Vec<AttemptRecord>> {
        self.with(|state| {
            state.run_of(tenant, run)?;
            let row = state.tasks.get(&task).filter(|row| row.record.run == run);
            Ok(row.ok_or_else(|| missing("task", task))?.attempts.clone())
        })
    }

    async fn events(&self, tenant: TenantId, run: RunId, after: u64, limit: usize) -> Result<Vec<Event>> {
        self.with(|state| {
            let events = &state.run_of(tenant, run)?.events;
            let from = usize::try_from(after).unwrap_or(usize::MAX);
            Ok(events.iter().skip(from).take(limit).cloned().collect())
        })
    }

    async fn output(
        &self,
        tenant: TenantId,
        run: RunId,
        query: OutputQuery,
        limit: usize,
    ) -> Result<Vec<OutputChunk>> {
        self.with(|state| {
            let tasks = &state.run_of(tenant, run)?.tasks;
            let wanted = tasks.iter().filter(|task| query.task.is_none_or(|only| **task == only));
            let chunks =
                wanted.flat_map(|task| state.output.range((*task, 0, 0)..=(*task, u32::MAX, u32::MAX)));
            Ok(chunks
                .filter(|(key, chunk)| {
                    query.after.is_none_or(|after| **key > after)
                        && query.stream.is_none_or(|stream| chunk.stream == stream)
                })
                .take(limit)
                .map(|(_, chunk)| chunk.clone())
                .collect())
        })
    }

    async fn questions(&self, tenant: TenantId, page: Page) -> Result<Listing<Question>> {
        Ok(self.with(|state| listing(state.questions(tenant).iter(), page)))
    }

    async fn queue_depth(&self) -> Result<(u64, u64)> {
        Ok(self.with(|state| {
            let count = |wanted: fn(&LiveState) -> bool| {
                state.live.values().filter(|row| wanted(&row.state)).count() as u64
            };
            let running = count(|state| matches!(state, LiveState::Running { .. }));
            let suspended = state.live.values().filter(|row| row.is_suspended()).count() as u64;
            (count(|state| *state == LiveState::Queued) - suspended, running)
        }))
    }
}

/// The page of `rows`, and how many there are.
pub(super) fn listing<'a, T: Clone + 'a>(
    rows: impl Iterator<Item = &'a T> + Clone,
    page: Page,
) -> Listing<T> {
    let total = rows.clone().count() as u64;
    let skip = usize::try_from(page.skip).unwrap_or(usize::MAX);
    Listing { items: rows.skip(skip).take(page.limit as usize).cloned().collect(), total }
}
