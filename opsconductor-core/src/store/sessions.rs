//! What tokens need of a store: the keys that sign them, sealed, and families of refresh tokens.

use std::{str::FromStr, time::Duration};

use async_trait::async_trait;

use super::UserRecord;
use crate::{
    Error, ErrorKind, Result,
    clock::Timestamp,
    id::{TenantId, UserId},
};

/// What a signing key is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum KeyPurpose {
    /// Access tokens.
    Access,
    /// Refresh tokens.
    Refresh,
}

impl KeyPurpose {
    /// The name as it stands in the database.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Access => "access",
            Self::Refresh => "refresh",
        }
    }
}

impl FromStr for KeyPurpose {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        match text {
            "access" => Ok(Self::Access),
            "refresh" => Ok(Self::Refresh),
            _ => Err(Error::new(ErrorKind::InvalidInput, "a signing key is for access or refresh tokens")),
        }
    }
}

/// A signing key as it is stored: sealed. Keys are the deployment's.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SigningKeyRecord {
    /// The id that tokens name.
    pub id: String,
    /// What it is for.
    pub purpose: KeyPurpose,
    /// The sealed record.
    pub sealed: Vec<u8>,
    /// When it was made.
    pub created_at: Timestamp,
    /// Until when it is good; none for the current one of its purpose.
    pub ends_at: Option<Timestamp>,
}

/// A signing key to store.
#[derive(Debug, Clone)]
pub struct NewSigningKey {
    /// Its id.
    pub id: String,
    /// What it is for.
    pub purpose: KeyPurpose,
    /// The sealed record.
    pub sealed: Vec<u8>,
}

/// A family of refresh tokens to begin, with its first generation, 0.
#[derive(Debug, Clone)]
pub struct NewFamily {
    /// Its id, 128 random bits.
    pub id: String,
    /// Whose it is.
    pub user: UserId,
    /// The account's token version: with another one the family has ended.
    pub token_version: i32,
    /// The digest of the first token.
    pub token: [u8; 32],
    /// How long a token is good.
    pub token_life: Duration,
    /// How long the family is, whatever comes of its tokens.
    pub family_life: Duration,
}

/// A refresh token that is presented, its signature checked.
#[derive(Debug, Clone)]
pub struct Turn {
    /// Its family.
    pub family: String,
    /// Its generation.
    pub generation: u64,
    /// Its digest.
    pub token: [u8; 32],
    /// The digest of its successor.
    pub next: [u8; 32],
    /// How long after its use it still answers that successor.
    pub grace: Duration,
    /// How long the successor is good.
    pub token_life: Duration,
}

/// What came of a refresh token.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum Turned {
    /// It was the present one, and its successor is now.
    Rotated(UserRecord),
    /// It was used a moment ago: its successor is the present one already.
    Repeated(UserRecord),
    /// It was used before. Somebody else has it too, so the family has ended.
    Reused(UserRecord),
    /// Its family is not there, or has ended.
    Gone,
}

/// The most families that an account has at once; the one that was used longest ago ends when there would be more.
pub const FAMILIES_MAX: u32 = 50;

/// Keys and families. Times are those of the store.
#[async_trait]
pub trait Sessions: Send + Sync {
    /// The keys of both purposes that have not ended, the newest first.
    ///
    /// # Errors
    ///
    /// Only those of the store itself.
    async fn signing_keys(&self) -> Result<Vec<SigningKeyRecord>>;

    /// Makes `new` the current key of its purpose in the place of the one with the id `expected`, which is good for `former_life`
    /// from now on. Keys that have ended go.
    ///
    /// # Errors
    ///
    /// `Conflict` when another key is the current one (with `expected` none: any), or the id is in use. Nothing changed then.
    async fn rotate_signing_key(
        &self,
        new: NewSigningKey,
        expected: Option<&str>,
        former_life: Duration,
    ) -> Result<()>;

    /// Begins a family. Those of the account that have ended go, and beyond [`FAMILIES_MAX`] those that were used longest ago.
    ///
    /// # Errors
    ///
    /// `NotFound` when the account is not there, not in use, or has another token version.
    async fn begin_family(&self, tenant: TenantId, new: NewFamily) -> Result<()>;

    /// Takes a refresh token. However many come at once, a generation has one successor. A family ends with the account's token
    /// version, with the account, with its time, and with a token that was used before, unless that was the one before the
    /// present one and no longer ago than the grace.
    ///
    /// # Errors
    ///
    /// Only those of the store itself.
    async fn turn(&self, turn: Turn) -> Result<Turned>;

    /// Ends a family. One that is not there has ended.
    ///
    /// # Errors
    ///
    /// Only those of the store itself.
    async fn end_family(&self, id: &str) -> Result<()>;
}
