//! Tokens that programs call with.

use std::time::Duration;

use serde::Serialize;
use sha2::{Digest, Sha256};

use super::{Inner, Scoped, noted};
use crate::{
    Error, ErrorKind, Result, Secret,
    auth::{
        policy::{Action, Resource, Right},
        random, token,
    },
    clock::Timestamp,
    id::{ApiTokenId, UserId},
    store::{ApiTokenRecord, Listing, NewApiToken, Page},
    tenant::{Actor, Role, Scope},
};

/// What every such token begins with.
pub(super) const PREFIX: &str = "oc_";

/// How much of a token is shown to tell it from others.
const SHOWN_LEN: usize = PREFIX.len() + 8;

/// How long every such token is: 256 random bits in hexadecimal digits.
const TOKEN_LEN: usize = PREFIX.len() + 64;

/// The longest name of a token, in characters.
const NAME_CHARS_MAX: usize = 100;

/// The longest life that may be asked for.
const LIFE_MAX: Duration = Duration::from_secs(10 * 366 * 24 * 3600);

/// Calls on the tokens that programs call with. They act for the account of who made them, never with more than its role, and
/// end with whatever ends its tokens: another password or role, [`Users::revoke_all`](super::Users::revoke_all), deactivation.
pub struct ApiTokens<'a> {
    pub(super) at: &'a Scoped,
}

/// A token to make.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TokenRequest {
    /// What it is called, unique among the account's: 1 to 100 characters.
    pub name: String,
    /// The most that it may do, no more than the account.
    pub role: Role,
    /// All that it may do, where that is to be less than what the role may.
    pub only: Option<Vec<Right>>,
    /// How long it is good; for as long as the account stays as it is when it is not said.
    pub life: Option<Duration>,
}

/// A token, without what it is called with.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct ApiTokenInfo {
    /// Its id.
    pub id: ApiTokenId,
    /// Whose it is.
    pub user: UserId,
    /// What it is called.
    pub name: String,
    /// How it begins.
    pub prefix: String,
    /// The most that it may do.
    pub role: Role,
    /// All that it may do, as `job:execute`, where that is less than what the role may.
    pub scopes: Option<Vec<String>>,
    /// When it was made.
    pub created_at: Timestamp,
    /// When it ends.
    pub expires_at: Option<Timestamp>,
    /// When it was last used, give or take a minute.
    pub last_used_at: Option<Timestamp>,
}

/// A token that was just made.
#[derive(Debug, Clone)]
pub struct NewToken {
    /// What is shown of it from now on.
    pub info: ApiTokenInfo,
    /// The token itself, for [`Engine::verify_access`](super::Engine::verify_access). It is in this answer alone.
    pub token: Secret<String>,
}

impl ApiTokens<'_> {
    /// Makes a token of the own account.
    ///
    /// # Errors
    ///
    /// `Forbidden` for more than the own role, and for a caller that is a token itself; `InvalidInput` for a name, a life or
    /// scopes that cannot be, and for a caller without an account; `Conflict` when the name is taken or there are 100 already;
    /// `Unauthenticated` when the account was changed meanwhile.
    pub async fn create(&self, request: TokenRequest) -> Result<NewToken> {
        let entry =
            self.at.permit(noted::TOKEN_CREATED, &request.name).await?.with("role", request.role.as_str());
        let (inner, scope) = (&self.at.inner, &self.at.scope);
        let user = scope.actor.user_id().ok_or_else(|| {
            Error::new(ErrorKind::InvalidInput, "a token belongs to an account, and the caller has none")
        })?;
        request.check(scope.actor.role())?;
        let account = inner.store.user(scope.tenant, user).await?;
        let token = Secret::new(format!("{PREFIX}{}", crate::auth::hex(&random::<32>()?)));
        let new = NewApiToken {
            user,
            token_version: account.token_version,
            name: request.name,
            prefix: token.expose()[..SHOWN_LEN].to_owned(),
            digest: digest(token.expose()),
            // What it was is what it may be: a role that was raised meanwhile is not its.
            role: request.role.min(account.role),
            actions: request.only.map(|only| only.iter().map(Right::to_string).collect()),
            life: request.life,
        };
        let made = self.at.noted(entry, inner.store.insert_api_token(scope.tenant, new)).await;
        let made = made.map_err(|error| match error.kind() {
            ErrorKind::NotFound => token::refused(),
            _ => error,
        })?;
        Ok(NewToken { info: made.into(), token })
    }

    /// Tokens of the own account, newest first, those that have ended included.
    ///
    /// # Errors
    ///
    /// `Forbidden`.
    pub async fn list(&self, page: Page) -> Result<Listing<ApiTokenInfo>> {
        self.at.authorize(Action::Read, Resource::Account)?;
        match self.at.scope.actor.user_id() {
            Some(user) => self.listed(user, page).await,
            None => Ok(Listing { items: Vec::new(), total: 0 }),
        }
    }

    /// Tokens of an account of the tenant.
    ///
    /// # Errors
    ///
    /// `Forbidden` for another one than the own, but for an admin; `NotFound`.
    pub async fn of_user(&self, user: UserId, page: Page) -> Result<Listing<ApiTokenInfo>> {
        self.may(Action::Read, user)?;
        self.at.inner.store.user(self.at.scope.tenant, user).await?;
        self.listed(user, page).await
    }

    /// Ends a token.
    ///
    /// # Errors
    ///
    /// `NotFound`, also for one of another account, but for an admin; `Forbidden` for a caller that is a token itself.
    pub async fn revoke(&self, id: ApiTokenId) -> Result<()> {
        let entry = self.at.permit(noted::TOKEN_REVOKED, "").await?.about(id.get());
        let (inner, scope) = (&self.at.inner, &self.at.scope);
        let found = inner.store.api_token(scope.tenant, id).await?;
        if self.may(Action::Update, found.user).is_err() {
            return Err(Error::new(ErrorKind::NotFound, "no such token").with("token", id));
        }
        self.at.noted(entry, inner.store.delete_api_token(scope.tenant, id)).await
    }

    async fn listed(&self, user: UserId, page: Page) -> Result<Listing<ApiTokenInfo>> {
        let list = self.at.inner.store.list_api_tokens(self.at.scope.tenant, user, page).await?;
        Ok(Listing { items: list.items.into_iter().map(ApiTokenInfo::from).collect(), total: list.total })
    }

    fn may(&self, action: Action, user: UserId) -> Result<()> {
        let own = self.at.scope.actor.user_id() == Some(user);
        self.at.authorize(action, if own { Resource::Account } else { Resource::User })
    }
}

impl TokenRequest {
    fn check(&self, own: Role) -> Result<()> {
        let invalid = |message: String| Err(Error::new(ErrorKind::InvalidInput, message));
        if !(1..=NAME_CHARS_MAX).contains(&self.name.chars().count()) || self.name.contains(char::is_control)
        {
            return invalid(format!(
                "the name of a token has 1 to {NAME_CHARS_MAX} characters, none of them a control character"
            ));
        }
        if self.life.is_some_and(|life| life < Duration::from_secs(1) || life > LIFE_MAX) {
            return invalid(
                "a token is good for a second to ten years, or for as long as its account".to_owned(),
            );
        }
        if self.role > own {
            let message = format!("nobody makes a token that may more than oneself: the role is {own}");
            return Err(Error::new(ErrorKind::Forbidden, message));
        }
        match self.only.iter().flatten().find(|right| !right.is_of(self.role)) {
            Some(right) => {
                invalid(format!("the role {} may not {right}, so a token of it cannot", self.role))
            }
            None => Ok(()),
        }
    }
}

impl From<ApiTokenRecord> for ApiTokenInfo {
    fn from(record: ApiTokenRecord) -> Self {
        Self {
            id: record.id,
            user: record.user,
            name: record.name,
            prefix: record.prefix,
            role: record.role,
            scopes: record.actions,
            created_at: record.created_at,
            expires_at: record.expires_at,
            last_used_at: record.last_used_at,
        }
    }
}

/// Who calls with such a token.
pub(super) async fn verify(inner: &Inner, given: &str) -> Result<Scope> {
    if given.len() != TOKEN_LEN {
        return Err(token::refused());
    }
    let found = inner.store.use_api_token(&digest(given)).await?;
    let (user, token) = found.ok_or_else(token::refused)?;
    let rights =
        token.actions.map(|all| all.iter().map(|right| right.parse()).collect::<Result<Vec<Right>>>());
    let actor = Actor::Token {
        id: token.id,
        user: user.id,
        name: user.name,
        role: user.role.min(token.role),
        // What is not understood any more is not allowed.
        only: rights.map(|rights| rights.unwrap_or_default().into()),
    };
    Ok(Scope::new(user.tenant, actor))
}

fn digest(token: &str) -> [u8; 32] {
    Sha256::new_with_prefix("opsconductor api token\0").chain_update(token).finalize().into()
}
