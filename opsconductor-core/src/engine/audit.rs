//! The audit record, as administrators read, check and keep it.

use std::{sync::Arc, time::Duration};

use super::{Inner, Scoped, noted, sequencer};
use crate::{
    Error, ErrorKind, Result,
    audit::{AuditKey, Chained, Checkpoint, ExportLine, Fault, Head, PublicKey, Report, Verifier},
    auth::policy::{Action, Resource},
    clock::Timestamp,
    id::TenantId,
    store::{AuditFilter, AuditState, Listing, Page, StoredCheckpoint},
    vault::RecordContext,
};

/// How many records are read at a time.
const RECORDS_MAX: usize = 4_000;

/// How many checkpoints are read at a time.
const CHECKPOINTS_MAX: u32 = 500;

/// How often a check begins anew because records were removed meanwhile.
const TRIES_MAX: usize = 3;

/// How often, and after which pause, another's chaining is waited for.
const WAITS_MAX: usize = 100;
const WAIT: Duration = Duration::from_millis(20);

/// What is wrong with a chain that was cut at its beginning.
const NOT_REMOVED: &str =
    "the chain begins after it, and no signed note says that what came before was removed";

/// Calls on the audit record of a tenant.
///
/// ```
/// use opsconductor_core::{Engine, store::{AuditFilter, Page}};
///
/// # async fn example(engine: Engine) -> opsconductor_core::Result<()> {
/// let ops = engine.local();
/// let audit = ops.audit();
/// for chained in audit.list(&AuditFilter::default(), Page::default()).await?.items {
///     println!("{} {} {}", chained.record.at, chained.record.actor, chained.record.action);
/// }
/// // Kept elsewhere, a checkpoint shows later whether anything before it was touched.
/// let kept = audit.checkpoint().await?.note;
/// let report = audit.verify(&[kept.as_str()]).await?;
/// assert!(report.is_ok(), "{:?}", report.findings);
/// # Ok(())
/// # }
/// ```
pub struct AuditTrail<'a> {
    pub(super) at: &'a Scoped,
}

impl AuditTrail<'_> {
    /// Records, newest first.
    ///
    /// # Errors
    ///
    /// `Forbidden`.
    pub async fn list(&self, filter: &AuditFilter, page: Page) -> Result<Listing<Chained>> {
        self.at.authorize(Action::Read, Resource::Audit)?;
        self.settle().await?;
        self.at.inner.store.list_audit(self.tenant(), filter, page).await
    }

    /// Where the chain stands.
    ///
    /// # Errors
    ///
    /// `Forbidden`.
    pub async fn state(&self) -> Result<AuditState> {
        self.at.authorize(Action::Read, Resource::Audit)?;
        self.settle().await
    }

    /// Reads the whole chain and says what is wrong with it: against itself, against the checkpoints that the store keeps, and
    /// against those in `kept`, which are notes that were kept elsewhere. Without one of those a tail that was cut by someone who
    /// changes the store's own marks too is not found.
    ///
    /// # Errors
    ///
    /// `Forbidden`; `InvalidInput` or `Vault` for a note in `kept` that is not of this chain or not signed by its key; `Vault` when that
    /// cannot be opened.
    pub async fn verify(&self, kept: &[&str]) -> Result<Report> {
        self.verify_with(kept, |_, _| {}).await
    }

    /// The same, and says how far it is: the records that were read, and how many there are.
    ///
    /// # Errors
    ///
    /// As [`AuditTrail::verify`].
    pub async fn verify_with(&self, kept: &[&str], mut seen: impl FnMut(u64, u64) + Send) -> Result<Report> {
        self.at.authorize(Action::Read, Resource::Audit)?;
        let mut state = self.settle().await?;
        let public = self.key().await?.public();
        let kept = kept.iter().map(|note| Ok(public.open(note)?.head)).collect::<Result<Vec<Head>>>()?;
        for _ in 1..TRIES_MAX {
            let report = self.check(state, &public, &kept, &mut seen).await?;
            let now = self.at.inner.store.audit_state(self.tenant()).await?;
            if report.is_ok() || now.begins == state.begins {
                return Ok(report);
            }
            // What it was to begin with was removed while it was read.
            state = now;
        }
        self.check(state, &public, &kept, &mut seen).await
    }

    async fn check(
        &self,
        state: AuditState,
        public: &PublicKey,
        kept: &[Head],
        seen: &mut (impl FnMut(u64, u64) + Send),
    ) -> Result<Report> {
        let mut verifier = Verifier::new(self.tenant(), state.begins);
        self.expect_checkpoints(&mut verifier, state.begins, public).await?;
        verifier.expect(state.head);
        kept.iter().for_each(|head| verifier.expect(*head));
        let all = state.head.size.saturating_sub(state.begins.size);
        let mut after = state.begins.size;
        let mut records = self.records(after).await?;
        let mut read = 0;
        while let Some(last) = records.last() {
            (after, read) = (after.max(last.record.seq), read + records.len() as u64);
            // The next are read while these are checked.
            let next = tokio::spawn(records_after(Arc::clone(&self.at.inner), self.tenant(), after));
            let is_last = records.len() < RECORDS_MAX;
            verifier = checked(verifier, records).await?;
            seen(read, all.max(read));
            records = match is_last {
                true => Vec::new(),
                false => next.await.map_err(stopped)??,
            };
        }
        Ok(verifier.finish())
    }

    /// Holds the chain to every checkpoint that the store keeps, and to the one it begins with.
    async fn expect_checkpoints(
        &self,
        verifier: &mut Verifier,
        begins: Head,
        public: &PublicKey,
    ) -> Result<()> {
        let mut stands_for_what_went = begins.size == 0;
        let mut page = Page { skip: 0, limit: CHECKPOINTS_MAX };
        loop {
            let list = self.at.inner.store.list_checkpoints(self.tenant(), page).await?;
            page.skip += list.items.len() as u64;
            let done = list.items.is_empty() || page.skip >= list.total;
            for stored in list.items {
                match public.open(&stored.note) {
                    Ok(checkpoint) if checkpoint.head == stored.head => {
                        verifier.expect(checkpoint.head);
                        stands_for_what_went |= checkpoint.removed && checkpoint.head == begins;
                    }
                    _ => verifier.find(
                        Fault::Checkpoint,
                        stored.head.size,
                        "the checkpoint that the store keeps of it is not signed by the chain's key",
                    ),
                }
            }
            if done {
                break;
            }
        }
        if !stands_for_what_went {
            verifier.find(Fault::Checkpoint, begins.size, NOT_REMOVED);
        }
        Ok(())
    }

    /// The chain as lines of JSON, with a checkpoint at its end: a file that can be checked without the store.
    ///
    /// # Errors
    ///
    /// `Forbidden`; `Conflict` when the chain does not begin with number 1 and no signed note says that what came before was removed;
    /// `Vault` when the key for checkpoints cannot be opened.
    pub async fn export(&self) -> Result<AuditExport> {
        self.at.authorize(Action::Read, Resource::Audit)?;
        let state = self.settle().await?;
        let key = self.key().await?;
        let begins = match state.begins.size {
            0 => None,
            _ => Some(self.removal(state.begins, &key.public()).await?),
        };
        let (at, after) = (self.at.clone(), state.begins.size);
        Ok(AuditExport { at, key, state, after, part: Part::Begins(begins) })
    }

    /// The note for what was removed. It is not signed anew: the store may have been told to begin there by anybody.
    async fn removal(&self, begins: Head, public: &PublicKey) -> Result<String> {
        let mut page = Page { skip: 0, limit: CHECKPOINTS_MAX };
        loop {
            let list = self.at.inner.store.list_checkpoints(self.tenant(), page).await?;
            page.skip += list.items.len() as u64;
            let done = list.items.is_empty() || page.skip >= list.total;
            let stands = |stored: &StoredCheckpoint| {
                let opened = public.open(&stored.note);
                opened.is_ok_and(|checkpoint| checkpoint.removed && checkpoint.head == begins)
            };
            let at_begin = |stored: &StoredCheckpoint| stored.head.size == begins.size;
            if let Some(stored) = list.items.into_iter().find(|one| at_begin(one) && stands(one)) {
                return Ok(stored.note);
            }
            if done {
                let error = Error::new(ErrorKind::Conflict, format!("{NOT_REMOVED}; see `audit verify`"));
                return Err(error.with("record", begins.size));
            }
        }
    }

    /// Signs the chain as it stands, and keeps the checkpoint. Keep a copy elsewhere.
    ///
    /// # Errors
    ///
    /// `Forbidden`; `Conflict` while nothing is recorded; `Vault` when the key cannot be opened or made.
    pub async fn checkpoint(&self) -> Result<StoredCheckpoint> {
        let entry = self.at.permit(noted::AUDIT_CHECKPOINTED, "").await?;
        let head = self.settle().await?.head;
        if head.size == 0 {
            return Err(Error::new(
                ErrorKind::Conflict,
                "nothing is recorded yet, so there is nothing to sign",
            ));
        }
        let note = self.key().await?.sign(head);
        let store = &self.at.inner.store;
        let entry = entry.with("size", head.size);
        self.at.noted(entry, store.add_checkpoint(self.tenant(), head, &note)).await
    }

    /// The key that checkpoints are checked with, made if there is none yet. It prints as C2SP's `signed-note` writes keys.
    ///
    /// # Errors
    ///
    /// `Forbidden`; `Vault`.
    pub async fn public_key(&self) -> Result<PublicKey> {
        self.at.authorize(Action::Read, Resource::Audit)?;
        Ok(self.key().await?.public())
    }

    /// Removes the records from before `time`, from the beginning of the chain on. A signed note stands for them from then on, which
    /// says that they were removed: no other checkpoint may. The chain is checked first: what was tampered with is not signed.
    /// What an earlier call began to remove, and could not end, goes too.
    ///
    /// # Errors
    ///
    /// `Forbidden`; `Conflict` when something is wrong with the chain; `Vault`.
    pub async fn remove_before(&self, time: Timestamp) -> Result<u64> {
        let entry = self.at.permit(noted::AUDIT_REMOVED, "").await?;
        let begins = self.settle().await?.begins;
        let store = &self.at.inner.store;
        let head = store.audit_size_before(self.tenant(), time).await?;
        if head.size <= begins.size {
            return self.remove_rest().await;
        }
        let report = self.verify(&[]).await?;
        if let Some(finding) = report.findings.first() {
            let message =
                "the audit record was tampered with, so nothing of it is removed; see `audit verify`";
            return Err(Error::new(ErrorKind::Conflict, message).with("finding", finding));
        }
        let note = self.key().await?.sign_removal(head);
        let entry = entry.with("size", head.size).with("before", time.to_rfc3339());
        self.at.noted(entry, store.begin_audit_after(self.tenant(), head, &note)).await?;
        self.remove_rest().await
    }

    /// Removes what the chain no longer begins with, batch after batch.
    async fn remove_rest(&self) -> Result<u64> {
        let mut removed = 0;
        loop {
            match self.at.inner.store.remove_audit(self.tenant()).await? {
                0 => return Ok(removed),
                some => removed += some,
            }
        }
    }

    /// Chains what was staged before this call, and says where the chain then stands. What is staged meanwhile is not waited for.
    async fn settle(&self) -> Result<AuditState> {
        let inner = &self.at.inner;
        let mut state = inner.store.audit_state(self.tenant()).await?;
        let wanted = state.head.size.saturating_add(state.staged);
        for _ in 0..WAITS_MAX {
            if state.staged == 0 || state.head.size >= wanted {
                break;
            }
            let chained = sequencer::chain_all(inner).await;
            state = inner.store.audit_state(self.tenant()).await?;
            if state.staged == 0 || state.head.size >= wanted {
                break;
            }
            // That another tenant's chain cannot go on is none of this one's concern.
            chained?;
            // Another process is at it.
            inner.clock.sleep(WAIT).await;
        }
        Ok(state)
    }

    async fn records(&self, after: u64) -> Result<Vec<Chained>> {
        records_after(Arc::clone(&self.at.inner), self.tenant(), after).await
    }

    async fn key(&self) -> Result<AuditKey> {
        key(&self.at.inner, self.tenant()).await
    }

    fn tenant(&self) -> TenantId {
        self.at.scope.tenant
    }
}

/// An export that is being written.
pub struct AuditExport {
    at: Scoped,
    key: AuditKey,
    state: AuditState,
    after: u64,
    part: Part,
}

enum Part {
    /// With the note for what was removed.
    Begins(Option<String>),
    Records,
    Over,
}

impl AuditExport {
    /// How many records it will have.
    pub fn total(&self) -> u64 {
        self.state.head.size.saturating_sub(self.state.begins.size)
    }

    /// The next lines, each with its end, and how many of them are records; nothing when all were given.
    ///
    /// # Errors
    ///
    /// Those of the store; `Conflict` when records were removed meanwhile.
    pub async fn next(&mut self) -> Result<Option<(String, u64)>> {
        match &mut self.part {
            Part::Begins(removal) => {
                let begins = removal.take().map(line_of);
                self.part = Part::Records;
                Ok(Some((begins.unwrap_or_default(), 0)))
            }
            Part::Records => {
                let tenant = self.at.scope.tenant;
                let mut records = records_after(Arc::clone(&self.at.inner), tenant, self.after).await?;
                let is_next = records.first().is_some_and(|first| first.record.seq == self.after + 1);
                if !is_next && self.after < self.state.head.size {
                    self.still_there().await?;
                }
                // What was added since it began is for the next export.
                records.retain(|chained| chained.record.seq <= self.state.head.size);
                let Some(last) = records.last() else {
                    self.part = Part::Over;
                    let end = (self.state.head.size > 0).then(|| line_of(self.key.sign(self.state.head)));
                    return Ok(Some((end.unwrap_or_default(), 0)));
                };
                self.after = last.record.seq;
                let mut lines = String::new();
                for chained in &records {
                    chained.record.write_canonical(&mut lines);
                    lines.push('\n');
                }
                Ok(Some((lines, records.len() as u64)))
            }
            Part::Over => Ok(None),
        }
    }

    /// Where the next record is missing: whether it was removed since this began. What was cut by other hands stays a gap, which
    /// whoever checks the export finds.
    async fn still_there(&self) -> Result<()> {
        let state = self.at.inner.store.audit_state(self.at.scope.tenant).await?;
        match state.begins.size > self.after {
            true => Err(Error::new(
                ErrorKind::Conflict,
                "records were removed while they were exported; begin the export anew",
            )),
            false => Ok(()),
        }
    }
}

fn line_of(note: String) -> String {
    let mut line = ExportLine::Checkpoint(note).to_line();
    line.push('\n');
    line
}

async fn records_after(inner: Arc<Inner>, tenant: TenantId, after: u64) -> Result<Vec<Chained>> {
    inner.store.audit_records(tenant, after, RECORDS_MAX).await
}

/// Off the async threads: it takes a processor for as long as there are records.
async fn checked(mut verifier: Verifier, records: Vec<Chained>) -> Result<Verifier> {
    let done = tokio::task::spawn_blocking(move || {
        records.iter().for_each(|chained| verifier.read(chained));
        verifier
    });
    done.await.map_err(stopped)
}

fn stopped(error: tokio::task::JoinError) -> Error {
    Error::new(ErrorKind::Internal, "the check of the audit record stopped; please report it")
        .with_source(error)
}

/// The key that signs a tenant's checkpoints, made when it is first wanted.
async fn key(inner: &Inner, tenant: TenantId) -> Result<AuditKey> {
    let origin = Checkpoint::origin_of(inner.vault.deployment(), tenant);
    let place = RecordContext::audit_key(tenant);
    let sealed = match inner.store.audit_key(tenant).await? {
        Some(sealed) => sealed,
        None => {
            let made = AuditKey::generate(&origin)?;
            let sealed = inner.vault.seal(&place, made.seed().expose()).await?;
            // Another may have been quicker; then theirs is the key.
            inner.store.keep_audit_key(tenant, &sealed).await?
        }
    };
    let seed = inner.vault.open(&place, &sealed).await?;
    AuditKey::from_seed(&origin, seed.expose())
}
