//! What stores that stand around another have in common: they pass through what they do not change.

use opsconductor_core::{
    Result,
    id::{RunId, TenantId},
    store::{Listing, RunRecord},
};

/// What a store that stands around another changes about what is read from it; nothing unless it says so.
pub(crate) trait Reading {
    /// What comes before the call of this name.
    fn before(&self, _call: &'static str) -> Result<()> {
        Ok(())
    }

    /// The tenant that a run is looked for in.
    fn home(&self, tenant: TenantId, _run: RunId) -> TenantId {
        tenant
    }

    /// A run.
    fn shown(&self, run: RunRecord) -> RunRecord {
        run
    }

    /// A list of runs, each as it is shown.
    fn listed(&self, list: Listing<RunRecord>) -> Listing<RunRecord> {
        list
    }

    /// The event after which events are read.
    fn after(&self, after: u64) -> u64 {
        after
    }
}

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

                async fn remove_audit(&self, tenant: TenantId, size: u64) -> Result<u64> {
                    self.inner.remove_audit(tenant, size).await
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

/// Implements [`History`](opsconductor_core::store::History) for a type that is `Reading` and whose field `inner` is a store.
#[macro_export]
macro_rules! pass_history_through {
    ($wrapper:ty) => {
        const _: () = {
            use ::opsconductor_core::{
                Result,
                id::{RunId, TaskId, TenantId},
                run::{
                    TaskStatus,
                    event::Event,
                    plan::{RunPlan, TaskKey},
                },
                store::{
                    AttemptRecord, History, Listing, OutputChunk, OutputQuery, Page, Question, RunFilter,
                    RunRecord, SealedParameter, TaskRecord,
                },
            };
            use $crate::through::Reading as _;

            #[::async_trait::async_trait]
            impl History for $wrapper {
                async fn run(&self, tenant: TenantId, id: RunId) -> Result<RunRecord> {
                    self.before("run")?;
                    Ok(self.shown(self.inner.run(self.home(tenant, id), id).await?))
                }

                async fn list_runs(
                    &self,
                    tenant: TenantId,
                    filter: RunFilter,
                    page: Page,
                ) -> Result<Listing<RunRecord>> {
                    self.before("list_runs")?;
                    let Listing { items, total } = self.inner.list_runs(tenant, filter, page).await?;
                    let items = items.into_iter().map(|run| self.shown(run)).collect();
                    Ok(self.listed(Listing { items, total }))
                }

                async fn run_plan(&self, tenant: TenantId, id: RunId) -> Result<::std::sync::Arc<RunPlan>> {
                    self.before("run_plan")?;
                    self.inner.run_plan(tenant, id).await
                }

                async fn run_secrets(&self, tenant: TenantId, id: RunId) -> Result<Vec<SealedParameter>> {
                    self.before("run_secrets")?;
                    self.inner.run_secrets(tenant, id).await
                }

                async fn tasks(
                    &self,
                    tenant: TenantId,
                    run: RunId,
                    page: Page,
                ) -> Result<Listing<TaskRecord>> {
                    self.before("tasks")?;
                    self.inner.tasks(tenant, run, page).await
                }

                async fn outcomes(&self, tenant: TenantId, run: RunId) -> Result<Vec<(TaskKey, TaskStatus)>> {
                    self.before("outcomes")?;
                    self.inner.outcomes(tenant, run).await
                }

                async fn task_at(&self, tenant: TenantId, run: RunId, place: u64) -> Result<TaskRecord> {
                    self.before("task_at")?;
                    self.inner.task_at(tenant, run, place).await
                }

                async fn attempts(
                    &self,
                    tenant: TenantId,
                    run: RunId,
                    task: TaskId,
                ) -> Result<Vec<AttemptRecord>> {
                    self.before("attempts")?;
                    self.inner.attempts(tenant, run, task).await
                }

                async fn events(
                    &self,
                    tenant: TenantId,
                    run: RunId,
                    after: u64,
                    limit: usize,
                ) -> Result<Vec<Event>> {
                    self.before("events")?;
                    self.inner.events(tenant, run, self.after(after), limit).await
                }

                async fn output(
                    &self,
                    tenant: TenantId,
                    run: RunId,
                    query: OutputQuery,
                    limit: usize,
                ) -> Result<Vec<OutputChunk>> {
                    self.before("output")?;
                    self.inner.output(tenant, run, query, limit).await
                }

                async fn questions(&self, tenant: TenantId, page: Page) -> Result<Listing<Question>> {
                    self.before("questions")?;
                    self.inner.questions(tenant, page).await
                }

                async fn queue_depth(&self) -> Result<(u64, u64)> {
                    self.before("queue_depth")?;
                    self.inner.queue_depth().await
                }
            }
        };
    };
}

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

/// Implements [`Custody`](opsconductor_core::store::Custody) for a type whose field `inner` is a store.
#[macro_export]
macro_rules! pass_custody_through {
    ($wrapper:ty) => {
        const _: () = {
            use ::opsconductor_core::{
                Result,
                store::{Custody, KeyUse, SealedAt, SealedChange, SealedRecord},
            };

            #[::async_trait::async_trait]
            impl Custody for $wrapper {
                async fn sealed_records(
                    &self,
                    after: Option<&SealedAt>,
                    limit: usize,
                ) -> Result<Vec<SealedRecord>> {
                    self.inner.sealed_records(after, limit).await
                }

                async fn replace_sealed(&self, changes: Vec<SealedChange>) -> Result<Vec<bool>> {
                    self.inner.replace_sealed(changes).await
                }

                async fn sealed_by_key(&self) -> Result<Vec<KeyUse>> {
                    self.inner.sealed_by_key().await
                }
            }
        };
    };
}

/// Implements [`Versions`](opsconductor_core::store::Versions) for a type whose field `inner` is a store.
#[macro_export]
macro_rules! pass_versions_through {
    ($wrapper:ty) => {
        const _: () = {
            use ::opsconductor_core::{
                Result,
                clock::Timestamp,
                id::{CredentialId, TenantId},
                store::{CredentialRecord, FormerVersion, Versions},
            };

            #[::async_trait::async_trait]
            impl Versions for $wrapper {
                async fn former_versions(
                    &self,
                    tenant: TenantId,
                    id: CredentialId,
                ) -> Result<Vec<FormerVersion>> {
                    self.inner.former_versions(tenant, id).await
                }

                async fn remove_versions(&self, age: ::std::time::Duration, limit: usize) -> Result<u64> {
                    self.inner.remove_versions(age, limit).await
                }

                async fn set_expiry(
                    &self,
                    tenant: TenantId,
                    id: CredentialId,
                    expires_at: Option<Timestamp>,
                ) -> Result<CredentialRecord> {
                    self.inner.set_expiry(tenant, id, expires_at).await
                }

                async fn expiring(
                    &self,
                    before: Timestamp,
                    limit: usize,
                ) -> Result<Vec<(TenantId, CredentialRecord)>> {
                    self.inner.expiring(before, limit).await
                }
            }
        };
    };
}

/// Implements [`Accounts`](opsconductor_core::store::Accounts) and [`Sessions`](opsconductor_core::store::Sessions) for a type whose field `inner` is a store.
#[macro_export]
macro_rules! pass_accounts_through {
    ($wrapper:ty) => {
        const _: () = {
            use ::opsconductor_core::{
                Result, Secret,
                id::{ApiTokenId, TenantId, UserId},
                store::{
                    Accounts, ApiTokenRecord, ApiTokens, Listing, Login, LoginKey, NewApiToken, NewFamily,
                    NewSigningKey, NewUser, Page, Sessions, SigningKeyRecord, Turn, Turned, UserChange,
                    UserRecord,
                },
            };

            #[::async_trait::async_trait]
            impl Accounts for $wrapper {
                async fn insert_user(&self, tenant: TenantId, new: NewUser) -> Result<UserRecord> {
                    self.inner.insert_user(tenant, new).await
                }

                async fn user(&self, tenant: TenantId, id: UserId) -> Result<UserRecord> {
                    self.inner.user(tenant, id).await
                }

                async fn user_by_name(&self, tenant: TenantId, name: &str) -> Result<UserRecord> {
                    self.inner.user_by_name(tenant, name).await
                }

                async fn list_users(&self, tenant: TenantId, page: Page) -> Result<Listing<UserRecord>> {
                    self.inner.list_users(tenant, page).await
                }

                async fn change_user(
                    &self,
                    tenant: TenantId,
                    id: UserId,
                    change: UserChange,
                ) -> Result<UserRecord> {
                    self.inner.change_user(tenant, id, change).await
                }

                async fn delete_user(&self, tenant: TenantId, id: UserId) -> Result<()> {
                    self.inner.delete_user(tenant, id).await
                }

                async fn login(&self, name: &str) -> Result<Option<Login>> {
                    self.inner.login(name).await
                }

                async fn upgrade_password(
                    &self,
                    tenant: TenantId,
                    id: UserId,
                    old: &Secret<String>,
                    new: &Secret<String>,
                ) -> Result<bool> {
                    self.inner.upgrade_password(tenant, id, old, new).await
                }

                async fn count_login(&self, key: &LoginKey) -> Result<Option<::std::time::Duration>> {
                    self.inner.count_login(key).await
                }

                async fn forget_logins(&self, key: &LoginKey) -> Result<()> {
                    self.inner.forget_logins(key).await
                }
            }

            #[::async_trait::async_trait]
            impl Sessions for $wrapper {
                async fn signing_keys(&self) -> Result<Vec<SigningKeyRecord>> {
                    self.inner.signing_keys().await
                }

                async fn rotate_signing_key(
                    &self,
                    new: NewSigningKey,
                    expected: Option<&str>,
                    former_life: ::std::time::Duration,
                ) -> Result<()> {
                    self.inner.rotate_signing_key(new, expected, former_life).await
                }

                async fn begin_family(&self, tenant: TenantId, new: NewFamily) -> Result<()> {
                    self.inner.begin_family(tenant, new).await
                }

                async fn turn(&self, turn: Turn) -> Result<Turned> {
                    self.inner.turn(turn).await
                }

                async fn end_family(&self, id: &str) -> Result<()> {
                    self.inner.end_family(id).await
                }
            }

            #[::async_trait::async_trait]
            impl ApiTokens for $wrapper {
                async fn insert_api_token(
                    &self,
                    tenant: TenantId,
                    new: NewApiToken,
                ) -> Result<ApiTokenRecord> {
                    self.inner.insert_api_token(tenant, new).await
                }

                async fn api_token(&self, tenant: TenantId, id: ApiTokenId) -> Result<ApiTokenRecord> {
                    self.inner.api_token(tenant, id).await
                }

                async fn list_api_tokens(
                    &self,
                    tenant: TenantId,
                    user: UserId,
                    page: Page,
                ) -> Result<Listing<ApiTokenRecord>> {
                    self.inner.list_api_tokens(tenant, user, page).await
                }

                async fn delete_api_token(&self, tenant: TenantId, id: ApiTokenId) -> Result<()> {
                    self.inner.delete_api_token(tenant, id).await
                }

                async fn use_api_token(
                    &self,
                    digest: &[u8; 32],
                ) -> Result<Option<(UserRecord, ApiTokenRecord)>> {
                    self.inner.use_api_token(digest).await
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
