//! What is sealed, and former versions of it.

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
