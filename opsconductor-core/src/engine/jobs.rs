//! Jobs: saved when they hold, run when asked.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

use serde_json::{Map, Value};
use sha2::{Digest, Sha256};
use zeroize::Zeroize as _;

use super::{Run, Scoped, canonical::canonical, credentials, noted, notices, preview, secrets};
use crate::{
    Error, ErrorKind, Problem, Result, Secret,
    audit::Entry,
    auth::policy::{Action, Resource},
    id::JobId,
    job::{JobSpec, ValidJob, secret_parameters},
    store::{Enqueued, Idempotency, JobRecord, JobVersion, Listing, NewJob, NewRun, Page},
    target::Target,
};

/// The longest name of a job, in characters: that of a definition is as long.
const NAME_CHARS_MAX: usize = 255;

/// How often a change is tried while others change the same job.
const CHANGE_TRIES_MAX: usize = 10;

/// Calls on the jobs of a tenant.
pub struct Jobs<'a> {
    pub(super) at: &'a Scoped,
}

/// What a run may be given beside its parameters.
#[derive(Debug, Clone, Default)]
pub struct RunOptions {
    /// A repeat with the same key and the same parameters answers the first run.
    pub idempotency_key: Option<String>,
    /// What the caller calls the run.
    pub correlation_id: Option<String>,
    /// Free labels.
    pub labels: BTreeMap<String, String>,
    /// The digest of the plan that was looked at, [`Preview::digest`](super::Preview::digest): a run that would do anything else
    /// is refused.
    pub plan_digest: Option<String>,
}

/// What a job may be given beside its definition. What is not said is as the definition says, and an update leaves the name
/// and the state as they are.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct JobOptions {
    /// What the job is called, 1 to 255 characters.
    pub name: Option<String>,
    /// The version to start with, or to go on with if it is higher than the next.
    pub version: Option<i32>,
    /// Whether it may be run.
    pub is_active: Option<bool>,
}

impl JobOptions {
    fn over(self, new: NewJob) -> Result<NewJob> {
        if let Some(name) = &self.name
            && !(1..=NAME_CHARS_MAX).contains(&name.chars().count())
        {
            let message = format!("the name of a job has 1 to {NAME_CHARS_MAX} characters");
            return Err(Error::new(ErrorKind::InvalidInput, message));
        }
        Ok(NewJob {
            name: self.name.unwrap_or(new.name),
            version: self.version.unwrap_or(new.version),
            is_active: self.is_active.unwrap_or(new.is_active),
            ..new
        })
    }
}

impl Jobs<'_> {
    /// Checks a definition against the step kinds and the targets of the tenant, and saves it as a new job.
    ///
    /// # Errors
    ///
    /// `Forbidden`; `InvalidJob` with every problem, and nothing is stored; `Conflict` when the name is taken.
    pub async fn create(&self, spec: &JobSpec) -> Result<JobRecord> {
        self.create_with(spec, JobOptions::default()).await
    }

    /// The same with a name, a version or a state of its own: two jobs of one definition have two names.
    ///
    /// # Errors
    ///
    /// As [`Jobs::create`]; `InvalidInput` for a name or a version that a job cannot have.
    pub async fn create_with(&self, spec: &JobSpec, options: JobOptions) -> Result<JobRecord> {
        let entry = self.at.permit(noted::JOB_CREATED, &spec_name(spec, &options)).await?;
        let job = self.check(spec).await?;
        let new = options.over(self.new_job(&job))?;
        let entry = entry.with("version", new.version).with("active", new.is_active);
        self.at.noted(entry, self.at.inner.store.insert_job(self.at.scope.tenant, new)).await
    }

    /// Saves a definition as a new version of the job called `name`, which keeps its name whatever the definition's own is,
    /// and stays active or not. Runs keep the version they started with.
    ///
    /// # Errors
    ///
    /// `NotFound`; else as [`Jobs::create`].
    pub async fn update(&self, name: &str, spec: &JobSpec) -> Result<JobRecord> {
        self.update_with(name, spec, JobOptions::default()).await
    }

    /// The same, and renames it, gives it a higher version, or lets it be run or not, as `options` say.
    ///
    /// # Errors
    ///
    /// As [`Jobs::update`]; `InvalidInput` for a name or a version that a job cannot have.
    pub async fn update_with(&self, name: &str, spec: &JobSpec, options: JobOptions) -> Result<JobRecord> {
        let entry = self.at.permit(noted::JOB_UPDATED, name).await?;
        let job = self.check(spec).await?;
        self.change(entry, name, Change::To(Box::new(job), options)).await
    }

    /// Lets the job called `name` be run, or no longer. Its definition stays, as a new version; that of a job that is to be run
    /// is checked again. A job that is not active holds none of the targets that it names.
    ///
    /// # Errors
    ///
    /// `NotFound`; else as [`Jobs::create`].
    pub async fn set_active(&self, name: &str, is_active: bool) -> Result<JobRecord> {
        let entry = self.at.permit(noted::JOB_UPDATED, name).await?;
        self.change(entry, name, Change::Active(is_active)).await
    }

    /// What `change` makes of a job.
    async fn next(&self, found: &JobRecord, change: &Change) -> Result<NewJob> {
        match change {
            Change::To(job, options) => {
                let new =
                    NewJob { name: found.name.clone(), is_active: found.is_active, ..self.new_job(job) };
                options.clone().over(new)
            }
            Change::Active(is_active) => {
                let spec = JobSpec::from_value(found.definition.clone());
                let targets = if *is_active { named(&self.check(&spec).await?) } else { Vec::new() };
                Ok(NewJob {
                    name: found.name.clone(),
                    version: found.version,
                    definition: found.definition.clone(),
                    targets,
                    created_by: self.at.scope.actor.user_id(),
                    is_active: *is_active,
                    expected_version: None,
                })
            }
        }
    }

    /// Saves what a change makes of the job called `name`. Where somebody else saves it at the same moment, it is made again,
    /// so that neither change is lost.
    async fn change(&self, entry: Entry, name: &str, change: Change) -> Result<JobRecord> {
        let (store, tenant) = (&self.at.inner.store, self.at.scope.tenant);
        let mut found = store.job_by_name(tenant, name).await?;
        let mut tries = 1;
        loop {
            let new = NewJob { expected_version: Some(found.version), ..self.next(&found, &change).await? };
            let entry = entry.clone().about(found.id.get());
            let entry = entry.with("active", new.is_active).with("saved_as", new.name.as_str());
            let saved = self.at.noted(entry, store.update_job(tenant, found.id, new)).await;
            self.at.inner.definitions.forget(tenant, name);
            match saved {
                Err(error) if error.kind() == ErrorKind::Conflict && tries < CHANGE_TRIES_MAX => {
                    let present = store.job(tenant, found.id).await?;
                    if present.version == found.version {
                        return Err(error);
                    }
                    (found, tries) = (present, tries + 1);
                }
                saved => return saved,
            }
        }
    }

    /// Every problem of a definition, as [`Jobs::create`] would find them; none when it holds.
    ///
    /// # Errors
    ///
    /// `Forbidden`.
    pub async fn validate(&self, spec: &JobSpec) -> Result<Vec<Problem>> {
        self.at.authorize(Action::Read, Resource::Job)?;
        match self.check(spec).await {
            Ok(_) => Ok(Vec::new()),
            Err(error) if error.kind() == ErrorKind::InvalidJob => Ok(error.problems().to_vec()),
            Err(error) => Err(error),
        }
    }

    /// The job called `name` in its present version.
    ///
    /// # Errors
    ///
    /// `Forbidden`; `NotFound`.
    pub async fn get(&self, name: &str) -> Result<JobRecord> {
        self.at.authorize(Action::Read, Resource::Job)?;
        self.at.inner.store.job_by_name(self.at.scope.tenant, name).await
    }

    /// The job with this id in its present version.
    ///
    /// # Errors
    ///
    /// `Forbidden`; `NotFound`.
    pub async fn by_id(&self, id: JobId) -> Result<JobRecord> {
        self.at.authorize(Action::Read, Resource::Job)?;
        self.at.inner.store.job(self.at.scope.tenant, id).await
    }

    /// What the job with this id is called, for the calls that take a name. What was read within the last second will do.
    ///
    /// # Errors
    ///
    /// `Forbidden`; `NotFound`.
    pub async fn name_of(&self, id: JobId) -> Result<String> {
        self.at.authorize(Action::Read, Resource::Job)?;
        let (inner, tenant) = (&self.at.inner, self.at.scope.tenant);
        let read_at = inner.clock.monotonic();
        if let Some(name) = inner.definitions.name_of(tenant, id, read_at) {
            return Ok(name);
        }
        let record = Arc::new(inner.store.job(tenant, id).await?);
        if record.is_active {
            inner.definitions.remember(tenant, &record, read_at);
        }
        Ok(record.name.clone())
    }

    /// Jobs, newest first.
    ///
    /// # Errors
    ///
    /// `Forbidden`.
    pub async fn list(&self, active_only: bool, page: Page) -> Result<Listing<JobRecord>> {
        self.at.authorize(Action::Read, Resource::Job)?;
        self.at.inner.store.list_jobs(self.at.scope.tenant, active_only, page).await
    }

    /// The versions of the job called `name`, newest first.
    ///
    /// # Errors
    ///
    /// `Forbidden`; `NotFound`.
    pub async fn versions(&self, name: &str, page: Page) -> Result<Listing<JobVersion>> {
        self.at.authorize(Action::Read, Resource::Job)?;
        let found = self.at.inner.store.job_by_name(self.at.scope.tenant, name).await?;
        self.at.inner.store.job_versions(self.at.scope.tenant, found.id, page).await
    }

    /// Removes the job called `name`.
    ///
    /// # Errors
    ///
    /// `Forbidden`; `NotFound`; `Conflict` when it has runs.
    pub async fn delete(&self, name: &str) -> Result<()> {
        let entry = self.at.permit(noted::JOB_DELETED, name).await?;
        let found = self.at.inner.store.job_by_name(self.at.scope.tenant, name).await?;
        let delete = self.at.inner.store.delete_job(self.at.scope.tenant, found.id);
        self.at.noted(entry.about(found.id.get()), delete).await
    }

    /// Enqueues a run of the job called `name`. When this returns the run is durable: a worker will take it, in this
    /// process or another. A repeat with the same idempotency key answers the first run, whatever became of the job since.
    ///
    /// Parameters that the job calls secret are sealed with the engine's key and kept apart. Two requests are the same when
    /// their secrets are too, which is found out by opening those of the first.
    ///
    /// # Errors
    ///
    /// `Forbidden`; `NotFound`; `InvalidParameters` naming each that is missing, or when no concurrency key can be made of
    /// them; `InvalidInput` for a job that is not
    /// active; `InvalidJob` when a target has gone since it was saved; `Conflict` for an idempotency key that was used with
    /// other parameters, and for a plan that is not the one that was looked at; `Vault` for a job with secret parameters when
    /// the engine has no key to seal them with.
    pub async fn run(&self, name: &str, parameters: Map<String, Value>, options: RunOptions) -> Result<Run> {
        let entry = self.at.permit(noted::RUN_CREATED, "").await?.with("job", name);
        let store = &self.at.inner.store;
        let tenant = self.at.scope.tenant;
        let asked = Asked { parameters, options };
        // A job that is known need not be read again: the store refuses the run if that is not what the job is.
        if let Some(record) = self.at.inner.definitions.known(tenant, name, self.at.inner.clock.monotonic())
            && let Ok(new) = self.new_run(&record, &asked, true).await
        {
            let entry = entry.clone().with("version", record.version);
            match self.at.noted(entry, store.enqueue(tenant, new)).await {
                // Or a key that was used for another request, as it seems by what the job was.
                Err(error) if matches!(error.kind(), ErrorKind::NotFound | ErrorKind::Conflict) => {}
                enqueued => return self.enqueued(&record, &asked, enqueued?).await,
            }
        }
        let read_at = self.at.inner.clock.monotonic();
        let record = Arc::new(store.job_by_name(tenant, name).await?);
        // A repeat is answered whatever became of the job since.
        if let Some(given) = asked.idempotency(&record)
            && let Some(run) = store.enqueued(tenant, record.id, &given).await?
        {
            return self.enqueued(&record, &asked, Enqueued { run, repeated: true }).await;
        }
        if !record.is_active {
            return Err(Error::new(ErrorKind::InvalidInput, "the job is not active").with("job", name));
        }
        let new = self.new_run(&record, &asked, false).await?;
        self.at.inner.definitions.remember(tenant, &record, read_at);
        let entry = entry.with("version", record.version);
        let enqueued = self.at.noted(entry, store.enqueue(tenant, new)).await?;
        self.enqueued(&record, &asked, enqueued).await
    }

    /// The run that was enqueued, or the first one when that was asked for again: with the same secrets too, which the store
    /// cannot tell.
    async fn enqueued(&self, record: &JobRecord, asked: &Asked, enqueued: Enqueued) -> Result<Run> {
        let id = enqueued.run.id;
        if enqueued.repeated {
            let secrets = asked.secrets(record);
            let inner = &self.at.inner;
            if !secrets.is_empty() && !secrets::are_of(inner, self.at.scope.tenant, id, &secrets).await? {
                let message = "the idempotency key was used for another request; use a new key";
                let key = asked.options.idempotency_key.as_deref().unwrap_or_default();
                return Err(Error::new(ErrorKind::Conflict, message).with("key", key).with("run", id));
            }
        }
        Ok(Run::new(self.at.clone(), id))
    }

    /// A run of a job as it was read.
    async fn new_run(&self, record: &JobRecord, asked: &Asked, if_current: bool) -> Result<NewRun> {
        let job = self.at.inner.definitions.of(record, &self.at.inner.kinds)?;
        let targets = self.targets_of(&job).await?;
        let bound = job.bind(asked.parameters.clone())?;
        let mut plan = job.plan_bound(&targets, &bound)?;
        preview::check_digest(&plan, asked.options.plan_digest.as_deref())?;
        plan.job_name.clone_from(&record.name);
        plan.job_version = record.version;
        plan.notify = notices::of(self.at, job.notify().to_vec()).await?;
        let concurrency_key = job.concurrency_key(&plan.parameters)?;
        let secrets = secrets::seal(&self.at.inner, self.at.scope.tenant, &bound.secrets).await?;
        Ok(NewRun {
            job: record.id,
            plan: Arc::new(plan),
            secrets,
            if_current,
            requested_by: self.at.scope.actor.user_id(),
            correlation_id: asked.options.correlation_id.clone(),
            idempotency: asked.idempotency(record),
            priority: job.priority(),
            parent: None,
            concurrency_key,
            labels: asked.options.labels.clone(),
        })
    }

    pub(super) async fn check(&self, spec: &JobSpec) -> Result<ValidJob> {
        let job = spec.validate(&self.at.inner.kinds)?;
        let targets = self.targets_of(&job).await?;
        let used = targets.iter().filter_map(|target| target.spec.credential_ref).collect();
        let kinds = credentials::kinds(&self.at.inner, self.at.scope.tenant, used).await?;
        let problems = job.check_targets_with(&targets, &kinds);
        if problems.is_empty() {
            Ok(job)
        } else {
            Err(Error::with_problems(ErrorKind::InvalidJob, "the job definition does not hold", problems))
        }
    }

    /// The targets that the steps of `job` name or select, as far as they exist.
    pub(super) async fn targets_of(&self, job: &ValidJob) -> Result<Vec<Target>> {
        let store = &self.at.inner.store;
        let tenant = self.at.scope.tenant;
        let names: Vec<String> = job.target_names().map(|(_, name)| name.to_owned()).collect();
        let mut found =
            if names.is_empty() { Vec::new() } else { store.targets_by_name(tenant, &names).await? };
        for (_, selector) in job.selectors() {
            let mut page = Page { skip: 0, limit: 1000 };
            loop {
                let list = store.list_targets(tenant, selector.tags(), page).await?;
                page.skip += list.items.len() as u64;
                let done = list.items.is_empty() || page.skip >= list.total;
                found.extend(list.items.into_iter().filter(|target| selector.matches(&target.spec)));
                if done {
                    break;
                }
            }
        }
        found.sort_by_key(|target| target.id);
        found.dedup_by_key(|target| target.id);
        Ok(found)
    }

    fn new_job(&self, job: &ValidJob) -> NewJob {
        NewJob {
            name: job.name().to_owned(),
            version: job.version(),
            definition: job.definition().clone(),
            targets: named(job),
            created_by: self.at.scope.actor.user_id(),
            is_active: true,
            expected_version: None,
        }
    }
}

/// What a job that is to be made is called, as far as it says.
fn spec_name(spec: &JobSpec, options: &JobOptions) -> String {
    let own = spec.as_value().get("name").and_then(Value::as_str);
    options.name.as_deref().or(own).unwrap_or_default().to_owned()
}

/// The targets that a job names, each once.
fn named(job: &ValidJob) -> Vec<String> {
    let names: BTreeSet<&str> = job.target_names().map(|(_, name)| name).collect();
    names.into_iter().map(str::to_owned).collect()
}

/// What is to become of a job.
enum Change {
    /// This definition, with what else was said.
    To(Box<ValidJob>, JobOptions),
    /// It may be run, or no longer.
    Active(bool),
}

/// What a caller wants of a job. Wiped when it is dropped: until the job is known, nobody can tell what of it is secret.
struct Asked {
    parameters: Map<String, Value>,
    options: RunOptions,
}

impl Asked {
    /// What tells a repeat. A secret counts by its name alone, for its digest could be guessed at; the value is compared with
    /// what was sealed first.
    fn idempotency(&self, record: &JobRecord) -> Option<Idempotency> {
        let key = self.options.idempotency_key.clone()?;
        let mut parameters = self.parameters.clone();
        let mut secret = BTreeSet::new();
        for name in secret_parameters(&record.definition) {
            if let Some(value) = parameters.get_mut(name) {
                // Nothing else is a secret that a run could have, so it is not that of the first run either.
                let is_text = value.is_string();
                wipe(value);
                *value = Value::from(is_text);
                secret.insert(name);
            }
        }
        let mut digest = Sha256::new_with_prefix(canonical(&Value::Object(parameters)));
        secret.iter().for_each(|name| digest.update(canonical(&Value::from(*name))));
        Some(Idempotency { key, digest: digest.finalize().into() })
    }

    /// The secret parameters as they were given.
    fn secrets(&self, record: &JobRecord) -> BTreeMap<String, Secret<String>> {
        let named = secret_parameters(&record.definition);
        let given = named.filter_map(|name| {
            let value = self.parameters.get(name)?.as_str()?;
            Some((name.to_owned(), Secret::from(value)))
        });
        given.collect()
    }
}

impl Drop for Asked {
    fn drop(&mut self) {
        self.parameters.values_mut().for_each(wipe);
    }
}

/// Wipes a text; whatever else a parameter is, it is not secret.
fn wipe(value: &mut Value) {
    if let Value::String(text) = value {
        text.zeroize();
    }
}
