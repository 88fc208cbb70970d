//! Logging in with a name and a password.

use std::{fmt, sync::Arc};

use sha2::{Digest, Sha256};

use super::{Engine, Inner, noted};
use crate::{
    Error, ErrorKind, Result, Secret,
    audit::Outcome,
    auth::password::Verdict,
    store::{Login, LoginKey, UserRecord},
    tenant::{Actor, Scope},
};

/// Someone who has logged in.
#[derive(Clone)]
pub struct LoggedIn {
    pub(super) inner: Arc<Inner>,
    pub(super) user: UserRecord,
}

impl LoggedIn {
    /// The account.
    pub fn user(&self) -> &UserRecord {
        &self.user
    }

    /// The account as it calls the engine.
    pub fn scope(&self) -> Scope {
        scope_of(&self.user)
    }
}

impl fmt::Debug for LoggedIn {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("LoggedIn").field("user", &self.user).finish_non_exhaustive()
    }
}

impl Engine {
    /// Logs someone in, in whatever tenant the account is.
    ///
    /// A name that nobody has, a wrong password and an account out of use are one error and cost as many hashes. After five
    /// attempts in a row that failed the next one under that name has to wait, longer each time up to five minutes, whether
    /// anybody has the name or not; attempts are counted in the store, over all processes. A hash of less work than
    /// [`AccountSettings::work`](super::AccountSettings::work), and one of the Python system, is replaced.
    ///
    /// # Errors
    ///
    /// `Unauthenticated`; `Throttled` when it is too early for another attempt and `Busy` when too many passwords are being
    /// checked, both with the time after which to come again.
    pub async fn login(&self, name: &str, password: &Secret<String>) -> Result<LoggedIn> {
        let (store, hasher) = (&self.inner.store, &self.inner.people.hasher);
        // First, so that who finds no place has made no attempt.
        let place = hasher.place()?;
        let key = key_of(name);
        if let Some(wait) = store.count_login(&key).await? {
            let message = "too many attempts to log in failed; wait before the next";
            return Err(Error::new(ErrorKind::Throttled, message).with_retry_after(wait));
        }
        let found = store.login(name).await?;
        let verdict = place.verify(password, found.as_ref().map(|login| &login.password)).await?;
        let is_let_in = |login: &Login| verdict != Verdict::Wrong && login.user.is_active;
        let Some(Login { user, password: stored }) = found.clone().filter(is_let_in) else {
            // As much work whether anybody has the name or not.
            let known = found.as_ref().map(|login| &login.user);
            if let Err(error) = self.inner.note_refused_login(known).await {
                tracing::warn!(error = %error.report(), "a login that was refused could not be recorded");
            }
            return Err(refused());
        };
        if verdict == Verdict::RightButWeak {
            let upgraded = async {
                let hash = place.hash(password).await?;
                store.upgrade_password(user.tenant, user.id, &stored, &hash).await
            };
            // The next login tries again.
            if let Err(error) = upgraded.await {
                tracing::warn!(error = %error.report(), "a password hash was not replaced by a stronger one");
            }
        }
        store.forget_logins(&key).await?;
        self.inner.note_of(noted::LOGGED_IN, &user, Outcome::Done).await?;
        Ok(LoggedIn { inner: Arc::clone(&self.inner), user })
    }

    /// How many password hashes this engine has computed.
    pub fn password_hashes(&self) -> u64 {
        self.inner.people.hasher.hashes()
    }
}

/// An account as it calls the engine.
pub(super) fn scope_of(user: &UserRecord) -> Scope {
    Scope::new(user.tenant, Actor::User { id: user.id, name: user.name.clone(), role: user.role })
}

/// What everyone is told who is not let in, whatever the reason.
fn refused() -> Error {
    Error::new(ErrorKind::Unauthenticated, "the name or the password is wrong, or the account is not in use")
}

/// Names that were tried are not written down, for a password may be among them.
fn key_of(name: &str) -> LoginKey {
    Sha256::new_with_prefix("opsconductor login\0").chain_update(name).finalize().into()
}
