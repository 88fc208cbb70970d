//! People with accounts in a tenant.

use serde::Serialize;

use super::{Scoped, noted};
use crate::{
    Error, ErrorKind, Result, Secret,
    audit::Entry,
    auth::{
        password,
        policy::{Action, Resource},
    },
    clock::Timestamp,
    id::UserId,
    notify::Preferences,
    store::{Listing, NewUser, Page, UserChange, UserRecord},
    tenant::Role,
};

/// The longest name of a user, in characters.
const NAME_CHARS_MAX: usize = 150;

/// The longest address, in bytes, as mail has it.
const EMAIL_BYTES_MAX: usize = 254;

/// Calls on the accounts of a tenant. An admin sees and changes all of them; anyone else sees the own one, and changes its name,
/// address and password.
///
/// ```no_run
/// use opsconductor_core::{Engine, Secret, engine::NewAccount, tenant::Role};
///
/// # async fn example(engine: Engine, password: Secret<String>) -> opsconductor_core::Result<()> {
/// let new = NewAccount { name: "ann".into(), email: "ann@example.com".into(), role: Role::Admin };
/// let ann = engine.local().users().create(new, &password).await?;
/// let logged_in = engine.login("ann", &password).await?;
/// assert_eq!(logged_in.user().id, ann.id);
/// engine.scope(logged_in.scope()).jobs().list(true, Default::default()).await?;
/// # Ok(())
/// # }
/// ```
pub struct Users<'a> {
    pub(super) at: &'a Scoped,
}

/// An account to make. Its password is given apart.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewAccount {
    /// The name to log in with, unique in the deployment: 1 to 150 characters without white space or control characters.
    pub name: String,
    /// The address, unique in the deployment.
    pub email: String,
    /// What it may do.
    pub role: Role,
}

/// What is to change about an account; what is not said stays.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct AccountChange {
    /// Another name.
    pub name: Option<String>,
    /// Another address.
    pub email: Option<String>,
}

/// An account, as it is shown.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct UserInfo {
    /// Its id.
    pub id: UserId,
    /// Its address.
    pub email: String,
    /// The name to log in with.
    #[serde(rename = "username")]
    pub name: String,
    /// What it may do.
    pub role: Role,
    /// Whether it may do anything at all.
    pub is_active: bool,
    /// Raised by one with each change that ends its tokens.
    pub token_version: i32,
    /// When it was made.
    pub created_at: Timestamp,
}

impl Users<'_> {
    /// Makes an account.
    ///
    /// # Errors
    ///
    /// `Forbidden`; `InvalidInput` for a name, an address or a password that cannot be; `Conflict` when the name or the address
    /// is taken, by whomever in the deployment; `Busy` when too many passwords are being hashed.
    pub async fn create(&self, new: NewAccount, password: &Secret<String>) -> Result<UserInfo> {
        let entry = self.at.permit(noted::USER_CREATED, &new.name).await?;
        check_name(&new.name)?;
        check_email(&new.email)?;
        let password = self.hash(password, &[&new.name, &new.email]).await?;
        let NewAccount { name, email, role } = new;
        let new = NewUser { name, email, role, password };
        let entry = entry.with("role", role.as_str());
        self.at
            .noted(entry, self.at.inner.store.insert_user(self.at.scope.tenant, new))
            .await
            .map(UserInfo::from)
    }

    /// Accounts, newest first: all for an admin, and otherwise the own one.
    ///
    /// # Errors
    ///
    /// `Forbidden`.
    pub async fn list(&self, page: Page) -> Result<Listing<UserInfo>> {
        let (store, tenant) = (&self.at.inner.store, self.at.scope.tenant);
        if self.at.authorize(Action::Read, Resource::User).is_ok() {
            let list = store.list_users(tenant, page).await?;
            return Ok(Listing {
                items: list.items.into_iter().map(UserInfo::from).collect(),
                total: list.total,
            });
        }
        self.at.authorize(Action::Read, Resource::Account)?;
        let own = match self.at.scope.actor.user_id() {
            Some(id) => vec![UserInfo::from(store.user(tenant, id).await?)],
            None => Vec::new(),
        };
        let total = own.len() as u64;
        let skip = usize::try_from(page.skip).unwrap_or(usize::MAX);
        Ok(Listing { items: own.into_iter().skip(skip).take(page.limit as usize).collect(), total })
    }

    /// One account.
    ///
    /// # Errors
    ///
    /// `Forbidden` for another one than the own, but for an admin; `NotFound`.
    pub async fn get(&self, id: UserId) -> Result<UserInfo> {
        self.may(Action::Read, id)?;
        Ok(self.at.inner.store.user(self.at.scope.tenant, id).await?.into())
    }

    /// The account called `name`.
    ///
    /// # Errors
    ///
    /// As [`Users::get`].
    pub async fn by_name(&self, name: &str) -> Result<UserInfo> {
        if self.at.scope.actor.name() != name {
            self.at.authorize(Action::Read, Resource::User)?;
        }
        let found = self.at.inner.store.user_by_name(self.at.scope.tenant, name).await?;
        self.may(Action::Read, found.id)?;
        Ok(found.into())
    }

    /// Gives an account another name or address.
    ///
    /// # Errors
    ///
    /// As [`Users::get`]; `InvalidInput` for a name or an address that cannot be; `Conflict` when it is taken.
    pub async fn update(&self, id: UserId, change: AccountChange) -> Result<UserInfo> {
        let entry = self.at.permit_account(noted::USER_UPDATED, id).await?;
        change.name.as_deref().map_or(Ok(()), check_name)?;
        change.email.as_deref().map_or(Ok(()), check_email)?;
        let AccountChange { name, email } = change;
        self.change(entry, id, UserChange { name, email, ..UserChange::default() }).await
    }

    /// Gives an account another password. Its tokens end.
    ///
    /// # Errors
    ///
    /// As [`Users::get`]; `InvalidInput` for a password that is too short, too long or too easy to guess; `Busy` when too many are being hashed.
    pub async fn set_password(&self, id: UserId, password: &Secret<String>) -> Result<UserInfo> {
        let entry = self.at.permit_account(noted::USER_PASSWORD_SET, id).await?;
        let account = self.at.inner.store.user(self.at.scope.tenant, id).await?;
        let password = self.hash(password, &[&account.name, &account.email]).await?;
        let change = UserChange { password: Some(password), ..UserChange::default() };
        self.change(entry, id, change).await
    }

    /// Gives an account another role. Its tokens end.
    ///
    /// # Errors
    ///
    /// `Forbidden` for anyone but an admin; `NotFound`; `Conflict` for the last active admin of the tenant.
    pub async fn set_role(&self, id: UserId, role: Role) -> Result<UserInfo> {
        let entry = self.at.permit(noted::USER_ROLE_SET, "").await?.with("role", role.as_str());
        self.change(entry, id, UserChange { role: Some(role), ..UserChange::default() }).await
    }

    /// Puts an account out of use, until it is [activated](Users::activate). Its tokens end.
    ///
    /// # Errors
    ///
    /// As [`Users::set_role`].
    pub async fn deactivate(&self, id: UserId) -> Result<UserInfo> {
        let entry = self.at.permit(noted::USER_DEACTIVATED, "").await?;
        let change = UserChange { is_active: Some(false), ..UserChange::default() };
        self.change(entry, id, change).await
    }

    /// Lets an account be used again.
    ///
    /// # Errors
    ///
    /// `Forbidden` for anyone but an admin; `NotFound`.
    pub async fn activate(&self, id: UserId) -> Result<UserInfo> {
        let entry = self.at.permit(noted::USER_ACTIVATED, "").await?;
        self.change(entry, id, UserChange { is_active: Some(true), ..UserChange::default() }).await
    }

    /// Ends every token of an account.
    ///
    /// # Errors
    ///
    /// As [`Users::get`].
    pub async fn revoke_all(&self, id: UserId) -> Result<UserInfo> {
        let entry = self.at.permit_account(noted::USER_TOKENS_REVOKED, id).await?;
        self.change(entry, id, UserChange { end_tokens: true, ..UserChange::default() }).await
    }

    /// Removes an account, with its tokens. Jobs and runs of its stay and show its id; its name and address are free again.
    ///
    /// # Errors
    ///
    /// `Forbidden` for anyone but an admin; `InvalidInput` for the own account; `NotFound`; `Conflict` for the last active
    /// admin of the tenant.
    pub async fn delete(&self, id: UserId) -> Result<()> {
        let entry = self.at.permit(noted::USER_DELETED, "").await?.about(id.get());
        if self.at.scope.actor.user_id() == Some(id) {
            let message = "nobody removes the own account; ask another admin";
            return Err(Error::new(ErrorKind::InvalidInput, message).with("user", id));
        }
        self.at.noted(entry, self.at.inner.store.delete_user(self.at.scope.tenant, id)).await
    }

    /// What a user wants to be told of the own runs; where they have never said, what everybody is told.
    ///
    /// # Errors
    ///
    /// As [`Users::get`].
    pub async fn notification_preferences(&self, id: UserId) -> Result<Preferences> {
        self.may(Action::Read, id)?;
        let found = self.at.inner.store.notification_preferences(self.at.scope.tenant, id).await?;
        Ok(found.unwrap_or_default())
    }

    /// Says what a user wants to be told of the own runs, of those that are enqueued from now on.
    ///
    /// # Errors
    ///
    /// As [`Users::get`]; `InvalidInput` for what is no address or no URL.
    pub async fn set_notification_preferences(&self, id: UserId, wants: &Preferences) -> Result<()> {
        let entry = self.at.permit_account(noted::USER_PREFERENCES_SET, id).await?;
        wants.check()?;
        let tenant = self.at.scope.tenant;
        let set = self.at.inner.store.set_notification_preferences(tenant, id, wants);
        self.at.noted(entry, set).await?;
        self.at.inner.notices.forget(tenant);
        Ok(())
    }

    /// Whether the caller may do this to the account, which may be the own.
    fn may(&self, action: Action, id: UserId) -> Result<()> {
        let own = self.at.scope.actor.user_id() == Some(id);
        self.at.authorize(action, if own { Resource::Account } else { Resource::User })
    }

    /// `known` is what others know of the account.
    async fn hash(&self, password: &Secret<String>, known: &[&str]) -> Result<Secret<String>> {
        let people = &self.at.inner.people;
        password::check(password, people.settings.password_chars_min)?;
        password::check_guessable(password, people.settings.password_guesses_min, known)?;
        people.hasher.place()?.hash(password).await
    }

    async fn change(&self, entry: Entry, id: UserId, change: UserChange) -> Result<UserInfo> {
        let changed = self.at.inner.store.change_user(self.at.scope.tenant, id, change);
        self.at.noted(entry.about(id.get()), changed).await.map(UserInfo::from)
    }
}

impl From<UserRecord> for UserInfo {
    fn from(record: UserRecord) -> Self {
        Self {
            id: record.id,
            email: record.email,
            name: record.name,
            role: record.role,
            is_active: record.is_active,
            token_version: record.token_version,
            created_at: record.created_at,
        }
    }
}

fn check_name(name: &str) -> Result<()> {
    let plain = !name.contains(|c: char| c.is_whitespace() || c.is_control());
    if plain && (1..=NAME_CHARS_MAX).contains(&name.chars().count()) {
        return Ok(());
    }
    let message = format!(
        "the name of a user has 1 to {NAME_CHARS_MAX} characters, without white space or control characters"
    );
    Err(Error::new(ErrorKind::InvalidInput, message))
}

fn check_email(email: &str) -> Result<()> {
    let plain =
        !email.contains(|c: char| c.is_whitespace() || c.is_control()) && email.len() <= EMAIL_BYTES_MAX;
    let holds = email.rsplit_once('@').is_some_and(|(user, host)| !user.is_empty() && !host.is_empty());
    if plain && holds {
        return Ok(());
    }
    let message = format!("an address has the form user@host and at most {EMAIL_BYTES_MAX} bytes");
    Err(Error::new(ErrorKind::InvalidInput, message))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_and_addresses_are_checked() {
        for name in ["a", "ann.o'brien", "änn", "ann@example.com", &"x".repeat(150)] {
            assert!(check_name(name).is_ok(), "{name}");
        }
        for name in ["", "a b", "a\n", "a\0", "\u{a0}", &"x".repeat(151)] {
            assert!(check_name(name).is_err(), "{name}");
        }
        for email in ["a@b", "admin@opsconductor.local", "\"odd@one\"@example.com"] {
            assert!(check_email(email).is_ok(), "{email}");
        }
        for email in ["", "a", "@b", "a@", "a b@c", "a@b\r\nBcc: c@d", &format!("{}@b", "x".repeat(253))] {
            assert!(check_email(email).is_err(), "{email}");
        }
    }
}
