//! The [`ApiTokens`] of the memory store.

use async_trait::async_trait;

use super::{MemoryStore, State, history::listing, missing, taken};
use crate::{
    Error, ErrorKind, Result,
    clock::Timestamp,
    id::{ApiTokenId, TenantId, UserId},
    store::{
        API_TOKENS_MAX, ApiTokenRecord, ApiTokens, LAST_USE_STANDS, Listing, NewApiToken, Page, UserRecord,
    },
};

/// A token's row.
pub(super) struct ApiTokenRow {
    tenant: TenantId,
    pub(super) record: ApiTokenRecord,
    digest: [u8; 32],
    token_version: i32,
}

#[async_trait]
impl ApiTokens for MemoryStore {
    async fn insert_api_token(&self, tenant: TenantId, new: NewApiToken) -> Result<ApiTokenRecord> {
        self.noted(|state| state.insert_api_token(tenant, new))
    }

    async fn api_token(&self, tenant: TenantId, id: ApiTokenId) -> Result<ApiTokenRecord> {
        self.with(|state| state.api_token_of(tenant, id).cloned())
    }

    async fn list_api_tokens(
        &self,
        tenant: TenantId,
        user: UserId,
        page: Page,
    ) -> Result<Listing<ApiTokenRecord>> {
        Ok(self.with(|state| {
            let mine = state.api_tokens.values().rev().filter(|row| row.tenant == tenant);
            listing(mine.map(|row| &row.record).filter(|token| token.user == user), page)
        }))
    }

    async fn delete_api_token(&self, tenant: TenantId, id: ApiTokenId) -> Result<()> {
        self.noted(|state| {
            state.api_token_of(tenant, id)?;
            state.api_tokens.remove(&id);
            Ok(())
        })
    }

    async fn use_api_token(&self, digest: &[u8; 32]) -> Result<Option<(UserRecord, ApiTokenRecord)>> {
        Ok(self.with(|state| state.use_api_token(digest)))
    }
}

impl State {
    fn api_token_of(&self, tenant: TenantId, id: ApiTokenId) -> Result<&ApiTokenRecord> {
        let row = self.api_tokens.get(&id).filter(|row| row.tenant == tenant);
        row.map(|row| &row.record).ok_or_else(|| missing("token", id))
    }

    fn insert_api_token(&mut self, tenant: TenantId, new: NewApiToken) -> Result<ApiTokenRecord> {
        let user = &self.user_of(tenant, new.user)?.record;
        if !user.is_active || user.token_version != new.token_version {
            return Err(missing("user", new.user));
        }
        let mine = self.api_tokens.values().filter(|row| row.record.user == new.user);
        if mine.clone().any(|row| row.record.name == new.name) {
            return Err(taken("token", &new.name));
        }
        if mine.count() >= API_TOKENS_MAX as usize {
            let message = format!("an account has at most {API_TOKENS_MAX} tokens; remove one first");
            return Err(Error::new(ErrorKind::Conflict, message));
        }
        let record = ApiTokenRecord {
            id: ApiTokenId::new(self.next_id()),
            user: new.user,
            name: new.name,
            prefix: new.prefix,
            role: new.role,
            actions: new.actions,
            created_at: self.now,
            expires_at: new.life.map(|life| self.after(life)),
            last_used_at: None,
        };
        let (digest, token_version) = (new.digest, new.token_version);
        self.concerns(record.id.get());
        self.api_tokens
            .insert(record.id, ApiTokenRow { tenant, record: record.clone(), digest, token_version });
        Ok(record)
    }

    fn use_api_token(&mut self, digest: &[u8; 32]) -> Option<(UserRecord, ApiTokenRecord)> {
        let now = self.now;
        let row = self.api_tokens.values_mut().find(|row| row.digest == *digest)?;
        let user = self.users.get(&row.record.user)?.record.clone();
        let ended = row.record.expires_at.is_some_and(|end| end <= now);
        if ended || !user.is_active || user.token_version != row.token_version {
            return None;
        }
        let stands = |last: Timestamp| (now - last).to_std().is_ok_and(|age| age < LAST_USE_STANDS);
        if !row.record.last_used_at.is_some_and(stands) {
            row.record.last_used_at = Some(now);
        }
        Some((user, row.record.clone()))
    }
}
