//! The [`Catalog`] of the memory store.

use std::collections::BTreeMap;

use async_trait::async_trait;

use super::{JobRow, MemoryStore, State, history::listing, invalid, missing, taken};
use crate::{
    Error, ErrorKind, Result,
    clock::Timestamp,
    id::{CredentialId, JobId, TargetId, TenantId},
    store::{
        Catalog, CredentialRecord, JobRecord, JobVersion, LimitScope, Listing, NewCredential, NewJob, Page,
        changed_meanwhile, named_by,
    },
    target::{Target, TargetSpec},
    tenant::Tenant,
};

#[async_trait]
impl Catalog for MemoryStore {
    async fn create_tenant(&self, name: &str) -> Result<Tenant> {
        self.with(|state| {
            if state.tenants.values().any(|tenant| tenant.name == name) {
                return Err(taken("tenant", name));
            }
            let id = TenantId::new(state.next_id());
            let tenant = Tenant { id, name: name.to_owned(), created_at: state.now };
            state.tenants.insert(tenant.id, tenant.clone());
            Ok(tenant)
        })
    }

    async fn tenant_by_name(&self, name: &str) -> Result<Tenant> {
        self.with(|state| {
            let found = state.tenants.values().find(|tenant| tenant.name == name);
            found.cloned().ok_or_else(|| missing("tenant", name))
        })
    }

    async fn reserve_credential_id(&self) -> Result<CredentialId> {
        Ok(self.with(|state| CredentialId::new(state.next_id())))
    }

    async fn insert_credential(&self, tenant: TenantId, new: NewCredential) -> Result<CredentialRecord> {
        self.noted(|state| state.insert_credential(tenant, new))
    }

    async fn update_credential(
        &self,
        tenant: TenantId,
        expected_version: i32,
        new: NewCredential,
    ) -> Result<CredentialRecord> {
        self.noted(|state| state.update_credential(tenant, expected_version, new))
    }

    async fn credential(&self, tenant: TenantId, id: CredentialId) -> Result<CredentialRecord> {
        self.with(|state| state.credential_of(tenant, id).cloned())
    }

    async fn credential_types(
        &self,
        tenant: TenantId,
        ids: &[CredentialId],
    ) -> Result<Vec<(CredentialId, String)>> {
        self.with(|state| {
            let mine =
                state.credentials.values().filter(|(owner, _)| *owner == tenant).map(|(_, record)| record);
            let wanted = mine.filter(|record| ids.contains(&record.id));
            Ok(wanted.map(|record| (record.id, record.credential_type.clone())).collect())
        })
    }

    async fn credential_by_name(&self, tenant: TenantId, name: &str) -> Result<CredentialRecord> {
        self.with(|state| {
            let mut mine = state.credentials_of(tenant);
            mine.find(|record| record.name == name).cloned().ok_or_else(|| missing("credential", name))
        })
    }

    async fn list_credentials(&self, tenant: TenantId, page: Page) -> Result<Listing<CredentialRecord>> {
        Ok(self.with(|state| listing(state.credentials_of(tenant), page)))
    }

    async fn delete_credential(&self, tenant: TenantId, id: CredentialId) -> Result<()> {
        self.noted(|state| {
            state.credential_of(tenant, id)?;
            if let Some(user) = state.targets_of(tenant).find(|t| t.spec.credential_ref == Some(id)) {
                return Err(Error::new(ErrorKind::Conflict, "a target uses the credential")
                    .with("target", &user.spec.name));
            }
            state.credentials.remove(&id);
            state.forget_versions(id);
            state.limits.remove(&(tenant, LimitScope::Credential(id)));
            Ok(())
        })
    }

    async fn insert_target(&self, tenant: TenantId, spec: TargetSpec) -> Result<Target> {
        self.noted(|state| {
            state.check_target(tenant, None, &spec)?;
            let target = Target { id: TargetId::new(state.next_id()), spec, created_at: state.now };
            state.targets.insert(target.id, (tenant, target.clone()));
            state.concerns(target.id.get());
            Ok(target)
        })
    }

    async fn update_target(&self, tenant: TenantId, id: TargetId, spec: TargetSpec) -> Result<Target> {
        self.noted(|state| {
            let present = state.target_of(tenant, id)?;
            let created_at = present.created_at;
            let renamed = (present.spec.name != spec.name).then(|| present.spec.name.clone());
            state.check_target(tenant, Some(id), &spec)?;
            renamed.map_or(Ok(()), |name| state.check_unnamed(tenant, &name))?;
            let target = Target { id, spec, created_at };
            state.targets.insert(id, (tenant, target.clone()));
            Ok(target)
        })
    }

    async fn target(&self, tenant: TenantId, id: TargetId) -> Result<Target> {
        self.with(|state| state.target_of(tenant, id).cloned())
    }

    async fn targets_by_name(&self, tenant: TenantId, names: &[String]) -> Result<Vec<Target>> {
        Ok(self.with(|state| {
            state.targets_of(tenant).filter(|target| names.contains(&target.spec.name)).cloned().collect()
        }))
    }

    async fn list_targets(&self, tenant: TenantId, tags: &[String], page: Page) -> Result<Listing<Target>> {
        Ok(self.with(|state| {
            let tagged = |target: &&Target| tags.iter().all(|tag| target.spec.tags.contains(tag));
            listing(state.targets_of(tenant).filter(tagged), page)
        }))
    }

    async fn delete_target(&self, tenant: TenantId, id: TargetId) -> Result<()> {
        self.noted(|state| {
            let name = state.target_of(tenant, id)?.spec.name.clone();
            if let Some(other) =
                state.targets_of(tenant).find(|t| t.id != id && t.spec.depends_on.contains(&id))
            {
                return Err(Error::new(ErrorKind::Conflict, "another target depends on it")
                    .with("target", &other.spec.name));
            }
            state.check_unnamed(tenant, &name)?;
            let live = |run: &&super::RunRow| !run.record.status.is_final();
            if let Some(run) = state.runs.values().filter(live).find(|run| run.plan.target(id).is_some()) {
                return Err(Error::new(ErrorKind::Conflict, "a run that has not ended uses the target")
                    .with("run", run.record.id));
            }
            state.targets.remove(&id);
            state.limits.remove(&(tenant, LimitScope::Target(id)));
            Ok(())
        })
    }

    async fn insert_job(&self, tenant: TenantId, new: NewJob) -> Result<JobRecord> {
        self.noted(|state| {
            state.check_job(tenant, None, &new)?;
            let id = JobId::new(state.next_id());
            let targets = new.targets.clone();
            let record = record_of(id, new.version, new, state.now);
            let versions = BTreeMap::from([(record.version, version_of(&record, state.now))]);
            state.jobs.insert(id, JobRow { tenant, record: record.clone(), targets, versions });
            state.concerns(id.get());
            Ok(record)
        })
    }

    async fn update_job(&self, tenant: TenantId, id: JobId, new: NewJob) -> Result<JobRecord> {
        self.noted(|state| {
            let present = state.job_of(tenant, id)?.record.version;
            if new.expected_version.is_some_and(|expected| expected != present) {
                return Err(changed_meanwhile(id, present));
            }
            state.check_job(tenant, Some(id), &new)?;
            let now = state.now;
            let row = state.jobs.get_mut(&id).ok_or_else(|| missing("job", id))?;
            let version = new.version.max(row.record.version + 1);
            row.targets.clone_from(&new.targets);
            let record = record_of(id, version, new, row.record.created_at);
            row.versions.insert(version, version_of(&record, now));
            row.record = record.clone();
            Ok(record)
        })
    }

    async fn job(&self, tenant: TenantId, id: JobId) -> Result<JobRecord> {
        self.with(|state| Ok(state.job_of(tenant, id)?.record.clone()))
    }

    async fn job_by_name(&self, tenant: TenantId, name: &str) -> Result<JobRecord> {
        self.with(|state| {
            let mut mine = state.jobs.values().filter(|job| job.tenant == tenant);
            let found = mine.find(|job| job.record.name == name);
            found.map(|job| job.record.clone()).ok_or_else(|| missing("job", name))
        })
    }

    async fn list_jobs(&self, tenant: TenantId, active_only: bool, page: Page) -> Result<Listing<JobRecord>> {
        Ok(self.with(|state| {
            let mine = state.jobs.values().rev().filter(|job| job.tenant == tenant);
            let wanted = mine.map(|job| &job.record).filter(|job| job.is_active || !active_only);
            listing(wanted, page)
        }))
    }

    async fn job_versions(&self, tenant: TenantId, id: JobId, page: Page) -> Result<Listing<JobVersion>> {
        self.with(|state| Ok(listing(state.job_of(tenant, id)?.versions.values().rev(), page)))
    }

    async fn delete_job(&self, tenant: TenantId, id: JobId) -> Result<()> {
        self.noted(|state| {
            state.job_of(tenant, id)?;
            if let Some(run) = state.runs.values().find(|run| run.record.job == id) {
                return Err(Error::new(ErrorKind::Conflict, "the job has runs").with("run", run.record.id));
            }
            state.jobs.remove(&id);
            state.limits.remove(&(tenant, LimitScope::Job(id)));
            Ok(())
        })
    }
}

impl State {
    fn credentials_of(&self, tenant: TenantId) -> impl Iterator<Item = &CredentialRecord> + Clone {
        self.credentials.values().rev().filter(move |(owner, _)| *owner == tenant).map(|(_, record)| record)
    }

    pub(super) fn credential_of(&self, tenant: TenantId, id: CredentialId) -> Result<&CredentialRecord> {
        let row = self.credentials.get(&id).filter(|(owner, _)| *owner == tenant);
        row.map(|(_, record)| record).ok_or_else(|| missing("credential", id))
    }

    fn targets_of(&self, tenant: TenantId) -> impl Iterator<Item = &Target> + Clone {
        self.targets.values().rev().filter(move |(owner, _)| *owner == tenant).map(|(_, target)| target)
    }

    pub(super) fn target_of(&self, tenant: TenantId, id: TargetId) -> Result<&Target> {
        let row = self.targets.get(&id).filter(|(owner, _)| *owner == tenant);
        row.map(|(_, target)| target).ok_or_else(|| missing("target", id))
    }

    pub(super) fn job_of(&self, tenant: TenantId, id: JobId) -> Result<&JobRow> {
        self.jobs.get(&id).filter(|job| job.tenant == tenant).ok_or_else(|| missing("job", id))
    }

    fn insert_credential(&mut self, tenant: TenantId, new: NewCredential) -> Result<CredentialRecord> {
        self.tenant_exists(tenant)?;
        if self.credentials.contains_key(&new.id) {
            return Err(
                Error::new(ErrorKind::Conflict, "the credential id is in use").with("credential", new.id)
            );
        }
        if self.credentials_of(tenant).any(|record| record.name == new.name) {
            return Err(taken("credential", &new.name));
        }
        let record = CredentialRecord {
            id: new.id,
            name: new.name,
            description: new.description,
            credential_type: new.credential_type,
            version: new.version,
            sealed: new.sealed,
            created_at: self.now,
            updated_at: None,
            expires_at: None,
        };
        self.credentials.insert(record.id, (tenant, record.clone()));
        Ok(record)
    }

    fn update_credential(
        &mut self,
        tenant: TenantId,
        expected_version: i32,
        new: NewCredential,
    ) -> Result<CredentialRecord> {
        let present = self.credential_of(tenant, new.id)?.clone();
        if present.version != expected_version {
            return Err(Error::new(ErrorKind::Conflict, "the credential was changed meanwhile")
                .with("credential", new.id)
                .with("version", present.version));
        }
        if present.credential_type != new.credential_type {
            return Err(invalid("the type of a credential cannot change").with("credential", new.id));
        }
        if self.credentials_of(tenant).any(|other| other.id != new.id && other.name == new.name) {
            return Err(taken("credential", &new.name));
        }
        let rotated = new.version != present.version;
        if rotated {
            self.keep_version(tenant, &present);
        }
        let record = CredentialRecord {
            name: new.name,
            description: new.description,
            version: new.version,
            sealed: new.sealed,
            updated_at: Some(self.now),
            expires_at: present.expires_at.filter(|_| !rotated),
            ..present
        };
        self.credentials.insert(record.id, (tenant, record.clone()));
        Ok(record)
    }

    /// Whether a target may be written: `id` is its own when it is there already.
    fn check_target(&self, tenant: TenantId, id: Option<TargetId>, spec: &TargetSpec) -> Result<()> {
        self.tenant_exists(tenant)?;
        if self.targets_of(tenant).any(|other| Some(other.id) != id && other.spec.name == spec.name) {
            return Err(taken("target", &spec.name));
        }
        if let Some(credential) = spec.credential_ref
            && self.credential_of(tenant, credential).is_err()
        {
            return Err(invalid("the target's credential does not exist").with("credential", credential));
        }
        for before in &spec.depends_on {
            if self.target_of(tenant, *before).is_err() {
                return Err(
                    invalid("a target that this one depends on does not exist").with("target", before)
                );
            }
        }
        Ok(())
    }

    /// Whether a job may be written: `id` is its own when it is there already.
    fn check_job(&self, tenant: TenantId, id: Option<JobId>, new: &NewJob) -> Result<()> {
        self.tenant_exists(tenant)?;
        if new.version < 1 {
            return Err(invalid("the version of a job is at least 1").with("given", new.version));
        }
        let mut mine = self.jobs.values().filter(|job| job.tenant == tenant);
        if mine.any(|other| Some(other.record.id) != id && other.record.name == new.name) {
            return Err(taken("job", &new.name));
        }
        let there = |name: &&String| self.targets_of(tenant).any(|target| target.spec.name == **name);
        match new.targets.iter().find(|name| new.is_active && !there(name)) {
            Some(name) => Err(invalid("a target that the job names does not exist").with("target", name)),
            None => Ok(()),
        }
    }

    /// Refuses what would take the target called `name` from an active job.
    fn check_unnamed(&self, tenant: TenantId, name: &str) -> Result<()> {
        let mut mine = self.jobs.values().filter(|job| job.tenant == tenant && job.record.is_active);
        match mine.find(|job| job.targets.iter().any(|target| target == name)) {
            Some(job) => Err(named_by(&job.record.name)),
            None => Ok(()),
        }
    }
}

fn version_of(record: &JobRecord, saved_at: Timestamp) -> JobVersion {
    JobVersion {
        version: record.version,
        name: record.name.clone(),
        definition: record.definition.clone(),
        created_by: record.created_by,
        saved_at,
    }
}

fn record_of(id: JobId, version: i32, new: NewJob, created_at: crate::clock::Timestamp) -> JobRecord {
    JobRecord {
        id,
        name: new.name,
        version,
        definition: new.definition,
        created_by: new.created_by,
        is_active: new.is_active,
        created_at,
    }
}
