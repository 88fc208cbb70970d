//! Credentials that expire: a warning ahead of time, and what tasks do with one that has expired.

use std::{
    collections::HashSet,
    sync::{Mutex, PoisonError},
    time::Duration,
};

use super::Inner;
use crate::{Error, ErrorKind, Result, clock::Timestamp, id::CredentialId, store::CredentialRecord};

/// How long before it expires a credential is warned of, unless the builder says otherwise: two weeks.
pub(super) const WARN_AHEAD: Duration = Duration::from_secs(14 * 24 * 3_600);

/// The most credentials that are looked at, those first that expire first.
const LOOKED_AT_MAX: usize = 1_000;

/// The most warnings that are remembered so that they are not repeated.
const TOLD_MAX: usize = 10_000;

/// What tasks do with a credential that has expired.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum Expired {
    /// They use it: the date is a reminder, and the host knows best what it accepts. The default.
    #[default]
    Use,
    /// They fail before anything is sent, naming the credential and when it expired.
    Refuse,
}

/// What was said of expiry when the engine was built, and what it has said since.
pub(crate) struct Expiry {
    pub(super) expired: Expired,
    pub(super) warn_ahead: Duration,
    told: Mutex<HashSet<(CredentialId, Timestamp, bool)>>,
}

impl Expiry {
    pub(super) fn new(expired: Expired, warn_ahead: Duration) -> Self {
        Self { expired, warn_ahead, told: Mutex::default() }
    }

    /// Refuses a credential that a task may not use any more.
    pub(super) fn check(&self, record: &CredentialRecord, now: Timestamp) -> Result<()> {
        match record.expires_at {
            Some(at) if at <= now && self.expired == Expired::Refuse => {
                let message = "the credential has expired: rotate it, or say until when it is good";
                Err(Error::new(ErrorKind::Vault, message).with("expired", at.to_rfc3339()))
            }
            _ => Ok(()),
        }
    }

    /// Whether this is news.
    fn is_new(&self, what: (CredentialId, Timestamp, bool)) -> bool {
        let mut told = self.told.lock().unwrap_or_else(PoisonError::into_inner);
        if told.len() >= TOLD_MAX {
            told.clear();
        }
        told.insert(what)
    }
}

/// Says which credentials expire soon, and which have: once each.
pub(super) async fn warn(inner: &Inner) -> Result<()> {
    let now = inner.clock.now();
    let ahead = chrono::TimeDelta::from_std(inner.expiry.warn_ahead).ok();
    let before = ahead.and_then(|ahead| now.checked_add_signed(ahead)).unwrap_or(Timestamp::MAX_UTC);
    for (tenant, record) in inner.store.expiring(before, LOOKED_AT_MAX).await? {
        let Some(at) = record.expires_at else { continue };
        let (expired, at_text) = (at <= now, at.to_rfc3339());
        if !inner.expiry.is_new((record.id, at, expired)) {
            continue;
        }
        match expired {
            true => {
                tracing::warn!(%tenant, credential = %record.name, expired = %at_text, "a credential has expired")
            }
            false => {
                tracing::warn!(%tenant, credential = %record.name, expires = %at_text, "a credential expires soon");
            }
        }
    }
    Ok(())
}
