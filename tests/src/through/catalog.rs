//! What people write down.

/// Implements [`Catalog`](opsconductor_core::store::Catalog) for a type whose field `inner` is a store.
#[macro_export]
macro_rules! pass_catalog_through {
    ($wrapper:ty) => {
        const _: () = {
            use ::opsconductor_core::{
                Result,
                id::{CredentialId, JobId, TargetId, TenantId},
                store::{
                    Catalog, CredentialRecord, JobRecord, JobVersion, Listing, NewCredential, NewJob, Page,
                },
                target::{Target, TargetSpec},
                tenant::Tenant,
            };

            #[::async_trait::async_trait]
            impl Catalog for $wrapper {
                async fn create_tenant(&self, name: &str) -> Result<Tenant> {
                    self.inner.create_tenant(name).await
                }

                async fn tenant_by_name(&self, name: &str) -> Result<Tenant> {
                    self.inner.tenant_by_name(name).await
                }

                async fn reserve_credential_id(&self) -> Result<CredentialId> {
                    self.inner.reserve_credential_id().await
                }

                async fn insert_credential(
                    &self,
                    tenant: TenantId,
                    new: NewCredential,
                ) -> Result<CredentialRecord> {
                    self.inner.insert_credential(tenant, new).await
                }

                async fn update_credential(
                    &self,
                    tenant: TenantId,
                    expected_version: i32,
                    new: NewCredential,
                ) -> Result<CredentialRecord> {
                    self.inner.update_credential(tenant, expected_version, new).await
                }

                async fn credential(&self, tenant: TenantId, id: CredentialId) -> Result<CredentialRecord> {
                    self.inner.credential(tenant, id).await
                }

                async fn credential_by_name(&self, tenant: TenantId, name: &str) -> Result<CredentialRecord> {
                    self.inner.credential_by_name(tenant, name).await
                }

                async fn list_credentials(
                    &self,
                    tenant: TenantId,
                    page: Page,
                ) -> Result<Listing<CredentialRecord>> {
                    self.inner.list_credentials(tenant, page).await
                }

                async fn credential_types(
                    &self,
                    tenant: TenantId,
                    ids: &[CredentialId],
                ) -> Result<Vec<(CredentialId, String)>> {
                    self.inner.credential_types(tenant, ids).await
                }

                async fn delete_credential(&self, tenant: TenantId, id: CredentialId) -> Result<()> {
                    self.inner.delete_credential(tenant, id).await
                }

                async fn insert_target(&self, tenant: TenantId, spec: TargetSpec) -> Result<Target> {
                    self.inner.insert_target(tenant, spec).await
                }

                async fn update_target(
                    &self,
                    tenant: TenantId,
                    id: TargetId,
                    spec: TargetSpec,
                ) -> Result<Target> {
                    self.inner.update_target(tenant, id, spec).await
                }

                async fn target(&self, tenant: TenantId, id: TargetId) -> Result<Target> {
                    self.inner.target(tenant, id).await
                }

                async fn targets_by_name(&self, tenant: TenantId, names: &[String]) -> Result<Vec<Target>> {
                    self.inner.targets_by_name(tenant, names).await
                }

                async fn list_targets(
                    &self,
                    tenant: TenantId,
                    tags: &[String],
                    page: Page,
                ) -> Result<Listing<Target>> {
                    self.inner.list_targets(tenant, tags, page).await
                }

                async fn delete_target(&self, tenant: TenantId, id: TargetId) -> Result<()> {
                    self.inner.delete_target(tenant, id).await
                }

                async fn insert_job(&self, tenant: TenantId, new: NewJob) -> Result<JobRecord> {
                    self.inner.insert_job(tenant, new).await
                }

                async fn update_job(&self, tenant: TenantId, id: JobId, new: NewJob) -> Result<JobRecord> {
                    self.inner.update_job(tenant, id, new).await
                }

                async fn job(&self, tenant: TenantId, id: JobId) -> Result<JobRecord> {
                    self.inner.job(tenant, id).await
                }

                async fn job_by_name(&self, tenant: TenantId, name: &str) -> Result<JobRecord> {
                    self.inner.job_by_name(tenant, name).await
                }

                async fn job_versions(
                    &self,
                    tenant: TenantId,
                    id: JobId,
                    page: Page,
                ) -> Result<Listing<JobVersion>> {
                    self.inner.job_versions(tenant, id, page).await
                }

                async fn list_jobs(
                    &self,
                    tenant: TenantId,
                    active_only: bool,
                    page: Page,
                ) -> Result<Listing<JobRecord>> {
                    self.inner.list_jobs(tenant, active_only, page).await
                }

                async fn delete_job(&self, tenant: TenantId, id: JobId) -> Result<()> {
                    self.inner.delete_job(tenant, id).await
                }
            }
        };
    };
}
