//! The [`Catalog`] in SQLite.

mod credential;
mod job;
mod target;
pub(crate) mod tenant;
mod versions;

use async_trait::async_trait;
use opsconductor_core::{
    Result,
    id::{CredentialId, JobId, TargetId, TenantId},
    store::{Catalog, CredentialRecord, JobRecord, JobVersion, Listing, NewCredential, NewJob, Page},
    target::{Target, TargetSpec},
    tenant::Tenant,
};

use crate::{SqliteStore, columns};

#[async_trait]
impl Catalog for SqliteStore {
    async fn create_tenant(&self, name: &str) -> Result<Tenant> {
        let name = name.to_owned();
        self.writer.write(move |tx| tenant::create(tx, &name)).await
    }

    async fn tenant_by_name(&self, name: &str) -> Result<Tenant> {
        let name = name.to_owned();
        self.readers.glance(move |db| tenant::by_name(db, &name)).await
    }

    async fn reserve_credential_id(&self) -> Result<CredentialId> {
        self.writer.write(credential::reserve_id).await
    }

    async fn insert_credential(&self, tenant: TenantId, new: NewCredential) -> Result<CredentialRecord> {
        self.writer.write(move |tx| credential::insert(tx, tenant, &new)).await
    }

    async fn update_credential(
        &self,
        tenant: TenantId,
        expected_version: i32,
        new: NewCredential,
    ) -> Result<CredentialRecord> {
        self.writer.write(move |tx| credential::update(tx, tenant, expected_version, &new)).await
    }

    async fn credential(&self, tenant: TenantId, id: CredentialId) -> Result<CredentialRecord> {
        self.readers.glance(move |db| credential::by_id(db, tenant, id)).await
    }

    async fn credential_types(
        &self,
        tenant: TenantId,
        ids: &[CredentialId],
    ) -> Result<Vec<(CredentialId, String)>> {
        let ids = ids.to_vec();
        self.readers.read(move |db| credential::types(db, tenant, &ids)).await
    }

    async fn credential_by_name(&self, tenant: TenantId, name: &str) -> Result<CredentialRecord> {
        let name = name.to_owned();
        self.readers.glance(move |db| credential::by_name(db, tenant, &name)).await
    }

    async fn list_credentials(&self, tenant: TenantId, page: Page) -> Result<Listing<CredentialRecord>> {
        self.readers.read(move |db| credential::list(db, tenant, page)).await
    }

    async fn delete_credential(&self, tenant: TenantId, id: CredentialId) -> Result<()> {
        self.writer.write(move |tx| credential::delete(tx, tenant, id)).await
    }

    async fn insert_target(&self, tenant: TenantId, spec: TargetSpec) -> Result<Target> {
        let json = target::Json::of(&spec)?;
        self.writer.write(move |tx| target::insert(tx, tenant, spec, &json)).await
    }

    async fn update_target(&self, tenant: TenantId, id: TargetId, spec: TargetSpec) -> Result<Target> {
        let json = target::Json::of(&spec)?;
        self.writer.write(move |tx| target::update(tx, tenant, id, spec, &json)).await
    }

    async fn target(&self, tenant: TenantId, id: TargetId) -> Result<Target> {
        self.readers.glance(move |db| target::by_id(db, tenant, id)).await
    }

    async fn targets_by_name(&self, tenant: TenantId, names: &[String]) -> Result<Vec<Target>> {
        let names = columns::to_json(&names)?;
        self.readers.read(move |db| target::by_names(db, tenant, &names)).await
    }

    async fn list_targets(&self, tenant: TenantId, tags: &[String], page: Page) -> Result<Listing<Target>> {
        let tags = columns::to_json(&tags)?;
        self.readers.read(move |db| target::list(db, tenant, &tags, page)).await
    }

    async fn delete_target(&self, tenant: TenantId, id: TargetId) -> Result<()> {
        self.writer.write(move |tx| target::delete(tx, tenant, id)).await
    }

    async fn insert_job(&self, tenant: TenantId, new: NewJob) -> Result<JobRecord> {
        let (definition, targets) = (columns::to_json(&new.definition)?, columns::to_json(&new.targets)?);
        self.writer.write(move |tx| job::insert(tx, tenant, &new, (&definition, &targets))).await
    }

    async fn update_job(&self, tenant: TenantId, id: JobId, new: NewJob) -> Result<JobRecord> {
        let (definition, targets) = (columns::to_json(&new.definition)?, columns::to_json(&new.targets)?);
        self.writer.write(move |tx| job::update(tx, tenant, id, &new, (&definition, &targets))).await
    }

    async fn job(&self, tenant: TenantId, id: JobId) -> Result<JobRecord> {
        self.readers.glance(move |db| job::by_id(db, tenant, id)).await
    }

    async fn job_by_name(&self, tenant: TenantId, name: &str) -> Result<JobRecord> {
        let name = name.to_owned();
        self.readers.glance(move |db| job::by_name(db, tenant, &name)).await
    }

    async fn list_jobs(&self, tenant: TenantId, active_only: bool, page: Page) -> Result<Listing<JobRecord>> {
        self.readers.read(move |db| job::list(db, tenant, active_only, page)).await
    }

    async fn job_versions(&self, tenant: TenantId, id: JobId, page: Page) -> Result<Listing<JobVersion>> {
        self.readers.read(move |db| job::versions(db, tenant, id, page)).await
    }

    async fn delete_job(&self, tenant: TenantId, id: JobId) -> Result<()> {
        self.writer.write(move |tx| job::delete(tx, tenant, id)).await
    }
}
