//! The [`Accounts`] of the memory store.

use std::time::Duration;

use async_trait::async_trait;

use super::{MemoryStore, State, history::listing, missing, taken};
use crate::{
    Error, ErrorKind, Result, Secret,
    clock::Timestamp,
    id::{TenantId, UserId},
    store::{
        Accounts, LOGIN_ATTEMPTS_KEPT, Listing, Login, LoginKey, NewUser, Page, UserChange, UserRecord,
        last_admin, login_wait,
    },
};

/// An account's row.
pub(super) struct UserRow {
    pub(super) record: UserRecord,
    password: Secret<String>,
}

/// Attempts to log in that failed.
pub(super) struct LoginRow {
    failed: u32,
    not_before: Timestamp,
    last: Timestamp,
}

#[async_trait]
impl Accounts for MemoryStore {
    async fn insert_user(&self, tenant: TenantId, new: NewUser) -> Result<UserRecord> {
        self.noted(|state| state.insert_user(tenant, new))
    }

    async fn user(&self, tenant: TenantId, id: UserId) -> Result<UserRecord> {
        self.with(|state| state.user_of(tenant, id).map(|row| row.record.clone()))
    }

    async fn user_by_name(&self, tenant: TenantId, name: &str) -> Result<UserRecord> {
        self.with(|state| {
            let mut mine = state.users_of(tenant);
            mine.find(|user| user.name == name).cloned().ok_or_else(|| missing("user", name))
        })
    }

    async fn list_users(&self, tenant: TenantId, page: Page) -> Result<Listing<UserRecord>> {
        Ok(self.with(|state| listing(state.users_of(tenant), page)))
    }

    async fn change_user(&self, tenant: TenantId, id: UserId, change: UserChange) -> Result<UserRecord> {
        self.noted(|state| state.change_user(tenant, id, change))
    }

    async fn delete_user(&self, tenant: TenantId, id: UserId) -> Result<()> {
        self.noted(|state| {
            let is_admin = state.user_of(tenant, id)?.record.is_admin();
            if is_admin {
                state.another_admin(tenant, id)?;
            }
            state.users.remove(&id);
            state.families.retain(|_, family| family.user != id);
            state.api_tokens.retain(|_, token| token.record.user != id);
            state.told.forget_user(id);
            Ok(())
        })
    }

    async fn login(&self, name: &str) -> Result<Option<Login>> {
        Ok(self.with(|state| {
            let found = state.users.values().find(|row| row.record.name == name)?;
            Some(Login { user: found.record.clone(), password: found.password.clone() })
        }))
    }

    async fn upgrade_password(
        &self,
        tenant: TenantId,
        id: UserId,
        old: &Secret<String>,
        new: &Secret<String>,
    ) -> Result<bool> {
        Ok(self.with(|state| {
            let found = state.users.get_mut(&id).filter(|row| row.record.tenant == tenant);
            let Some(row) = found.filter(|row| row.password.expose() == old.expose()) else { return false };
            row.password = new.clone();
            true
        }))
    }

    async fn count_login(&self, key: &LoginKey) -> Result<Option<Duration>> {
        Ok(self.with(|state| state.count_login(key)))
    }

    async fn forget_logins(&self, key: &LoginKey) -> Result<()> {
        self.with(|state| state.logins.remove(key));
        Ok(())
    }
}

impl State {
    fn users_of(&self, tenant: TenantId) -> impl Iterator<Item = &UserRecord> + Clone {
        self.users.values().rev().map(|row| &row.record).filter(move |user| user.tenant == tenant)
    }

    pub(super) fn user_of(&self, tenant: TenantId, id: UserId) -> Result<&UserRow> {
        let row = self.users.get(&id).filter(|row| row.record.tenant == tenant);
        row.ok_or_else(|| missing("user", id))
    }

    fn insert_user(&mut self, tenant: TenantId, new: NewUser) -> Result<UserRecord> {
        self.tenant_exists(tenant)?;
        self.check_user_names(None, Some(&new.name), Some(&new.email))?;
        let record = UserRecord {
            id: UserId::new(self.next_id()),
            tenant,
            name: new.name,
            email: new.email,
            role: new.role,
            is_active: true,
            token_version: 0,
            created_at: self.now,
        };
        self.concerns(record.id.get());
        self.users.insert(record.id, UserRow { record: record.clone(), password: new.password });
        Ok(record)
    }

    fn change_user(&mut self, tenant: TenantId, id: UserId, change: UserChange) -> Result<UserRecord> {
        let present = self.user_of(tenant, id)?.record.clone();
        self.check_user_names(Some(id), change.name.as_deref(), change.email.as_deref())?;
        if change.takes_an_admin(&present) {
            self.another_admin(tenant, id)?;
        }
        let raised = i32::from(change.ends_tokens(&present));
        let record = UserRecord {
            name: change.name.unwrap_or(present.name),
            email: change.email.unwrap_or(present.email),
            role: change.role.unwrap_or(present.role),
            is_active: change.is_active.unwrap_or(present.is_active),
            token_version: present.token_version + raised,
            ..present
        };
        if let Some(row) = self.users.get_mut(&id) {
            row.record = record.clone();
            if let Some(password) = change.password {
                row.password = password;
            }
        }
        Ok(record)
    }

    /// Refuses a name or an address that someone else has, in whatever tenant.
    fn check_user_names(&self, id: Option<UserId>, name: Option<&str>, email: Option<&str>) -> Result<()> {
        let mut others = self.users.values().map(|row| &row.record).filter(|user| Some(user.id) != id);
        if let Some(name) = name
            && others.clone().any(|user| user.name == name)
        {
            return Err(taken("user", name));
        }
        if let Some(email) = email
            && others.any(|user| user.email == email)
        {
            return Err(address_taken(email));
        }
        Ok(())
    }

    fn another_admin(&self, tenant: TenantId, than: UserId) -> Result<()> {
        let another = self.users_of(tenant).any(|user| user.id != than && user.is_admin());
        if another { Ok(()) } else { Err(last_admin(than)) }
    }

    fn count_login(&mut self, key: &LoginKey) -> Option<Duration> {
        let now = self.now;
        self.logins.retain(|_, row| (now - row.last).to_std().unwrap_or_default() <= LOGIN_ATTEMPTS_KEPT);
        let failed = match self.logins.get(key) {
            Some(row) if row.not_before > now => return (row.not_before - now).to_std().ok(),
            row => row.map_or(0, |row| row.failed).saturating_add(1),
        };
        let not_before = self.after(login_wait(failed));
        self.logins.insert(*key, LoginRow { failed, not_before, last: now });
        None
    }
}

fn address_taken(email: &str) -> Error {
    Error::new(ErrorKind::Conflict, "a user with this address exists already").with("address", email)
}
