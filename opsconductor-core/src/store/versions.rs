//! What becomes of a credential over time: former versions, kept sealed for a while, and the day it expires.

use std::{fmt, time::Duration};

use async_trait::async_trait;

use super::CredentialRecord;
use crate::{
    Result,
    clock::Timestamp,
    id::{CredentialId, TenantId},
};

/// A version of a credential that another one has replaced.
#[derive(Clone, PartialEq, Eq)]
pub struct FormerVersion {
    /// Of which credential.
    pub credential: CredentialId,
    /// Its number, bound into the sealed record.
    pub version: i32,
    /// The credential's type, bound into the sealed record too.
    pub credential_type: String,
    /// The sealed record.
    pub sealed: Vec<u8>,
    /// When another version took its place.
    pub replaced_at: Timestamp,
}

impl fmt::Debug for FormerVersion {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("FormerVersion")
            .field("credential", &self.credential)
            .field("version", &self.version)
            .field("replaced_at", &self.replaced_at)
            .finish_non_exhaustive()
    }
}

/// Former versions and expiry. [`Catalog::update_credential`](super::Catalog::update_credential) with another version keeps
/// the one that it replaces, in the same transaction, and takes the expiry away: it was that of the secret. Former versions go with their
/// credential.
#[async_trait]
pub trait Versions: Send + Sync {
    /// The former versions of a credential that are kept, newest first.
    ///
    /// # Errors
    ///
    /// `NotFound`.
    async fn former_versions(&self, tenant: TenantId, id: CredentialId) -> Result<Vec<FormerVersion>>;

    /// Removes at most `limit` former versions that were replaced longer ago than `age`, over all tenants, those first that
    /// were replaced first, in one transaction. Answers how many went. Several callers at once do no harm.
    ///
    /// # Errors
    ///
    /// Only those of the store itself.
    async fn remove_versions(&self, age: Duration, limit: usize) -> Result<u64>;

    /// Says until when a credential is good; `None`: for good. Nothing else changes.
    ///
    /// # Errors
    ///
    /// `NotFound`.
    async fn set_expiry(
        &self,
        tenant: TenantId,
        id: CredentialId,
        expires_at: Option<Timestamp>,
    ) -> Result<CredentialRecord>;

    /// At most `limit` credentials that expire before `before` or have expired, over all tenants, those first that expire
    /// first.
    ///
    /// # Errors
    ///
    /// Only those of the store itself.
    async fn expiring(&self, before: Timestamp, limit: usize) -> Result<Vec<(TenantId, CredentialRecord)>>;
}
