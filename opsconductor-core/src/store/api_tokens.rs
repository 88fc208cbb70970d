//! Tokens that programs call with: kept as digests, for as long as the account stays as it was.

use std::time::Duration;

use async_trait::async_trait;

use super::{Listing, Page, UserRecord};
use crate::{
    Result,
    clock::Timestamp,
    id::{ApiTokenId, TenantId, UserId},
    tenant::Role,
};

/// A token, without what it is called with.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ApiTokenRecord {
    /// Its id.
    pub id: ApiTokenId,
    /// Whose it is.
    pub user: UserId,
    /// What its owner calls it, unique among the owner's.
    pub name: String,
    /// How it begins, to tell it from others.
    pub prefix: String,
    /// The most that it may do.
    pub role: Role,
    /// All that it may do, where that is less.
    pub actions: Option<Vec<String>>,
    /// When it was made.
    pub created_at: Timestamp,
    /// When it ends.
    pub expires_at: Option<Timestamp>,
    /// When it was last used, give or take a minute.
    pub last_used_at: Option<Timestamp>,
}

/// A token to store.
#[derive(Debug, Clone)]
pub struct NewApiToken {
    /// Whose it is.
    pub user: UserId,
    /// The account's token version: with another one the token has ended.
    pub token_version: i32,
    /// What its owner calls it.
    pub name: String,
    /// How it begins.
    pub prefix: String,
    /// The digest of the whole.
    pub digest: [u8; 32],
    /// The most that it may do.
    pub role: Role,
    /// All that it may do, where that is less.
    pub actions: Option<Vec<String>>,
    /// How long it is good; for as long as the account stays as it is when it is not said.
    pub life: Option<Duration>,
}

/// The most tokens that an account has.
pub const API_TOKENS_MAX: u32 = 100;

/// How long the last use of a token stands before it is written anew: a busy token is not written with each call.
pub const LAST_USE_STANDS: Duration = Duration::from_secs(60);

/// Tokens that programs call with. Lists come newest first (by id). Times are those of the store.
#[async_trait]
pub trait ApiTokens: Send + Sync {
    /// Stores a token.
    ///
    /// # Errors
    ///
    /// `NotFound` when the account is not there, not in use, or has another token version; `Conflict` when it has a token of
    /// this name, or [`API_TOKENS_MAX`] of them.
    async fn insert_api_token(&self, tenant: TenantId, new: NewApiToken) -> Result<ApiTokenRecord>;

    /// One token.
    ///
    /// # Errors
    ///
    /// `NotFound`.
    async fn api_token(&self, tenant: TenantId, id: ApiTokenId) -> Result<ApiTokenRecord>;

    /// Tokens of an account, those that have ended included.
    ///
    /// # Errors
    ///
    /// Only those of the store itself.
    async fn list_api_tokens(
        &self,
        tenant: TenantId,
        user: UserId,
        page: Page,
    ) -> Result<Listing<ApiTokenRecord>>;

    /// Removes a token.
    ///
    /// # Errors
    ///
    /// `NotFound`.
    async fn delete_api_token(&self, tenant: TenantId, id: ApiTokenId) -> Result<()>;

    /// The token with this digest and its account, in whatever tenant; none when it is not there, has ended, or the account is
    /// not in use or has another token version. The use is written down, unless one of less than [`LAST_USE_STANDS`] ago is.
    ///
    /// # Errors
    ///
    /// Only those of the store itself.
    async fn use_api_token(&self, digest: &[u8; 32]) -> Result<Option<(UserRecord, ApiTokenRecord)>>;
}
