//! Former versions of credentials, and when one expires.

use std::time::Duration;

use async_trait::async_trait;
use chrono::SubsecRound as _;

use super::{MemoryStore, State, missing};
use crate::{
    Result,
    clock::Timestamp,
    id::{CredentialId, TenantId},
    store::{CredentialRecord, FormerVersion, Versions},
};

#[async_trait]
impl Versions for MemoryStore {
    async fn former_versions(&self, tenant: TenantId, id: CredentialId) -> Result<Vec<FormerVersion>> {
        self.with(|state| {
            state.credential_of(tenant, id)?;
            let own = state.versions.range((id, i32::MIN)..=(id, i32::MAX)).rev();
            Ok(own.map(|(_, (_, version))| version.clone()).collect())
        })
    }

    async fn remove_versions(&self, age: Duration, limit: usize) -> Result<u64> {
        Ok(self.with(|state| {
            let last =
                chrono::TimeDelta::from_std(age).ok().and_then(|age| state.now.checked_sub_signed(age));
            let mut old: Vec<_> = state
                .versions
                .iter()
                .filter(|(_, (_, version))| last.is_some_and(|last| version.replaced_at < last))
                .map(|(key, (_, version))| (version.replaced_at, *key))
                .collect();
            old.sort_unstable();
            old.truncate(limit);
            for (_, key) in &old {
                state.versions.remove(key);
            }
            old.len() as u64
        }))
    }

    async fn set_expiry(
        &self,
        tenant: TenantId,
        id: CredentialId,
        expires_at: Option<Timestamp>,
    ) -> Result<CredentialRecord> {
        self.noted(|state| {
            state.credential_of(tenant, id)?;
            let (_, record) = state.credentials.get_mut(&id).ok_or_else(|| missing("credential", id))?;
            record.expires_at = expires_at.map(|at| at.trunc_subsecs(6));
            Ok(record.clone())
        })
    }

    async fn expiring(&self, before: Timestamp, limit: usize) -> Result<Vec<(TenantId, CredentialRecord)>> {
        Ok(self.with(|state| {
            let ends =
                |(_, record): &&(TenantId, CredentialRecord)| record.expires_at.is_some_and(|at| at < before);
            let mut found: Vec<_> = state.credentials.values().filter(ends).cloned().collect();
            found.sort_by_key(|(_, record)| (record.expires_at, record.id));
            found.truncate(limit);
            found
        }))
    }
}

impl State {
    /// Keeps the version of a credential that another one replaces now.
    pub(super) fn keep_version(&mut self, tenant: TenantId, record: &CredentialRecord) {
        let version = FormerVersion {
            credential: record.id,
            version: record.version,
            credential_type: record.credential_type.clone(),
            sealed: record.sealed.clone(),
            replaced_at: self.now,
        };
        self.versions.insert((record.id, record.version), (tenant, version));
    }

    pub(super) fn forget_versions(&mut self, id: CredentialId) {
        self.versions.retain(|(credential, _), _| *credential != id);
    }
}
