//! How accounts are kept, and what of it an engine holds.

use std::time::Duration;

use super::tokens::KeysAtHand;
use crate::{
    Error, ErrorKind, Result,
    auth::{
        password::{Hasher, PASSWORD_CHARS_MIN_LEAST, Work},
        token::ACCESS_LIFE_MAX,
    },
};

/// How accounts are kept. Checked by [`EngineBuilder::build`](super::EngineBuilder::build).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AccountSettings {
    /// How much work a password's hash is. Hashes of less are replaced at a login.
    pub work: Work,
    /// How many may wait for a hash beside the two that are computed at once; beyond that a login is refused as `Busy`.
    pub waiting: usize,
    /// The fewest characters of a new password, 12 unless said otherwise and at least 6.
    pub password_chars_min: usize,
    /// In how many tries a new password may not be guessed, by an estimate; a million unless said otherwise, which is what
    /// attempts over the network are held below. 0 accepts every password.
    pub password_guesses_min: u64,
    /// How long an access token is good, 15 minutes unless said otherwise and a day at most.
    pub access_token: Duration,
    /// How long a refresh token is good when it is not used, 7 days unless said otherwise.
    pub refresh_token: Duration,
    /// How long someone stays logged in whatever is refreshed, 30 days unless said otherwise and a year at most.
    pub session: Duration,
}

impl Default for AccountSettings {
    fn default() -> Self {
        Self {
            work: Work::STANDARD,
            waiting: 64,
            password_chars_min: 12,
            password_guesses_min: 1_000_000,
            access_token: Duration::from_secs(15 * 60),
            refresh_token: 7 * DAY,
            session: 30 * DAY,
        }
    }
}

impl AccountSettings {
    fn check(&self) -> Result<()> {
        let chars = PASSWORD_CHARS_MIN_LEAST..=CHARS_MIN_MOST;
        let fault = if !chars.contains(&self.password_chars_min) {
            format!(
                "the fewest characters of a password are {PASSWORD_CHARS_MIN_LEAST} to {CHARS_MIN_MOST} of them"
            )
        } else if self.access_token < Duration::from_secs(1) || self.access_token > ACCESS_LIFE_MAX {
            "an access token is good for a second to a day".to_owned()
        } else if self.refresh_token < self.access_token
            || self.session < self.refresh_token
            || self.session > SESSION_MAX
        {
            "a refresh token is good for at least as long as an access token, and a session for at least as long as a \
             refresh token and at most a year"
                .to_owned()
        } else {
            return Ok(());
        };
        Err(Error::new(ErrorKind::InvalidInput, fault))
    }
}

const DAY: Duration = Duration::from_secs(24 * 3600);

const SESSION_MAX: Duration = Duration::from_secs(366 * 24 * 3600);

/// A longer shortest password is a mistake.
const CHARS_MIN_MOST: usize = 128;

/// What an engine holds for accounts.
pub(crate) struct People {
    pub(super) settings: AccountSettings,
    pub(super) hasher: Hasher,
    pub(super) keys: KeysAtHand,
}

impl People {
    pub(super) fn new(settings: AccountSettings) -> Result<Self> {
        settings.check()?;
        Ok(Self {
            hasher: Hasher::new(settings.work, settings.waiting),
            keys: KeysAtHand::default(),
            settings,
        })
    }
}
