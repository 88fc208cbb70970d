//! The keys of the deployment: which records they hold, moving records from one key to the next, and whether one may go.
//!
//! A key is rotated while everything goes on: every process gets the new key in front of the old ones, [`Keys::rewrap`]
//! moves what is sealed under those, and [`Keys::retire`] says whether one may be dropped.

use std::{collections::BTreeMap, time::Duration};

use serde::Serialize;

use super::{
    Inner, Scoped,
    noted::{self, Change},
};
use crate::{
    Error, ErrorKind, Result,
    auth::policy::{Action, Resource},
    id::TenantId,
    store::{KeyUse, SealedAt, SealedChange, SealedRecord},
    tenant::DEFAULT_TENANT,
    vault::envelope,
};

/// How many records are read, and replaced in one transaction, unless [`Keys::in_pages_of`] says otherwise.
const PAGE_RECORDS: usize = 250;

/// The most that [`Keys::in_pages_of`] takes: of the largest secrets this is some 160 MB.
const PAGE_RECORDS_MAX: usize = 2_500;

/// How often records that someone else changed meanwhile are looked at again at once.
const LOOKS_MAX: u32 = 10;

/// How often a store that is away is asked again, each time after twice as long.
const TRIES_MAX: u32 = 6;

/// Before the first of those.
const PATIENCE: Duration = Duration::from_millis(100);

/// How many records that could not be moved are named.
const NAMED_MAX: usize = 100;

/// Calls on the keys of the deployment. They take an administrator of the default tenant, because records of every tenant
/// are sealed under the same keys. Nothing that is sealed is shown.
pub struct Keys<'a> {
    at: &'a Scoped,
    page: usize,
}

/// How the keys stand.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct KeyStatus {
    /// The keys that are loaded, the current one first, and behind them those that records name and that are not loaded.
    pub keys: Vec<KeyInfo>,
    /// Rows that hold something else than a sealed record, which no key opens.
    pub malformed: u64,
}

/// A key, and what is sealed under it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct KeyInfo {
    /// Its id.
    pub id: String,
    /// Whether new records are sealed under it.
    pub current: bool,
    /// Whether it is at hand. The records of one that is not cannot be opened.
    pub loaded: bool,
    /// How many records are sealed under it, by what they are: `credential`, `parameter`.
    pub records: BTreeMap<String, u64>,
}

impl KeyInfo {
    /// How many records are sealed under it in all.
    pub fn total(&self) -> u64 {
        self.records.values().sum()
    }
}

/// How far moving records has come.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct KeyProgress {
    /// How many records there were when it began.
    pub total: u64,
    /// How many were looked at.
    pub looked_at: u64,
    /// How many were moved.
    pub moved: u64,
    /// How many could not be: they do not open, or their key is not loaded.
    pub failed: u64,
}

/// What became of moving records.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct Moved {
    /// How far it came.
    pub progress: KeyProgress,
    /// How many records are under another key than the current one now that it is over: those that could not be moved, and
    /// those that a process sealed meanwhile which does not have the current key yet.
    pub left: u64,
    /// The first of those that could not be moved.
    pub not_moved: Vec<NotMoved>,
}

/// A record that could not be moved, and why.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct NotMoved {
    /// What the row is.
    pub kind: &'static str,
    /// The id that the record is bound to.
    pub id: String,
    /// Whose it is.
    pub tenant: TenantId,
    /// Why.
    pub reason: String,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Move {
    Rewrap,
    Reseal,
}

impl<'a> Keys<'a> {
    pub(super) fn new(at: &'a Scoped) -> Self {
        Self { at, page: PAGE_RECORDS }
    }

    /// The same with so many records at a time, instead of 250, within sensible bounds.
    #[must_use]
    pub fn in_pages_of(mut self, records: usize) -> Self {
        self.page = records.clamp(1, PAGE_RECORDS_MAX);
        self
    }

    /// Which keys there are and how many records are sealed under each.
    ///
    /// # Errors
    ///
    /// `Forbidden`; `Vault` when the keys cannot be asked for.
    pub async fn status(&self) -> Result<KeyStatus> {
        self.authorize(Action::Read)?;
        let keys = self.at.inner.vault.keys();
        let current = keys.current_id().await?;
        let info =
            |id: String, loaded| KeyInfo { current: id == current, id, loaded, records: BTreeMap::new() };
        let mut status = KeyStatus {
            keys: keys.ids().await?.into_iter().map(|id| info(id, true)).collect(),
            malformed: 0,
        };
        for KeyUse { kind, key, records } in self.uses().await? {
            let Some(key) = key else {
                status.malformed += records;
                continue;
            };
            let known = status.keys.iter().position(|info| info.id == key);
            let place = known.unwrap_or_else(|| {
                status.keys.push(info(key, false));
                status.keys.len() - 1
            });
            *status.keys[place].records.entry(kind.to_owned()).or_default() += records;
        }
        Ok(status)
    }

    /// Moves every record under the current key: its data key is wrapped anew, what is sealed stays as it is, and so does
    /// its version. `progress` hears of each page.
    ///
    /// Everything goes on meanwhile, and it may be cut off at any moment: what was moved stays moved, and doing it again
    /// goes on with the rest. Two at once do no harm. A record that was changed between being read and being replaced is
    /// looked at again.
    ///
    /// # Errors
    ///
    /// `Forbidden`; `Vault` when there is no current key; those of the store, once it has been away for some seconds.
    pub async fn rewrap(&self, progress: impl FnMut(KeyProgress) + Send) -> Result<Moved> {
        self.permit(noted::KEYS_REWRAPPED, None).await?;
        self.go_through(Move::Rewrap, progress).await
    }

    /// Seals every record anew under a fresh data key and the current key, and is otherwise as [`Keys::rewrap`]; cut off
    /// and done again it begins at the beginning. It is for when a data key may have become known, which rewrapping does not help
    /// against; whoever has a copy of the old records and of their key still opens that copy.
    ///
    /// # Errors
    ///
    /// As [`Keys::rewrap`].
    pub async fn reseal(&self, progress: impl FnMut(KeyProgress) + Send) -> Result<Moved> {
        self.permit(noted::KEYS_RESEALED, None).await?;
        self.go_through(Move::Reseal, progress).await
    }

    /// Makes sure that nothing needs the key of this id any more, so that it may be dropped where keys are kept. Every
    /// process must have a newer current key by then, and a backup that was made before is opened by no other key.
    ///
    /// # Errors
    ///
    /// `Conflict` while records are sealed under it, saying how many, and when it is the current key; `NotFound` when it is
    /// not loaded and no record names it; `Forbidden`.
    pub async fn retire(&self, id: &str) -> Result<()> {
        self.permit(noted::KEY_RETIRED, Some(id)).await?;
        let keys = self.at.inner.vault.keys();
        if keys.current_id().await? == id {
            let message = "the key seals new records; make another one the current key first";
            return Err(Error::new(ErrorKind::Conflict, message).with("key", id));
        }
        let uses: Vec<_> = self.uses().await?.into_iter().filter(|u| u.key.as_deref() == Some(id)).collect();
        let total: u64 = uses.iter().map(|held| held.records).sum();
        if total > 0 {
            let kinds: Vec<_> = uses.iter().map(|held| format!("{} {}", held.kind, held.records)).collect();
            let records = if total == 1 { "record is" } else { "records are" };
            let message = format!("{total} {records} still sealed under the key: rewrap them first");
            let error = Error::new(ErrorKind::Conflict, message).with("key", id);
            return Err(error.with("held", kinds.join(", ")));
        }
        if !keys.ids().await?.iter().any(|known| known == id) {
            let message = "no key of this id is loaded, and no record names it";
            return Err(Error::new(ErrorKind::NotFound, message).with("key", id));
        }
        Ok(())
    }

    fn authorize(&self, action: Action) -> Result<()> {
        self.at.authorize(action, Resource::Key)?;
        self.is_of_the_deployment()
    }

    fn is_of_the_deployment(&self) -> Result<()> {
        if self.at.scope.tenant != DEFAULT_TENANT {
            let message = "the keys are the deployment's: this takes an administrator of its default tenant";
            return Err(Error::new(ErrorKind::Forbidden, message));
        }
        Ok(())
    }

    /// Lets the caller do this, and records it before it is done: it is many transactions, or none.
    async fn permit(&self, change: Change, key: Option<&str>) -> Result<()> {
        let entry = self.at.permit(change, "").await?;
        let entry = key.into_iter().fold(entry, |entry, key| entry.with("key", key));
        match self.is_of_the_deployment() {
            Ok(()) => self.at.note(entry).await,
            Err(refusal) => Err(self.at.refused(entry, refusal).await),
        }
    }

    async fn uses(&self) -> Result<Vec<KeyUse>> {
        patiently(&self.at.inner, || self.at.inner.store.sealed_by_key()).await
    }

    async fn go_through(&self, how: Move, mut tell: impl FnMut(KeyProgress) + Send) -> Result<Moved> {
        let (inner, page) = (&self.at.inner, self.page);
        let current = inner.vault.keys().current_id().await?;
        let total = self.uses().await?.iter().map(|held| held.records).sum();
        let mut progress = KeyProgress { total, ..KeyProgress::default() };
        let mut not_moved = Vec::new();
        let mut after: Option<SealedAt> = None;
        loop {
            let from = after.as_ref();
            let records = patiently(inner, || inner.store.sealed_records(from, page)).await?;
            let Some(last) = records.last().map(|record| record.at.clone()) else { break };
            progress.looked_at += records.len() as u64;
            let mut missed = self.change(how, &current, &records, &mut progress, &mut not_moved).await?;
            for _ in 0..LOOKS_MAX {
                if missed.is_empty() {
                    break;
                }
                let mut again = patiently(inner, || inner.store.sealed_records(from, page)).await?;
                again.retain(|record| missed.contains(&record.at));
                missed = self.change(how, &current, &again, &mut progress, &mut not_moved).await?;
            }
            after = Some(last);
            tell(progress);
            // A store that answers at once would otherwise keep everyone else waiting.
            tokio::task::yield_now().await;
        }
        let uses = self.uses().await?;
        let elsewhere = |held: &&KeyUse| held.key.as_deref() != Some(current.as_str());
        let left = uses.iter().filter(elsewhere).map(|held| held.records).sum();
        Ok(Moved { progress, left, not_moved })
    }

    /// Moves those of the records that need it, and answers where someone else was quicker.
    async fn change(
        &self,
        how: Move,
        current: &str,
        records: &[SealedRecord],
        progress: &mut KeyProgress,
        not_moved: &mut Vec<NotMoved>,
    ) -> Result<Vec<SealedAt>> {
        let inner = &self.at.inner;
        let mut changes = Vec::new();
        for record in records {
            match moved(inner, how, current, record).await {
                Ok(None) => {}
                Ok(Some(new)) => {
                    changes.push(SealedChange { at: record.at.clone(), old: record.sealed.clone(), new });
                }
                Err(error) => {
                    progress.failed += 1;
                    if not_moved.len() < NAMED_MAX {
                        let (kind, id, tenant) = (record.kind, record.id.clone(), record.tenant);
                        not_moved.push(NotMoved { kind, id, tenant, reason: error.report() });
                    }
                }
            }
        }
        if changes.is_empty() {
            return Ok(Vec::new());
        }
        let replaced = patiently(inner, || inner.store.replace_sealed(changes.clone())).await?;
        let mut missed = Vec::new();
        for (change, replaced) in changes.into_iter().zip(replaced) {
            match replaced {
                true => progress.moved += 1,
                false => missed.push(change.at),
            }
        }
        Ok(missed)
    }
}

/// The record as it is to be, if it is to be another.
async fn moved(inner: &Inner, how: Move, current: &str, record: &SealedRecord) -> Result<Option<Vec<u8>>> {
    let (vault, place) = (&inner.vault, record.context());
    match how {
        Move::Rewrap if envelope::key_id(&record.sealed)? == current => Ok(None),
        Move::Rewrap => vault.rewrap(&place, &record.sealed).await.map(Some),
        Move::Reseal => {
            let plain = vault.open(&place, &record.sealed).await?;
            vault.seal(&place, plain.expose()).await.map(Some)
        }
    }
}

/// Asks a store that is away or busy again, for some seconds.
async fn patiently<T, F>(inner: &Inner, ask: impl Fn() -> F) -> Result<T>
where
    F: Future<Output = Result<T>>,
{
    let mut pause = PATIENCE;
    for _ in 1..TRIES_MAX {
        match ask().await {
            Err(error) if error.is_retryable() => inner.clock.sleep(pause).await,
            answer => return answer,
        }
        pause *= 2;
    }
    ask().await
}
