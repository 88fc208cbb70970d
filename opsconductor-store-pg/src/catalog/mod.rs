//! The [`Catalog`] in PostgreSQL. What a row may refer to is left to constraints, so that two callers at once cannot both be right.

mod credential;
mod job;
mod target;
mod tenant;
mod versions;

use async_trait::async_trait;
use opsconductor_core::{
    Result,
    id::{CredentialId, JobId, TargetId, TenantId},
    store::{Catalog, CredentialRecord, JobRecord, JobVersion, Listing, NewCredential, NewJob, Page},
    target::{Target, TargetSpec},
    tenant::Tenant,
};

use crate::{
    PgStore,
    error::{Failure, missing},
};

#[async_trait]
impl Catalog for PgStore {
    async fn create_tenant(&self, name: &str) -> Result<Tenant> {
        Ok(tenant::create(self, name).await?)
    }

    async fn tenant_by_name(&self, name: &str) -> Result<Tenant> {
        Ok(tenant::by_name(self, name).await?)
    }

    async fn reserve_credential_id(&self) -> Result<CredentialId> {
        Ok(credential::reserve_id(self).await?)
    }

    async fn insert_credential(&self, tenant: TenantId, new: NewCredential) -> Result<CredentialRecord> {
        Ok(credential::insert(self, tenant, &new).await?)
    }

    async fn update_credential(
        &self,
        tenant: TenantId,
        expected_version: i32,
        new: NewCredential,
    ) -> Result<CredentialRecord> {
        Ok(credential::update(self, tenant, expected_version, &new).await?)
    }

    async fn credential(&self, tenant: TenantId, id: CredentialId) -> Result<CredentialRecord> {
        Ok(credential::get(self, tenant, id).await?)
    }

    async fn credential_types(
        &self,
        tenant: TenantId,
        ids: &[CredentialId],
    ) -> Result<Vec<(CredentialId, String)>> {
        Ok(credential::types(self, tenant, ids).await?)
    }

    async fn credential_by_name(&self, tenant: TenantId, name: &str) -> Result<CredentialRecord> {
        Ok(credential::by_name(self, tenant, name).await?)
    }

    async fn list_credentials(&self, tenant: TenantId, page: Page) -> Result<Listing<CredentialRecord>> {
        Ok(credential::list(self, tenant, page).await?)
    }

    async fn delete_credential(&self, tenant: TenantId, id: CredentialId) -> Result<()> {
        Ok(credential::delete(self, tenant, id).await?)
    }

    async fn insert_target(&self, tenant: TenantId, spec: TargetSpec) -> Result<Target> {
        Ok(target::insert(self, tenant, spec).await?)
    }

    async fn update_target(&self, tenant: TenantId, id: TargetId, spec: TargetSpec) -> Result<Target> {
        Ok(target::update(self, tenant, id, spec).await?)
    }

    async fn target(&self, tenant: TenantId, id: TargetId) -> Result<Target> {
        Ok(target::get(self, tenant, id).await?)
    }

    async fn targets_by_name(&self, tenant: TenantId, names: &[String]) -> Result<Vec<Target>> {
        Ok(target::by_names(self, tenant, names).await?)
    }

    async fn list_targets(&self, tenant: TenantId, tags: &[String], page: Page) -> Result<Listing<Target>> {
        Ok(target::list(self, tenant, tags, page).await?)
    }

    async fn delete_target(&self, tenant: TenantId, id: TargetId) -> Result<()> {
        Ok(target::delete(self, tenant, id).await?)
    }

    async fn insert_job(&self, tenant: TenantId, new: NewJob) -> Result<JobRecord> {
        Ok(job::insert(self, tenant, new).await?)
    }

    async fn update_job(&self, tenant: TenantId, id: JobId, new: NewJob) -> Result<JobRecord> {
        Ok(job::update(self, tenant, id, new).await?)
    }

    async fn job(&self, tenant: TenantId, id: JobId) -> Result<JobRecord> {
        Ok(job::get(self, tenant, id).await?)
    }

    async fn job_by_name(&self, tenant: TenantId, name: &str) -> Result<JobRecord> {
        Ok(job::by_name(self, tenant, name).await?)
    }

    async fn list_jobs(&self, tenant: TenantId, active_only: bool, page: Page) -> Result<Listing<JobRecord>> {
        Ok(job::list(self, tenant, active_only, page).await?)
    }

    async fn job_versions(&self, tenant: TenantId, id: JobId, page: Page) -> Result<Listing<JobVersion>> {
        Ok(job::versions(self, tenant, id, page).await?)
    }

    async fn delete_job(&self, tenant: TenantId, id: JobId) -> Result<()> {
        Ok(job::delete(self, tenant, id).await?)
    }
}

/// Why a row was not written: what `because` makes of the constraint that refused it, or that its tenant is not there.
pub(crate) fn refused(
    error: sqlx::Error,
    tenant: TenantId,
    because: impl FnOnce(&str) -> Option<opsconductor_core::Error>,
) -> Failure {
    let failure = Failure::from(error);
    let reason = failure.constraint().and_then(|constraint| {
        because(constraint).or_else(|| constraint.ends_with("_tenant").then(|| missing("tenant", tenant)))
    });
    reason.map_or(failure, Failure::from)
}
