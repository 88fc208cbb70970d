//! Who works, and what the queue promises beyond claiming.

/// Implements [`Roster`](opsconductor_core::store::Roster) for a type whose field `inner` is a store.
#[macro_export]
macro_rules! pass_roster_through {
    ($wrapper:ty) => {
        const _: () = {
            use ::opsconductor_core::{
                Result,
                id::WorkerId,
                store::{Heartbeat, Listing, Page, Roster, WorkerRecord},
            };

            #[::async_trait::async_trait]
            impl Roster for $wrapper {
                async fn beat(&self, heartbeat: &Heartbeat) -> Result<()> {
                    self.inner.beat(heartbeat).await
                }

                async fn sign_off(&self, worker: WorkerId) -> Result<()> {
                    self.inner.sign_off(worker).await
                }

                async fn list_workers(&self, page: Page) -> Result<Listing<WorkerRecord>> {
                    self.inner.list_workers(page).await
                }
            }
        };
    };
}

/// The same for what the queue promises beyond claiming: limits, dead letters and retention.
#[macro_export]
macro_rules! pass_promises_through {
    ($wrapper:ty) => {
        const _: () = {
            use ::opsconductor_core::{
                Result,
                id::{LetterId, RunId, TenantId},
                store::{
                    DeadLetter, DeadLetters, Enqueued, Keep, Limit, LimitRecord, LimitScope, Limits, Listing,
                    NewRun, Page, Repeats, Retention,
                },
            };

            #[::async_trait::async_trait]
            impl Limits for $wrapper {
                async fn set_limit(
                    &self,
                    tenant: TenantId,
                    scope: LimitScope,
                    limit: Limit,
                ) -> Result<LimitRecord> {
                    self.inner.set_limit(tenant, scope, limit).await
                }

                async fn limit(&self, tenant: TenantId, scope: LimitScope) -> Result<LimitRecord> {
                    self.inner.limit(tenant, scope).await
                }

                async fn list_limits(&self, tenant: TenantId, page: Page) -> Result<Listing<LimitRecord>> {
                    self.inner.list_limits(tenant, page).await
                }

                async fn pause(
                    &self,
                    tenant: TenantId,
                    scope: LimitScope,
                    reason: &str,
                ) -> Result<LimitRecord> {
                    self.inner.pause(tenant, scope, reason).await
                }

                async fn resume(&self, tenant: TenantId, scope: LimitScope) -> Result<LimitRecord> {
                    self.inner.resume(tenant, scope).await
                }

                async fn wake_limited(&self) -> Result<()> {
                    self.inner.wake_limited().await
                }
            }

            #[::async_trait::async_trait]
            impl DeadLetters for $wrapper {
                async fn dead_letter(&self, tenant: TenantId, id: LetterId) -> Result<DeadLetter> {
                    self.inner.dead_letter(tenant, id).await
                }

                async fn list_dead_letters(
                    &self,
                    tenant: TenantId,
                    run: Option<RunId>,
                    page: Page,
                ) -> Result<Listing<DeadLetter>> {
                    self.inner.list_dead_letters(tenant, run, page).await
                }

                async fn discard_dead_letter(&self, tenant: TenantId, id: LetterId) -> Result<()> {
                    self.inner.discard_dead_letter(tenant, id).await
                }

                async fn redrive(&self, tenant: TenantId, run: RunId, new: NewRun) -> Result<Enqueued> {
                    self.inner.redrive(tenant, run, new).await
                }

                async fn repeat(
                    &self,
                    tenant: TenantId,
                    run: RunId,
                    new: NewRun,
                    repeats: Repeats,
                ) -> Result<Enqueued> {
                    self.inner.repeat(tenant, run, new, repeats).await
                }
            }

            #[::async_trait::async_trait]
            impl Retention for $wrapper {
                async fn remove_runs(&self, keep: &Keep, limit: usize) -> Result<u64> {
                    self.inner.remove_runs(keep, limit).await
                }
            }
        };
    };
}
