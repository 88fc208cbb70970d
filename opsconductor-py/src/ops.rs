//! [`Ops`]: the engine as one caller may use it.

use std::{collections::BTreeMap, sync::Arc};

use opsconductor_core::{
    Engine, Error, ErrorKind, JobSpec, Result, Scope, Secret,
    auth::policy::{Action, Resource, authorize},
    clock::Timestamp,
    engine::{AccountChange, JobOptions, NewAccount, RunOptions, Scoped},
    id::{CredentialId, JobId, RunId, TargetId, UserId},
    store::{Page, RunFilter},
    target::TargetSpec,
    tenant::Role,
    transport::Protocol,
    vault::{Credential, credential::CredentialKind},
};
use pyo3::prelude::*;
use serde_json::{Map, Value};
use tokio::runtime::Handle;

use crate::{engine::Inner, errors::raised, json, pending::Pending, records, runs::RunHandle, standalone};

/// A thing by its id or its name.
#[derive(FromPyObject)]
pub(crate) enum Ref {
    Id(i64),
    Name(String),
}

/// The engine as one caller may use it.
#[pyclass(frozen, module = "opsconductor._core")]
pub(crate) struct Ops {
    inner: Arc<Inner>,
    scope: Scope,
}

impl Ops {
    pub(crate) fn new(inner: Arc<Inner>, scope: Scope) -> Self {
        Self { inner, scope }
    }

    fn at(&self) -> PyResult<At> {
        let engine = self.inner.engine()?;
        let ops = engine.scope(self.scope.clone());
        Ok(At { engine, ops })
    }
}

/// The engine, and what of it the caller may use.
struct At {
    engine: Engine,
    ops: Scoped,
}

impl At {
    /// Whoever may not read a thing is not told either what an id stands for.
    fn may_read(&self, resource: Resource) -> Result<()> {
        authorize(self.ops.scope(), Action::Read, resource)
    }

    async fn credential(&self, given: Ref) -> Result<String> {
        let Ref::Id(id) = given else { return Ok(given.name()) };
        self.may_read(Resource::Credential)?;
        let found = self.engine.store().credential(self.ops.scope().tenant, CredentialId::new(id)).await?;
        Ok(found.name)
    }

    async fn credential_id(&self, given: Ref) -> Result<CredentialId> {
        match given {
            Ref::Id(id) => Ok(CredentialId::new(id)),
            Ref::Name(name) => {
                self.may_read(Resource::Credential)?;
                let found = self.engine.store().credential_by_name(self.ops.scope().tenant, &name).await?;
                Ok(found.id)
            }
        }
    }

    async fn target(&self, given: Ref) -> Result<String> {
        let Ref::Id(id) = given else { return Ok(given.name()) };
        self.may_read(Resource::Target)?;
        let found = self.engine.store().target(self.ops.scope().tenant, TargetId::new(id)).await?;
        Ok(found.spec.name)
    }

    async fn target_ids(&self, given: Vec<Ref>) -> Result<Vec<TargetId>> {
        let mut ids = Vec::with_capacity(given.len());
        for one in given {
            ids.push(match one {
                Ref::Id(id) => TargetId::new(id),
                Ref::Name(name) => self.ops.targets().get(&name).await?.id,
            });
        }
        Ok(ids)
    }

    async fn job(&self, given: Ref) -> Result<String> {
        let Ref::Id(id) = given else { return Ok(given.name()) };
        self.may_read(Resource::Job)?;
        Ok(self.engine.store().job(self.ops.scope().tenant, JobId::new(id)).await?.name)
    }

    async fn user(&self, given: Ref) -> Result<UserId> {
        match given {
            Ref::Id(id) => Ok(UserId::new(id)),
            Ref::Name(name) => Ok(self.ops.users().by_name(&name).await?.id),
        }
    }
}

impl Ref {
    fn name(self) -> String {
        match self {
            Self::Id(id) => id.to_string(),
            Self::Name(name) => name,
        }
    }
}

/// What a call says of a target; what is not said stays, or is as usual.
#[derive(FromPyObject)]
#[pyo3(from_item_all)]
pub(crate) struct TargetFields {
    name: Option<String>,
    hostname: Option<String>,
    protocol: Option<String>,
    port: Option<u16>,
    /// A tuple of one, where it is said.
    credential: Option<(Option<Ref>,)>,
    tags: Option<Vec<String>>,
    depends_on: Option<Vec<Ref>>,
}

impl TargetFields {
    async fn over(
        self,
        mut spec: TargetSpec,
        metadata: Option<Map<String, Value>>,
        at: &At,
    ) -> Result<TargetSpec> {
        if let Some(protocol) = &self.protocol {
            let protocol: Protocol = protocol.parse()?;
            if protocol != spec.protocol {
                spec.port = protocol.default_port();
            }
            spec.protocol = protocol;
        }
        if let Some((credential,)) = self.credential {
            spec.credential_ref = match credential {
                Some(credential) => Some(at.credential_id(credential).await?),
                None => None,
            };
        }
        if let Some(targets) = self.depends_on {
            spec.depends_on = at.target_ids(targets).await?;
        }
        spec.name = self.name.unwrap_or(spec.name);
        spec.hostname = self.hostname.unwrap_or(spec.hostname);
        spec.port = self.port.unwrap_or(spec.port);
        spec.tags = self.tags.unwrap_or(spec.tags);
        spec.metadata = metadata.unwrap_or(spec.metadata);
        Ok(spec)
    }
}

fn spec(py: Python<'_>, definition: &Bound<'_, PyAny>) -> PyResult<JobSpec> {
    raised(py, standalone::spec(definition)?)
}

fn metadata(given: Option<Bound<'_, PyAny>>) -> PyResult<Option<Map<String, Value>>> {
    given.map(|given| json::object("metadata", &given)).transpose()
}

#[pymethods]
impl Ops {
    fn who(&self) -> (i64, &str, &'static str) {
        (self.scope.tenant.get(), self.scope.actor.name(), self.scope.actor.role().as_str())
    }

    fn credential_create(
        &self,
        py: Python<'_>,
        name: String,
        kind: &str,
        data: &Bound<'_, PyAny>,
    ) -> PyResult<Pending> {
        let at = self.at()?;
        let kind: CredentialKind = raised(py, kind.parse())?;
        let credential = raised(py, Credential::from_value(kind, json::object("data", data)?.into()))?;
        Ok(Pending::new(async move { at.ops.credentials().create(&name, &credential).await }, |py, info| {
            records::credential(py, &info)
        }))
    }

    fn credential_rotate(&self, credential: Ref, data: &Bound<'_, PyAny>) -> PyResult<Pending> {
        let at = self.at()?;
        let data = json::object("data", data)?;
        let rotated = async move {
            let name = at.credential(credential).await?;
            let kind = at.ops.credentials().get(&name).await?.credential_type.parse()?;
            let credential = Credential::from_value(kind, data.into())?;
            at.ops.credentials().rotate(&name, &credential).await
        };
        Ok(Pending::new(rotated, |py, info| records::credential(py, &info)))
    }

    fn credential_set_expiry(&self, credential: Ref, expires_at: Option<Timestamp>) -> PyResult<Pending> {
        let at = self.at()?;
        let set = async move {
            let name = at.credential(credential).await?;
            at.ops.credentials().set_expiry(&name, expires_at).await
        };
        Ok(Pending::new(set, |py, info| records::credential(py, &info)))
    }

    fn credential_get(&self, credential: Ref) -> PyResult<Pending> {
        let at = self.at()?;
        let found = async move {
            let name = at.credential(credential).await?;
            at.ops.credentials().get(&name).await
        };
        Ok(Pending::new(found, |py, info| records::credential(py, &info)))
    }

    fn credential_list(&self, skip: u64, limit: u32) -> PyResult<Pending> {
        let at = self.at()?;
        Ok(Pending::new(async move { at.ops.credentials().list(Page { skip, limit }).await }, |py, page| {
            records::page(py, &page, records::credential)
        }))
    }

    fn credential_delete(&self, credential: Ref) -> PyResult<Pending> {
        let at = self.at()?;
        Ok(Pending::nothing(async move {
            let name = at.credential(credential).await?;
            at.ops.credentials().delete(&name).await
        }))
    }

    fn target_create(&self, fields: TargetFields, metadata: Option<Bound<'_, PyAny>>) -> PyResult<Pending> {
        let at = self.at()?;
        let metadata = self::metadata(metadata)?;
        let created = async move {
            // Every call says which protocol, and gets its port unless it says another.
            let spec = fields.over(TargetSpec::http("", ""), metadata, &at).await?;
            at.ops.targets().create(spec).await
        };
        Ok(Pending::new(created, |py, target| records::target(py, &target)))
    }

    fn target_update(
        &self,
        target: Ref,
        fields: TargetFields,
        metadata: Option<Bound<'_, PyAny>>,
    ) -> PyResult<Pending> {
        let at = self.at()?;
        let metadata = self::metadata(metadata)?;
        let updated = async move {
            let name = at.target(target).await?;
            let spec = fields.over(at.ops.targets().get(&name).await?.spec, metadata, &at).await?;
            at.ops.targets().update(&name, spec).await
        };
        Ok(Pending::new(updated, |py, target| records::target(py, &target)))
    }

    fn target_get(&self, target: Ref) -> PyResult<Pending> {
        let at = self.at()?;
        let found = async move {
            let name = at.target(target).await?;
            at.ops.targets().get(&name).await
        };
        Ok(Pending::new(found, |py, target| records::target(py, &target)))
    }

    fn target_list(&self, tags: Vec<String>, skip: u64, limit: u32) -> PyResult<Pending> {
        let at = self.at()?;
        let list = async move { at.ops.targets().list(&tags, Page { skip, limit }).await };
        Ok(Pending::new(list, |py, page| records::page(py, &page, records::target)))
    }

    fn target_delete(&self, target: Ref) -> PyResult<Pending> {
        let at = self.at()?;
        Ok(Pending::nothing(async move {
            let name = at.target(target).await?;
            at.ops.targets().delete(&name).await
        }))
    }

    fn target_test(&self, target: Ref) -> PyResult<Pending> {
        let at = self.at()?;
        let tested = async move {
            let name = at.target(target).await?;
            at.ops.targets().test(&name).await
        };
        Ok(Pending::new(tested, |py, report| records::probe(py, &report)))
    }

    fn job_create(
        &self,
        py: Python<'_>,
        definition: &Bound<'_, PyAny>,
        name: Option<String>,
        is_active: Option<bool>,
    ) -> PyResult<Pending> {
        let at = self.at()?;
        let spec = spec(py, definition)?;
        let options = JobOptions { name, is_active, ..JobOptions::default() };
        Ok(Pending::new(async move { at.ops.jobs().create_with(&spec, options).await }, |py, job| {
            records::job(py, &job)
        }))
    }

    fn job_update(
        &self,
        py: Python<'_>,
        job: Ref,
        definition: Option<Bound<'_, PyAny>>,
        name: Option<String>,
        is_active: Option<bool>,
    ) -> PyResult<Pending> {
        let at = self.at()?;
        let given = definition.map(|definition| spec(py, &definition)).transpose()?;
        let options = JobOptions { name, is_active, ..JobOptions::default() };
        let updated = async move {
            let present = at.job(job).await?;
            let spec = match given {
                Some(spec) => spec,
                None => JobSpec::from_value(at.ops.jobs().get(&present).await?.definition),
            };
            // The future of this call cannot go from thread to thread.
            let updated = tokio::task::spawn_blocking(move || {
                Handle::current().block_on(at.ops.jobs().update_with(&present, &spec, options))
            });
            updated.await.map_err(|error| {
                Error::new(ErrorKind::Internal, "the job was not updated").with_source(error)
            })?
        };
        Ok(Pending::new(updated, |py, job| records::job(py, &job)))
    }

    fn job_validate(&self, definition: &Bound<'_, PyAny>) -> PyResult<Pending> {
        let at = self.at()?;
        let spec = standalone::spec(definition)?;
        let faults = async move {
            let found = match spec {
                Ok(spec) => at.ops.jobs().validate(&spec).await,
                Err(error) => Err(error),
            };
            records::faults(found)
        };
        Ok(Pending::new(faults, |py, problems| records::problems(py, &problems)))
    }

    fn job_get(&self, job: Ref) -> PyResult<Pending> {
        let at = self.at()?;
        let found = async move {
            let name = at.job(job).await?;
            at.ops.jobs().get(&name).await
        };
        Ok(Pending::new(found, |py, job| records::job(py, &job)))
    }

    fn job_list(&self, active_only: bool, skip: u64, limit: u32) -> PyResult<Pending> {
        let at = self.at()?;
        let list = async move { at.ops.jobs().list(active_only, Page { skip, limit }).await };
        Ok(Pending::new(list, |py, page| records::page(py, &page, records::job)))
    }

    fn job_delete(&self, job: Ref) -> PyResult<Pending> {
        let at = self.at()?;
        Ok(Pending::nothing(async move {
            let name = at.job(job).await?;
            at.ops.jobs().delete(&name).await
        }))
    }

    fn user_create(
        &self,
        py: Python<'_>,
        name: String,
        email: String,
        role: &str,
        password: String,
    ) -> PyResult<Pending> {
        let at = self.at()?;
        let password = Secret::from(password);
        let new = NewAccount { name, email, role: raised(py, role.parse())? };
        Ok(Pending::new(async move { at.ops.users().create(new, &password).await }, |py, user| {
            records::user(py, &user)
        }))
    }

    #[expect(clippy::too_many_arguments, reason = "each is a keyword in Python")]
    fn user_update(
        &self,
        py: Python<'_>,
        user: Ref,
        name: Option<String>,
        email: Option<String>,
        role: Option<&str>,
        password: Option<String>,
        is_active: Option<bool>,
    ) -> PyResult<Pending> {
        let at = self.at()?;
        let password = password.map(Secret::from);
        let role: Option<Role> = role.map(|role| raised(py, role.parse())).transpose()?;
        let updated = async move {
            let (id, users) = (at.user(user).await?, at.ops.users());
            if name.is_some() || email.is_some() {
                users.update(id, AccountChange { name, email }).await?;
            }
            if let Some(password) = &password {
                users.set_password(id, password).await?;
            }
            if let Some(role) = role {
                users.set_role(id, role).await?;
            }
            match is_active {
                Some(true) => users.activate(id).await,
                Some(false) => users.deactivate(id).await,
                None => users.get(id).await,
            }
        };
        Ok(Pending::new(updated, |py, user| records::user(py, &user)))
    }

    fn user_get(&self, user: Ref) -> PyResult<Pending> {
        let at = self.at()?;
        let found = async move {
            let id = at.user(user).await?;
            at.ops.users().get(id).await
        };
        Ok(Pending::new(found, |py, user| records::user(py, &user)))
    }

    fn user_list(&self, skip: u64, limit: u32) -> PyResult<Pending> {
        let at = self.at()?;
        Ok(Pending::new(async move { at.ops.users().list(Page { skip, limit }).await }, |py, page| {
            records::page(py, &page, records::user)
        }))
    }

    fn user_delete(&self, user: Ref) -> PyResult<Pending> {
        let at = self.at()?;
        Ok(Pending::nothing(async move {
            let id = at.user(user).await?;
            at.ops.users().delete(id).await
        }))
    }

    fn run(
        &self,
        job: Ref,
        params: Option<Bound<'_, PyAny>>,
        idempotency_key: Option<String>,
        correlation_id: Option<String>,
        labels: Option<BTreeMap<String, String>>,
    ) -> PyResult<Pending> {
        let at = self.at()?;
        let params = params.map(|params| json::object("params", &params)).transpose()?.unwrap_or_default();
        let options = RunOptions {
            idempotency_key,
            correlation_id,
            labels: labels.unwrap_or_default(),
            ..RunOptions::default()
        };
        let enqueued = async move {
            let name = at.job(job).await?;
            at.ops.jobs().run(&name, params, options).await
        };
        Ok(Pending::new(enqueued, |py, run| Ok(Bound::new(py, RunHandle::new(run))?.into_any())))
    }

    fn run_get(&self, id: i64) -> PyResult<Pending> {
        let at = self.at()?;
        Ok(Pending::new(async move { at.ops.runs().get(RunId::new(id)).await }, |py, run| {
            Ok(Bound::new(py, RunHandle::new(run))?.into_any())
        }))
    }

    fn run_list(&self, job: Option<Ref>, status: Option<String>, skip: u64, limit: u32) -> PyResult<Pending> {
        let at = self.at()?;
        let list = async move {
            let mut filter = RunFilter::default();
            if let Some(job) = job {
                let name = at.job(job).await?;
                filter.job = Some(at.ops.jobs().get(&name).await?.id);
            }
            filter.status = status.map(|status| status.parse()).transpose()?;
            at.ops.runs().list(filter, Page { skip, limit }).await
        };
        Ok(Pending::new(list, |py, page| records::page(py, &page, records::run)))
    }

    fn audit_verify(&self, kept: Vec<String>) -> PyResult<Pending> {
        let at = self.at()?;
        let verified = async move {
            let kept: Vec<&str> = kept.iter().map(String::as_str).collect();
            at.ops.audit().verify(&kept).await
        };
        Ok(Pending::new(verified, |py, report| records::audit(py, &report)))
    }

    fn audit_checkpoint(&self) -> PyResult<Pending> {
        let at = self.at()?;
        Ok(Pending::new(async move { at.ops.audit().checkpoint().await }, |py, checkpoint| {
            Ok(checkpoint.note.into_pyobject(py)?.into_any())
        }))
    }

    fn audit_public_key(&self) -> PyResult<Pending> {
        let at = self.at()?;
        Ok(Pending::new(async move { at.ops.audit().public_key().await }, |py, key| {
            Ok(key.to_string().into_pyobject(py)?.into_any())
        }))
    }

    /// Writes the audit record to a file, and says how many records it has.
    fn audit_export(&self, path: std::path::PathBuf) -> PyResult<Pending> {
        let at = self.at()?;
        let exported = async move {
            let fault = |error: std::io::Error| {
                Error::new(ErrorKind::InvalidInput, "the file of the audit record cannot be written")
                    .with_source(error)
            };
            let mut export = at.ops.audit().export().await?;
            let mut file = std::fs::File::create_new(path).map_err(fault)?;
            let mut records = 0;
            while let Some((lines, count)) = export.next().await? {
                std::io::Write::write_all(&mut file, lines.as_bytes()).map_err(fault)?;
                records += count;
            }
            file.sync_all().map_err(fault)?;
            Ok(records)
        };
        Ok(Pending::new(exported, |py, records| Ok(records.into_pyobject(py)?.into_any())))
    }
}
