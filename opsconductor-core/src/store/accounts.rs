//! People with accounts, and who tries to log in.

use std::time::Duration;

use async_trait::async_trait;

use super::{Listing, Page};
use crate::{
    Error, ErrorKind, Result, Secret,
    clock::Timestamp,
    id::{TenantId, UserId},
    tenant::Role,
};

/// An account, without its password.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UserRecord {
    /// Its id.
    pub id: UserId,
    /// The tenant it belongs to.
    pub tenant: TenantId,
    /// The name to log in with, unique in the deployment.
    pub name: String,
    /// The address, unique in the deployment.
    pub email: String,
    /// What it may do.
    pub role: Role,
    /// Whether it may do anything at all.
    pub is_active: bool,
    /// Raised by one with each change that ends the account's tokens.
    pub token_version: i32,
    /// When it was made.
    pub created_at: Timestamp,
}

/// An account to store.
#[derive(Debug, Clone)]
pub struct NewUser {
    /// Its name.
    pub name: String,
    /// Its address.
    pub email: String,
    /// What it may do.
    pub role: Role,
    /// The hash of its password.
    pub password: Secret<String>,
}

/// What is to change about an account; what is not said stays.
#[derive(Debug, Clone, Default)]
pub struct UserChange {
    /// Another name.
    pub name: Option<String>,
    /// Another address.
    pub email: Option<String>,
    /// Another role.
    pub role: Option<Role>,
    /// Whether it may do anything from now on.
    pub is_active: Option<bool>,
    /// The hash of another password.
    pub password: Option<Secret<String>>,
    /// Ends the account's tokens whatever else changes.
    pub end_tokens: bool,
}

impl UserChange {
    /// Whether the tokens of `present` end with this change: with another role or password, when it is put out of use or into
    /// it, and when the change says so.
    pub fn ends_tokens(&self, present: &UserRecord) -> bool {
        self.end_tokens
            || self.password.is_some()
            || self.role.is_some_and(|role| role != present.role)
            || self.is_active.is_some_and(|active| active != present.is_active)
    }

    /// Whether `present` is an active admin now and would not be one any more.
    pub fn takes_an_admin(&self, present: &UserRecord) -> bool {
        let stays =
            self.role.unwrap_or(present.role) == Role::Admin && self.is_active.unwrap_or(present.is_active);
        present.is_admin() && !stays
    }
}

impl UserRecord {
    /// Whether it is one of those of whom a tenant keeps one.
    pub fn is_admin(&self) -> bool {
        self.role == Role::Admin && self.is_active
    }
}

/// An account with the hash of its password.
#[derive(Debug, Clone)]
pub struct Login {
    /// The account.
    pub user: UserRecord,
    /// The hash of its password.
    pub password: Secret<String>,
}

/// What stands for a name that someone tries to log in with, whether anybody has it or not: its digest.
pub type LoginKey = [u8; 32];

/// How many attempts in a row may fail before the next one has to wait.
pub const LOGIN_ATTEMPTS_FREE: u32 = 5;

/// The longest that an attempt has to wait after the one before.
pub const LOGIN_WAIT_MAX: Duration = Duration::from_secs(300);

/// After how long a failed attempt is forgotten when no other came.
pub const LOGIN_ATTEMPTS_KEPT: Duration = Duration::from_secs(24 * 3600);

/// How long the next attempt has to wait after so many that failed in a row: a second after the sixth, and twice as long after
/// each one more, up to [`LOGIN_WAIT_MAX`].
pub fn login_wait(failed: u32) -> Duration {
    match failed.checked_sub(LOGIN_ATTEMPTS_FREE + 1) {
        None => Duration::ZERO,
        Some(doublings) => Duration::from_secs(1 << doublings.min(16)).min(LOGIN_WAIT_MAX),
    }
}

/// What a store answers whoever would take the last active admin from a tenant.
pub fn last_admin(user: UserId) -> Error {
    let message = "the last active admin of a tenant stays; make someone else an admin first";
    Error::new(ErrorKind::Conflict, message).with("user", user)
}

/// Accounts of people. Lists come newest first (by id). Writing into a tenant that is not there is `NotFound`.
///
/// Whatever calls come at the same moment, a tenant that has an active admin keeps one.
#[async_trait]
pub trait Accounts: Send + Sync {
    /// Stores an account, active and with the token version 0.
    ///
    /// # Errors
    ///
    /// `Conflict` when the name or the address is taken, by whomever in the deployment.
    async fn insert_user(&self, tenant: TenantId, new: NewUser) -> Result<UserRecord>;

    /// One account.
    ///
    /// # Errors
    ///
    /// `NotFound`.
    async fn user(&self, tenant: TenantId, id: UserId) -> Result<UserRecord>;

    /// One account, by name.
    ///
    /// # Errors
    ///
    /// `NotFound`.
    async fn user_by_name(&self, tenant: TenantId, name: &str) -> Result<UserRecord>;

    /// Accounts of the tenant.
    ///
    /// # Errors
    ///
    /// Only those of the store itself.
    async fn list_users(&self, tenant: TenantId, page: Page) -> Result<Listing<UserRecord>>;

    /// Changes an account, and raises its token version by one where the change [ends its tokens](UserChange::ends_tokens).
    ///
    /// # Errors
    ///
    /// `NotFound`; `Conflict` when the name or the address is taken, and when the account is the last active admin of its
    /// tenant and would not be one any more. Nothing changed then.
    async fn change_user(&self, tenant: TenantId, id: UserId, change: UserChange) -> Result<UserRecord>;

    /// Removes an account with all that lets someone act for it. What it made stays. Its name and address are free again; its
    /// id is never given again.
    ///
    /// # Errors
    ///
    /// `NotFound`; `Conflict` for the last active admin of the tenant.
    async fn delete_user(&self, tenant: TenantId, id: UserId) -> Result<()>;

    /// The account with this name in the deployment, active or not, for someone who logs in. None when nobody has the name.
    ///
    /// # Errors
    ///
    /// Only those of the store itself.
    async fn login(&self, name: &str) -> Result<Option<Login>>;

    /// Puts another hash of the same password in the place of `old`, if that is still there, and says whether it was. Tokens
    /// stay good.
    ///
    /// # Errors
    ///
    /// Only those of the store itself.
    async fn upgrade_password(
        &self,
        tenant: TenantId,
        id: UserId,
        old: &Secret<String>,
        new: &Secret<String>,
    ) -> Result<bool>;

    /// Counts an attempt to log in as a failed one before it is made, so that attempts which come together do not slip through
    /// together. None when it may be made; otherwise how long it has to wait by [`login_wait`], and it was not counted.
    /// Attempts are forgotten [`LOGIN_ATTEMPTS_KEPT`] after the last.
    ///
    /// # Errors
    ///
    /// Only those of the store itself.
    async fn count_login(&self, key: &LoginKey) -> Result<Option<Duration>>;

    /// Forgets the attempts that were counted: one of them went well.
    ///
    /// # Errors
    ///
    /// Only those of the store itself.
    async fn forget_logins(&self, key: &LoginKey) -> Result<()>;
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn waits_double_up_to_a_bound() {
        let seconds: Vec<u64> = (0..16).map(|failed| login_wait(failed).as_secs()).collect();
        assert_eq!(seconds, [0, 0, 0, 0, 0, 0, 1, 2, 4, 8, 16, 32, 64, 128, 256, 300]);
        assert_eq!(login_wait(u32::MAX), LOGIN_WAIT_MAX);
    }
}
