//! What people write down: credentials (sealed), targets, jobs.

use async_trait::async_trait;
use serde_json::Value;

use super::{Listing, Page};
use crate::{
    Error, ErrorKind, Result,
    clock::Timestamp,
    id::{CredentialId, JobId, TargetId, TenantId, UserId},
    target::{Target, TargetSpec},
    tenant::Tenant,
};

/// A credential as it is stored: sealed.
#[derive(Clone, PartialEq, Eq)]
pub struct CredentialRecord {
    /// Its id.
    pub id: CredentialId,
    /// Its name, unique in the tenant.
    pub name: String,
    /// What it is for.
    pub description: Option<String>,
    /// `winrm`, `ssh` or `api_key`.
    pub credential_type: String,
    /// Raised by one with each new secret; bound into the sealed record.
    pub version: i32,
    /// The sealed record of the current version.
    pub sealed: Vec<u8>,
    /// When it was made.
    pub created_at: Timestamp,
    /// When it was last changed.
    pub updated_at: Option<Timestamp>,
    /// Until when it is good, if that was said.
    pub expires_at: Option<Timestamp>,
}

/// A credential to store. The id is reserved first, because the sealed record is bound to it.
#[derive(Clone)]
pub struct NewCredential {
    /// From [`Catalog::reserve_credential_id`].
    pub id: CredentialId,
    /// Its name.
    pub name: String,
    /// What it is for.
    pub description: Option<String>,
    /// `winrm`, `ssh` or `api_key`.
    pub credential_type: String,
    /// The version that was sealed.
    pub version: i32,
    /// The sealed record.
    pub sealed: Vec<u8>,
}

/// A job in one of its versions.
#[derive(Debug, Clone, PartialEq)]
pub struct JobRecord {
    /// Its id.
    pub id: JobId,
    /// Its name, unique in the tenant.
    pub name: String,
    /// The version.
    pub version: i32,
    /// The definition, as it was accepted.
    pub definition: Value,
    /// Who saved it.
    pub created_by: Option<UserId>,
    /// Whether it may be run.
    pub is_active: bool,
    /// When the job was first saved.
    pub created_at: Timestamp,
}

/// A version of a job, as it was saved.
#[derive(Debug, Clone, PartialEq)]
pub struct JobVersion {
    /// Its number.
    pub version: i32,
    /// What the job was called.
    pub name: String,
    /// The definition.
    pub definition: Value,
    /// Who saved it.
    pub created_by: Option<UserId>,
    /// When.
    pub saved_at: Timestamp,
}

/// A job to store.
#[derive(Debug, Clone, PartialEq)]
pub struct NewJob {
    /// Its name.
    pub name: String,
    /// The version to start with, at least 1.
    pub version: i32,
    /// The definition, validated.
    pub definition: Value,
    /// The targets that the definition names. While the job is active they stay, under these names.
    pub targets: Vec<String>,
    /// Who saves it.
    pub created_by: Option<UserId>,
    /// Whether it may be run.
    pub is_active: bool,
    /// The version that the job must still have when it is updated; none: any.
    pub expected_version: Option<i32>,
}

/// What a store answers whoever would update a job that has another version than was expected.
pub fn changed_meanwhile(job: JobId, version: i32) -> Error {
    Error::new(ErrorKind::Conflict, "the job was changed meanwhile").with("job", job).with("version", version)
}

/// What a store answers whoever would take a target from the active job called `job`.
pub fn named_by(job: &str) -> Error {
    let message = "an active job names the target; change the job first, or make it inactive";
    Error::new(ErrorKind::Conflict, message).with("job", job)
}

/// Credentials, targets and jobs. Lists come newest first (by id). Writing into a tenant that is not there is `NotFound`.
#[async_trait]
pub trait Catalog: Send + Sync {
    /// Makes a tenant.
    ///
    /// # Errors
    ///
    /// `Conflict` when the name is taken.
    async fn create_tenant(&self, name: &str) -> Result<Tenant>;

    /// The tenant called `name`. [`DEFAULT_TENANT`](crate::tenant::DEFAULT_TENANT) is always there.
    ///
    /// # Errors
    ///
    /// `NotFound`.
    async fn tenant_by_name(&self, name: &str) -> Result<Tenant>;

    /// A credential id that nobody has had and nobody else will get, across tenants and restarts. An id that is never
    /// used is simply left out.
    ///
    /// # Errors
    ///
    /// Only those of the store itself.
    async fn reserve_credential_id(&self) -> Result<CredentialId>;

    /// Stores a credential under its reserved id.
    ///
    /// # Errors
    ///
    /// `Conflict` when the name is taken in the tenant or the id is in use.
    async fn insert_credential(&self, tenant: TenantId, new: NewCredential) -> Result<CredentialRecord>;

    /// Replaces name, description and sealed record of a credential, if it still has `expected_version`; the new version
    /// is the one in `new`. A version that is replaced by another is [kept](super::Versions).
    ///
    /// # Errors
    ///
    /// `NotFound`; `Conflict` when the version is another or the name is taken; `InvalidInput` when the type is another,
    /// because it is bound into the sealed record. Nothing changed then.
    async fn update_credential(
        &self,
        tenant: TenantId,
        expected_version: i32,
        new: NewCredential,
    ) -> Result<CredentialRecord>;

    /// One credential.
    ///
    /// # Errors
    ///
    /// `NotFound`.
    async fn credential(&self, tenant: TenantId, id: CredentialId) -> Result<CredentialRecord>;

    /// Of which type each of these credentials is, by id; those that are not there are left out.
    ///
    /// # Errors
    ///
    /// Only those of the store itself.
    async fn credential_types(
        &self,
        tenant: TenantId,
        ids: &[CredentialId],
    ) -> Result<Vec<(CredentialId, String)>>;

    /// One credential, by name.
    ///
    /// # Errors
    ///
    /// `NotFound`.
    async fn credential_by_name(&self, tenant: TenantId, name: &str) -> Result<CredentialRecord>;

    /// Credentials of the tenant.
    ///
    /// # Errors
    ///
    /// Only those of the store itself.
    async fn list_credentials(&self, tenant: TenantId, page: Page) -> Result<Listing<CredentialRecord>>;

    /// Removes a credential and its sealed records.
    ///
    /// # Errors
    ///
    /// `NotFound`; `Conflict` while a target uses it, naming one.
    async fn delete_credential(&self, tenant: TenantId, id: CredentialId) -> Result<()>;

    /// Stores a target.
    ///
    /// # Errors
    ///
    /// `Conflict` when the name is taken; `InvalidInput` when the credential or a target it depends on does not exist in
    /// the tenant.
    async fn insert_target(&self, tenant: TenantId, spec: TargetSpec) -> Result<Target>;

    /// Replaces what a target is.
    ///
    /// # Errors
    ///
    /// `NotFound`; `Conflict` when its name is another and an active job [names](NewJob::targets) it by the old one, naming
    /// one; else as [`Catalog::insert_target`].
    async fn update_target(&self, tenant: TenantId, id: TargetId, spec: TargetSpec) -> Result<Target>;

    /// One target.
    ///
    /// # Errors
    ///
    /// `NotFound`.
    async fn target(&self, tenant: TenantId, id: TargetId) -> Result<Target>;

    /// The targets with these names, in any order; names that do not exist are left out.
    ///
    /// # Errors
    ///
    /// Only those of the store itself.
    async fn targets_by_name(&self, tenant: TenantId, names: &[String]) -> Result<Vec<Target>>;

    /// Targets that carry every one of `tags` (none: all targets).
    ///
    /// # Errors
    ///
    /// Only those of the store itself.
    async fn list_targets(&self, tenant: TenantId, tags: &[String], page: Page) -> Result<Listing<Target>>;

    /// Removes a target. Runs that used it keep its name in their plan and its id in their tasks.
    ///
    /// # Errors
    ///
    /// `NotFound`; `Conflict` while another target depends on it, an active job [names](NewJob::targets) it or a live run
    /// uses it, naming one of them.
    async fn delete_target(&self, tenant: TenantId, id: TargetId) -> Result<()>;

    /// Stores a job with its first version. Whatever comes at the same moment, an active job never names a target that is
    /// not there.
    ///
    /// # Errors
    ///
    /// `Conflict` when the name is taken; `InvalidInput` for a version below 1, and for an active job that names a target
    /// which does not exist in the tenant.
    async fn insert_job(&self, tenant: TenantId, new: NewJob) -> Result<JobRecord>;

    /// Adds a version to a job: the greater of `new.version` and the present one plus one. Versions never change and
    /// never go; runs keep theirs. Only the targets that the present version names have to stay.
    ///
    /// # Errors
    ///
    /// `NotFound`; `Conflict` when the version is not the one that was expected, which is looked at first; else as
    /// [`Catalog::insert_job`].
    async fn update_job(&self, tenant: TenantId, id: JobId, new: NewJob) -> Result<JobRecord>;

    /// A job in its present version.
    ///
    /// # Errors
    ///
    /// `NotFound`.
    async fn job(&self, tenant: TenantId, id: JobId) -> Result<JobRecord>;

    /// A job in its present version, by name.
    ///
    /// # Errors
    ///
    /// `NotFound`.
    async fn job_by_name(&self, tenant: TenantId, name: &str) -> Result<JobRecord>;

    /// Jobs of the tenant in their present versions.
    ///
    /// # Errors
    ///
    /// Only those of the store itself.
    async fn list_jobs(&self, tenant: TenantId, active_only: bool, page: Page) -> Result<Listing<JobRecord>>;

    /// The versions of a job, newest first. A version never changes.
    ///
    /// # Errors
    ///
    /// `NotFound`.
    async fn job_versions(&self, tenant: TenantId, id: JobId, page: Page) -> Result<Listing<JobVersion>>;

    /// Removes a job and its versions.
    ///
    /// # Errors
    ///
    /// `NotFound`; `Conflict` when it has runs.
    async fn delete_job(&self, tenant: TenantId, id: JobId) -> Result<()>;
}
