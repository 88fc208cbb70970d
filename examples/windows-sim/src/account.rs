//! The accounts of the host, their logons and their locks.

use std::{
    collections::BTreeMap,
    sync::{Mutex, MutexGuard, PoisonError},
};

use crate::ntlm::crypto;

/// How many names that are no account are counted.
const UNKNOWN_NAMES_MAX: usize = 1000;

/// One account. The password itself is not kept, only its NT hash.
pub(crate) struct Account {
    name: String,
    domain: Option<String>,
    nt_hash: Mutex<[u8; 16]>,
}

/// How often a user logged on, and how often that failed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[non_exhaustive]
pub struct Logons {
    /// Logons that succeeded.
    pub ok: u64,
    /// Logons that failed: a wrong password, a bad signature, a locked account.
    pub failed: u64,
    /// Failures since the last success, which is what a lock-out threshold is compared with.
    pub failed_in_a_row: u32,
}

/// All accounts and what happened to them.
#[derive(Default)]
pub(crate) struct Accounts {
    accounts: Vec<Account>,
    /// User principal names of certificates, and the accounts they stand for.
    principals: Vec<(String, String)>,
    lockout_threshold: Option<u32>,
    logons: Mutex<BTreeMap<String, Logons>>,
}

impl Account {
    /// `name` may be `DOMAIN\user`, which makes a domain account; any other is a local one.
    pub(crate) fn new(name: &str, password: &str) -> Self {
        let (domain, name) = match name.split_once('\\') {
            Some((domain, name)) => (Some(domain.to_owned()), name),
            None => (None, name),
        };
        Self { name: name.to_owned(), domain, nt_hash: Mutex::new(crypto::nt_hash(password)) }
    }

    fn nt_hash(&self) -> MutexGuard<'_, [u8; 16]> {
        self.nt_hash.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Accounts {
    pub(crate) fn new(
        accounts: Vec<Account>,
        principals: Vec<(String, String)>,
        lockout_threshold: Option<u32>,
    ) -> Self {
        Self { accounts, principals, lockout_threshold, logons: Mutex::default() }
    }

    /// The NT hash of a user, unless the account is unknown or locked.
    pub(crate) fn nt_hash(&self, user: &str, domain: &str) -> Option<[u8; 16]> {
        let account = self.find(user, domain)?;
        let failed = self.lock().get(&account.name).map_or(0, |logons| logons.failed_in_a_row);
        let locked = self.lockout_threshold.is_some_and(|threshold| failed >= threshold);
        (!locked).then(|| *account.nt_hash())
    }

    /// Gives an account another password; whether there is such an account.
    pub(crate) fn set_password(&self, name: &str, password: &str) -> bool {
        let (domain, user) = name.split_once('\\').unwrap_or(("", name));
        let account = self.find(user, domain);
        if let Some(account) = account {
            *account.nt_hash() = crypto::nt_hash(password);
        }
        account.is_some()
    }

    /// Judges a name and password as Basic sends them, and counts the logon. The answer is the account's own name.
    pub(crate) fn basic(&self, user: &str, password: &str) -> Option<String> {
        let (domain, bare) = user.split_once('\\').unwrap_or(("", user));
        let right = self.nt_hash(bare, domain) == Some(crypto::nt_hash(password));
        let name = self.count(bare, domain, right);
        right.then_some(name)
    }

    /// The account that a certificate's user principal name is mapped to. Each logon is counted, under the principal's name
    /// when it fails.
    pub(crate) fn mapped(&self, principal: &str) -> Option<String> {
        let user = self.principals.iter().find(|(mapped, _)| same(mapped, principal)).map(|(_, user)| user);
        let Some(user) = user else {
            self.count(principal, "", false);
            return None;
        };
        let (domain, user) = user.split_once('\\').unwrap_or(("", user));
        Some(self.count(user, domain, true))
    }

    /// Counts a logon under the account's own name, which is returned.
    pub(crate) fn count(&self, user: &str, domain: &str, ok: bool) -> String {
        let known = self.find(user, domain);
        let name = known.map_or(user, |account| &account.name).to_owned();
        let mut logons = self.lock();
        if known.is_some() || logons.len() < UNKNOWN_NAMES_MAX || logons.contains_key(&name) {
            let entry = logons.entry(name.clone()).or_default();
            if ok {
                entry.ok += 1;
                entry.failed_in_a_row = 0;
            } else {
                entry.failed += 1;
                entry.failed_in_a_row += 1;
            }
        }
        name
    }

    /// Every user that tried to log on.
    pub(crate) fn logons(&self) -> BTreeMap<String, Logons> {
        self.lock().clone()
    }

    /// A local account is found under any domain, as a host outside a domain does; a domain account only under its own,
    /// also as `user@domain`.
    fn find(&self, user: &str, domain: &str) -> Option<&Account> {
        let (user, domain) = match user.split_once('@') {
            Some((user, realm)) if domain.is_empty() => (user, realm),
            _ => (user, domain),
        };
        let is = |account: &&Account| {
            same(&account.name, user) && account.domain.as_deref().is_none_or(|own| same(own, domain))
        };
        self.accounts.iter().find(is)
    }

    fn lock(&self) -> MutexGuard<'_, BTreeMap<String, Logons>> {
        self.logons.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn same(one: &str, other: &str) -> bool {
    one.to_lowercase() == other.to_lowercase()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn accounts() -> Accounts {
        let list = vec![Account::new("Administrator", "right"), Account::new("CORP\\alice", "right")];
        Accounts::new(list, Vec::new(), Some(3))
    }

    #[test]
    fn names_are_found_whatever_their_case_and_domains_count_for_domain_accounts() {
        let accounts = accounts();
        assert!(accounts.nt_hash("ADMINISTRATOR", "anything").is_some());
        assert!(accounts.nt_hash("alice", "corp").is_some());
        assert!(accounts.nt_hash("alice@Corp", "").is_some());
        assert!(accounts.nt_hash("alice", "").is_none());
    }

    #[test]
    fn logons_are_counted_per_user_and_lock_the_account_at_the_threshold() {
        let accounts = accounts();
        for _ in 0..3 {
            assert_eq!(accounts.basic("administrator", "wrong"), None);
        }
        assert_eq!(accounts.basic("Administrator", "right"), None, "the account is locked");
        assert_eq!(accounts.basic("CORP\\Alice", "right").as_deref(), Some("alice"));
        let logons = accounts.logons();
        assert_eq!(logons.get("Administrator").map(|each| (each.ok, each.failed)), Some((0, 4)));
        assert_eq!(logons.get("alice").map(|each| (each.ok, each.failed)), Some((1, 0)));
    }
}
