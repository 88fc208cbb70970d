//! The audit record.

/// Implements [`AuditLog`](opsconductor_core::store::AuditLog) for a type whose field `inner` is a store. Entries travel with the
/// task, so calls that are passed through take them along.
#[macro_export]
macro_rules! pass_audit_through {
    ($wrapper:ty) => {
        const _: () = {
            use ::opsconductor_core::{
                Result,
                audit::{Chained, Head, staging::Staged},
                clock::Timestamp,
                id::TenantId,
                store::{AuditFilter, AuditLog, AuditState, Listing, Page, StoredCheckpoint},
            };

            #[::async_trait::async_trait]
            impl AuditLog for $wrapper {
                async fn append_audit(&self, entries: Vec<Staged>) -> Result<()> {
                    self.inner.append_audit(entries).await
                }

                async fn sequence_audit(&self, limit: usize) -> Result<u64> {
                    self.inner.sequence_audit(limit).await
                }

                async fn audit_state(&self, tenant: TenantId) -> Result<AuditState> {
                    self.inner.audit_state(tenant).await
                }

                async fn audit_records(
                    &self,
                    tenant: TenantId,
                    after: u64,
                    limit: usize,
                ) -> Result<Vec<Chained>> {
                    self.inner.audit_records(tenant, after, limit).await
                }

                async fn list_audit(
                    &self,
                    tenant: TenantId,
                    filter: &AuditFilter,
                    page: Page,
                ) -> Result<Listing<Chained>> {
                    self.inner.list_audit(tenant, filter, page).await
                }

                async fn audit_size_before(&self, tenant: TenantId, time: Timestamp) -> Result<Head> {
                    self.inner.audit_size_before(tenant, time).await
                }

                async fn add_checkpoint(
                    &self,
                    tenant: TenantId,
                    head: Head,
                    note: &str,
                ) -> Result<StoredCheckpoint> {
                    self.inner.add_checkpoint(tenant, head, note).await
                }

                async fn list_checkpoints(
                    &self,
                    tenant: TenantId,
                    page: Page,
                ) -> Result<Listing<StoredCheckpoint>> {
                    self.inner.list_checkpoints(tenant, page).await
                }

                async fn begin_audit_after(&self, tenant: TenantId, head: Head, note: &str) -> Result<()> {
                    self.inner.begin_audit_after(tenant, head, note).await
                }

                async fn remove_audit(&self, tenant: TenantId) -> Result<u64> {
                    self.inner.remove_audit(tenant).await
                }

                async fn audit_key(&self, tenant: TenantId) -> Result<Option<Vec<u8>>> {
                    self.inner.audit_key(tenant).await
                }

                async fn keep_audit_key(&self, tenant: TenantId, sealed: &[u8]) -> Result<Vec<u8>> {
                    self.inner.keep_audit_key(tenant, sealed).await
                }
            }
        };
    };
}
