//! People, their sessions and the tokens of programs.

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
