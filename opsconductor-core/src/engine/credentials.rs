//! Credentials: written sealed, used by tasks, read by nobody without the right.

use std::{
    collections::{BTreeSet, HashMap},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use chrono::Datelike as _;
use tokio::sync::OnceCell;

use super::{Inner, Scoped, noted};
use crate::{
    Error, ErrorKind, Result,
    auth::policy::{Action, Resource},
    clock::Timestamp,
    id::{CredentialId, TenantId},
    store::{CredentialRecord, Listing, NewCredential, Page},
    vault::{
        RecordContext,
        credential::{Credential, CredentialKind},
    },
};

/// Calls on the credentials of a tenant.
pub struct Credentials<'a> {
    pub(super) at: &'a Scoped,
}

/// A credential without what is sealed in it.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct CredentialInfo {
    /// Its id.
    pub id: CredentialId,
    /// Its name.
    pub name: String,
    /// What it is for.
    pub description: Option<String>,
    /// `winrm`, `ssh` or `api_key`.
    pub credential_type: String,
    /// Raised by one with each new secret.
    pub version: i32,
    /// When it was made.
    pub created_at: Timestamp,
    /// When it was last changed.
    pub updated_at: Option<Timestamp>,
    /// Until when it is good, if that was said.
    pub expires_at: Option<Timestamp>,
}

/// A former version of a credential, without what is sealed in it.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct VersionInfo {
    /// Its number.
    pub version: i32,
    /// When another version took its place.
    pub replaced_at: Timestamp,
    /// When it goes.
    pub kept_until: Timestamp,
}

impl Credentials<'_> {
    /// Seals `credential` and stores it under `name`.
    ///
    /// # Errors
    ///
    /// `Forbidden`; `Conflict` when the name is taken; `Vault` when there is no usable key.
    pub async fn create(&self, name: &str, credential: &Credential) -> Result<CredentialInfo> {
        let entry = self.at.permit(noted::CREDENTIAL_CREATED, name).await?;
        let inner = &self.at.inner;
        let tenant = self.at.scope.tenant;
        let id = inner.store.reserve_credential_id().await?;
        let new = seal(inner, tenant, id, name, credential, 1).await?;
        let entry = entry.about(id.get()).with("type", credential.kind().as_str()).with("version", 1);
        self.at.noted(entry, inner.store.insert_credential(tenant, new)).await.map(CredentialInfo::from)
    }

    /// Seals `credential` as a new version of the one called `name`. Tasks dispatched from now on use it. The version before
    /// it is kept for [a while](super::EngineBuilder::keep_versions), sealed.
    ///
    /// # Errors
    ///
    /// `Forbidden`; `NotFound`; `Conflict` when someone else rotated it in between; `Vault`.
    pub async fn rotate(&self, name: &str, credential: &Credential) -> Result<CredentialInfo> {
        let entry = self.at.permit(noted::CREDENTIAL_ROTATED, name).await?;
        let inner = &self.at.inner;
        let tenant = self.at.scope.tenant;
        let old = inner.store.credential_by_name(tenant, name).await?;
        let mut new = seal(inner, tenant, old.id, name, credential, old.version + 1).await?;
        new.description = old.description;
        let entry = entry.about(old.id.get()).with("version", new.version);
        let update = inner.store.update_credential(tenant, old.version, new);
        self.at.noted(entry, update).await.map(CredentialInfo::from)
    }

    /// The former versions of the credential called `name` that are still kept, newest first, without what is sealed in them.
    ///
    /// # Errors
    ///
    /// `Forbidden`; `NotFound`.
    pub async fn versions(&self, name: &str) -> Result<Vec<VersionInfo>> {
        self.at.authorize(Action::Read, Resource::Credential)?;
        let inner = &self.at.inner;
        let tenant = self.at.scope.tenant;
        let present = inner.store.credential_by_name(tenant, name).await?;
        let kept = chrono::TimeDelta::from_std(inner.keep_versions).ok();
        let until =
            |at: Timestamp| kept.and_then(|kept| at.checked_add_signed(kept)).unwrap_or(Timestamp::MAX_UTC);
        let former = inner.store.former_versions(tenant, present.id).await?.into_iter();
        let info = former.map(|former| VersionInfo {
            version: former.version,
            replaced_at: former.replaced_at,
            kept_until: until(former.replaced_at),
        });
        Ok(info.collect())
    }

    /// Goes back to a former version of the credential called `name`: seals what it held as a new version. Nobody sees it.
    ///
    /// # Errors
    ///
    /// `Forbidden`; `NotFound`, also when the version is not kept any more; `Conflict` when someone else rotated it in
    /// between; `Vault`.
    pub async fn restore(&self, name: &str, version: i32) -> Result<CredentialInfo> {
        let entry = self.at.permit(noted::CREDENTIAL_RESTORED, name).await?;
        let inner = &self.at.inner;
        let tenant = self.at.scope.tenant;
        let present = inner.store.credential_by_name(tenant, name).await?;
        let mut former = inner.store.former_versions(tenant, present.id).await?.into_iter();
        let former = former.find(|former| former.version == version).ok_or_else(|| {
            Error::new(ErrorKind::NotFound, "this version of the credential is not kept")
                .with("credential", name)
                .with("version", version)
        })?;
        let place = RecordContext::credential(tenant, present.id, &former.credential_type, version);
        let plain = inner.vault.open(&place, &former.sealed).await?;
        let credential = Credential::parse(former.credential_type.parse()?, plain.expose())?;
        let mut new = seal(inner, tenant, present.id, name, &credential, present.version + 1).await?;
        new.description = present.description;
        let entry = entry.about(present.id.get()).with("restored", version).with("version", new.version);
        let saved = inner.store.update_credential(tenant, present.version, new);
        self.at.noted(entry, saved).await.map(CredentialInfo::from)
    }

    /// Says until when the credential called `name` is good; `None`: for good. Workers warn ahead of it, and what tasks do
    /// after it says [`EngineBuilder::expired_credentials`](super::EngineBuilder::expired_credentials). Rotating the credential
    /// takes the date away: it was that of the former secret.
    ///
    /// # Errors
    ///
    /// `Forbidden`; `NotFound`; `InvalidInput` for a year before 1 or after 9999.
    pub async fn set_expiry(&self, name: &str, expires_at: Option<Timestamp>) -> Result<CredentialInfo> {
        let entry = self.at.permit(noted::CREDENTIAL_EXPIRY_SET, name).await?;
        if expires_at.is_some_and(|at| !(1..=9999).contains(&at.year())) {
            let message = "a credential expires in a year from 1 to 9999";
            return Err(Error::new(ErrorKind::InvalidInput, message));
        }
        let inner = &self.at.inner;
        let tenant = self.at.scope.tenant;
        let present = inner.store.credential_by_name(tenant, name).await?;
        let until = expires_at.map(|at| at.to_rfc3339());
        let entry = entry.about(present.id.get()).with("expires_at", until);
        self.at
            .noted(entry, inner.store.set_expiry(tenant, present.id, expires_at))
            .await
            .map(CredentialInfo::from)
    }

    /// The credential called `name`, without what is sealed in it.
    ///
    /// # Errors
    ///
    /// `Forbidden`; `NotFound`.
    pub async fn get(&self, name: &str) -> Result<CredentialInfo> {
        self.at.authorize(Action::Read, Resource::Credential)?;
        self.at.inner.store.credential_by_name(self.at.scope.tenant, name).await.map(CredentialInfo::from)
    }

    /// What is sealed in the credential called `name`, for a person to see. Running a job with it takes no such right, and
    /// shows it to nobody.
    ///
    /// # Errors
    ///
    /// `Forbidden`, also for operators; `NotFound`; `Vault` when it does not open.
    pub async fn reveal(&self, name: &str) -> Result<Credential> {
        let entry = self.at.permit(noted::CREDENTIAL_REVEALED, name).await?;
        let inner = &self.at.inner;
        let record = inner.store.credential_by_name(self.at.scope.tenant, name).await?;
        // Who reads it is written down before the plaintext is there.
        self.at.note(entry.about(record.id.get()).with("version", record.version)).await?;
        unseal(inner, self.at.scope.tenant, &record).await
    }

    /// Credentials, newest first, without what is sealed in them.
    ///
    /// # Errors
    ///
    /// `Forbidden`.
    pub async fn list(&self, page: Page) -> Result<Listing<CredentialInfo>> {
        self.at.authorize(Action::Read, Resource::Credential)?;
        let list = self.at.inner.store.list_credentials(self.at.scope.tenant, page).await?;
        Ok(Listing { items: list.items.into_iter().map(CredentialInfo::from).collect(), total: list.total })
    }

    /// Removes the credential called `name`.
    ///
    /// # Errors
    ///
    /// `Forbidden`; `NotFound`; `Conflict` while a target uses it.
    pub async fn delete(&self, name: &str) -> Result<()> {
        let entry = self.at.permit(noted::CREDENTIAL_DELETED, name).await?;
        let inner = &self.at.inner;
        let found = inner.store.credential_by_name(self.at.scope.tenant, name).await?;
        let delete = inner.store.delete_credential(self.at.scope.tenant, found.id);
        self.at.noted(entry.about(found.id.get()), delete).await
    }
}

impl From<CredentialRecord> for CredentialInfo {
    fn from(record: CredentialRecord) -> Self {
        Self {
            id: record.id,
            name: record.name,
            description: record.description,
            credential_type: record.credential_type,
            version: record.version,
            created_at: record.created_at,
            updated_at: record.updated_at,
            expires_at: record.expires_at,
        }
    }
}

type UnderWay = HashMap<(TenantId, CredentialId), Arc<OnceCell<Arc<Credential>>>>;

/// Credentials that are being opened: tasks that start together want the same one, and it is read once for them. What was
/// opened is not kept, so that each dispatch has the version that was current then.
#[derive(Default)]
pub(crate) struct Opening {
    under_way: Mutex<UnderWay>,
}

impl Opening {
    fn lock(&self) -> MutexGuard<'_, UnderWay> {
        // The map is whole after every statement, so a panic elsewhere does not spoil it.
        self.under_way.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Of which type these credentials are, as far as they exist. That never changes.
pub(super) async fn kinds(
    inner: &Inner,
    tenant: TenantId,
    ids: BTreeSet<CredentialId>,
) -> Result<HashMap<CredentialId, CredentialKind>> {
    if ids.is_empty() {
        return Ok(HashMap::new());
    }
    let ids: Vec<CredentialId> = ids.into_iter().collect();
    let types = inner.store.credential_types(tenant, &ids).await?;
    types.into_iter().map(|(id, kind)| Ok((id, kind.parse()?))).collect()
}

/// Opens the present version of a credential for a task.
pub(super) async fn open(inner: &Arc<Inner>, tenant: TenantId, id: CredentialId) -> Result<Arc<Credential>> {
    let cell = Arc::clone(inner.opening.lock().entry((tenant, id)).or_default());
    let opened =
        cell.get_or_try_init(|| async { read(inner, tenant, id).await.map(Arc::new) }).await.cloned();
    // Whoever comes from now on reads anew.
    let mut under_way = inner.opening.lock();
    if under_way.get(&(tenant, id)).is_some_and(|present| Arc::ptr_eq(present, &cell)) {
        under_way.remove(&(tenant, id));
    }
    opened
}

/// Opens the present version of a credential.
pub(super) async fn read(inner: &Arc<Inner>, tenant: TenantId, id: CredentialId) -> Result<Credential> {
    let record = inner.store.credential(tenant, id).await?;
    let usable = inner.expiry.check(&record, inner.clock.now());
    usable.map_err(|error| error.with("credential", &record.name))?;
    unseal(inner, tenant, &record).await
}

async fn unseal(inner: &Inner, tenant: TenantId, record: &CredentialRecord) -> Result<Credential> {
    let place = RecordContext::credential(tenant, record.id, &record.credential_type, record.version);
    let opened = async {
        let plain = inner.vault.open(&place, &record.sealed).await?;
        Credential::parse(record.credential_type.parse()?, plain.expose())
    };
    opened.await.map_err(|error: Error| error.with("credential", &record.name))
}

async fn seal(
    inner: &Arc<Inner>,
    tenant: TenantId,
    id: CredentialId,
    name: &str,
    credential: &Credential,
    version: i32,
) -> Result<NewCredential> {
    let kind = credential.kind().as_str();
    let place = RecordContext::credential(tenant, id, kind, version);
    let sealed = inner.vault.seal(&place, credential.to_bytes().expose()).await?;
    Ok(NewCredential {
        id,
        name: name.to_owned(),
        description: None,
        credential_type: kind.to_owned(),
        version,
        sealed,
    })
}
