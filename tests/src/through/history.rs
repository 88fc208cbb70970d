//! What is shown of runs.

/// Implements [`History`](opsconductor_core::store::History) for a type that is `Reading` and whose field `inner` is a store.
#[macro_export]
macro_rules! pass_history_through {
    ($wrapper:ty) => {
        const _: () = {
            use ::opsconductor_core::{
                Result,
                id::{RunId, TaskId, TenantId},
                run::{
                    TaskStatus,
                    event::Event,
                    plan::{RunPlan, TaskKey},
                },
                store::{
                    AttemptRecord, History, Listing, OutputChunk, OutputQuery, Page, Question, RunFilter,
                    RunRecord, SealedParameter, TaskRecord,
                },
            };
            use $crate::through::Reading as _;

            #[::async_trait::async_trait]
            impl History for $wrapper {
                async fn run(&self, tenant: TenantId, id: RunId) -> Result<RunRecord> {
                    self.before("run")?;
                    Ok(self.shown(self.inner.run(self.home(tenant, id), id).await?))
                }

                async fn list_runs(
                    &self,
                    tenant: TenantId,
                    filter: RunFilter,
                    page: Page,
                ) -> Result<Listing<RunRecord>> {
                    self.before("list_runs")?;
                    let Listing { items, total } = self.inner.list_runs(tenant, filter, page).await?;
                    let items = items.into_iter().map(|run| self.shown(run)).collect();
                    Ok(self.listed(Listing { items, total }))
                }

                async fn run_plan(&self, tenant: TenantId, id: RunId) -> Result<::std::sync::Arc<RunPlan>> {
                    self.before("run_plan")?;
                    self.inner.run_plan(tenant, id).await
                }

                async fn run_secrets(&self, tenant: TenantId, id: RunId) -> Result<Vec<SealedParameter>> {
                    self.before("run_secrets")?;
                    self.inner.run_secrets(tenant, id).await
                }

                async fn tasks(
                    &self,
                    tenant: TenantId,
                    run: RunId,
                    page: Page,
                ) -> Result<Listing<TaskRecord>> {
                    self.before("tasks")?;
                    self.inner.tasks(tenant, run, page).await
                }

                async fn outcomes(&self, tenant: TenantId, run: RunId) -> Result<Vec<(TaskKey, TaskStatus)>> {
                    self.before("outcomes")?;
                    self.inner.outcomes(tenant, run).await
                }

                async fn task_at(&self, tenant: TenantId, run: RunId, place: u64) -> Result<TaskRecord> {
                    self.before("task_at")?;
                    self.inner.task_at(tenant, run, place).await
                }

                async fn attempts(
                    &self,
                    tenant: TenantId,
                    run: RunId,
                    task: TaskId,
                ) -> Result<Vec<AttemptRecord>> {
                    self.before("attempts")?;
                    self.inner.attempts(tenant, run, task).await
                }

                async fn events(
                    &self,
                    tenant: TenantId,
                    run: RunId,
                    after: u64,
                    limit: usize,
                ) -> Result<Vec<Event>> {
                    self.before("events")?;
                    self.inner.events(tenant, run, self.after(after), limit).await
                }

                async fn output(
                    &self,
                    tenant: TenantId,
                    run: RunId,
                    query: OutputQuery,
                    limit: usize,
                ) -> Result<Vec<OutputChunk>> {
                    self.before("output")?;
                    self.inner.output(tenant, run, query, limit).await
                }

                async fn questions(&self, tenant: TenantId, page: Page) -> Result<Listing<Question>> {
                    self.before("questions")?;
                    self.inner.questions(tenant, page).await
                }

                async fn queue_depth(&self) -> Result<(u64, u64)> {
                    self.before("queue_depth")?;
                    self.inner.queue_depth().await
                }
            }
        };
    };
}
