//! What is shown as it happens.

/// Implements [`Feed`](opsconductor_core::store::Feed) for a type whose field `inner` is a store.
#[macro_export]
macro_rules! pass_feed_through {
    ($wrapper:ty) => {
        const _: () = {
            use ::opsconductor_core::{
                Result,
                id::TenantId,
                store::{Feed, FeedEvent, StepCounts},
            };
            use ::std::time::Duration;

            #[::async_trait::async_trait]
            impl Feed for $wrapper {
                async fn number_events(&self, limit: usize) -> Result<u64> {
                    self.inner.number_events(limit).await
                }

                async fn tenant_events(
                    &self,
                    tenant: TenantId,
                    after: u64,
                    limit: usize,
                ) -> Result<Vec<FeedEvent>> {
                    self.inner.tenant_events(tenant, after, limit).await
                }

                async fn last_tenant_event(&self, tenant: TenantId) -> Result<u64> {
                    self.inner.last_tenant_event(tenant).await
                }

                async fn step_counts(&self, tenant: TenantId, since: Duration) -> Result<StepCounts> {
                    self.inner.step_counts(tenant, since).await
                }
            }
        };
    };
}
