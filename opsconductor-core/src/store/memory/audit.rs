//! The audit record in memory.

use std::collections::{BTreeMap, VecDeque};

use async_trait::async_trait;

use super::{MemoryStore, State, history::listing};
use crate::{
    Result,
    audit::{
        Chained, Entry, Head,
        staging::{self, Staged},
    },
    clock::Timestamp,
    id::TenantId,
    store::{
        AuditFilter, AuditLog, AuditState, Listing, Page, StoredCheckpoint,
        audit::{REMOVE_BATCH, not_of_the_chain},
    },
};

/// The record of all tenants.
#[derive(Default)]
pub(super) struct Audit {
    staged: VecDeque<(Timestamp, Entry)>,
    chains: BTreeMap<TenantId, Chain>,
    pub(super) keys: BTreeMap<TenantId, Vec<u8>>,
}

#[derive(Default)]
struct Chain {
    begins: Head,
    head: Head,
    records: BTreeMap<u64, Chained>,
    checkpoints: BTreeMap<u64, StoredCheckpoint>,
}

impl Chain {
    fn append(&mut self, at: Timestamp, entry: Entry) {
        let chained = self.head.link(at, entry);
        self.records.insert(chained.record.seq, chained);
    }

    /// The end of the chain when it had this size.
    fn head_at(&self, size: u64) -> Option<Head> {
        if size == self.begins.size {
            return Some(self.begins);
        }
        self.records.get(&size).map(|chained| Head { size, hash: chained.hash })
    }

    fn kept(&self) -> impl DoubleEndedIterator<Item = &Chained> + Clone {
        self.records.range(self.begins.size + 1..).map(|(_, chained)| chained)
    }
}

impl MemoryStore {
    /// Runs `work` as [`with`](MemoryStore::with) does, and writes the entry that came with the call if it changed something.
    pub(super) fn noted<T>(&self, work: impl FnOnce(&mut State) -> Result<T>) -> Result<T> {
        let staged = staging::take();
        self.with(|state| {
            state.note = staged;
            let answer = work(state);
            let note = state.note.take();
            if answer.is_ok() {
                note.into_iter().for_each(|staged| state.stage(staged));
            }
            answer
        })
    }
}

impl State {
    /// Says which thing the call made.
    pub(super) fn concerns(&mut self, id: i64) {
        if let Some(staged) = &mut self.note {
            staged.entry.concerns(id);
        }
    }

    fn stage(&mut self, Staged { entry, strict }: Staged) {
        let at = self.now;
        match strict {
            true => self.audit.chains.entry(entry.tenant()).or_default().append(at, entry),
            false => self.audit.staged.push_back((at, entry)),
        }
    }
}

#[async_trait]
impl AuditLog for MemoryStore {
    async fn append_audit(&self, entries: Vec<Staged>) -> Result<()> {
        self.with(|state| {
            entries.iter().try_for_each(|staged| state.tenant_exists(staged.entry.tenant()))?;
            entries.into_iter().for_each(|staged| state.stage(staged));
            Ok(())
        })
    }

    async fn sequence_audit(&self, limit: usize) -> Result<u64> {
        Ok(self.with(|state| {
            let audit = &mut state.audit;
            let batch = limit.min(audit.staged.len());
            for (at, entry) in audit.staged.drain(..batch) {
                audit.chains.entry(entry.tenant()).or_default().append(at, entry);
            }
            batch as u64
        }))
    }

    async fn audit_state(&self, tenant: TenantId) -> Result<AuditState> {
        Ok(self.with(|state| {
            let staged = state.audit.staged.iter().filter(|(_, entry)| entry.tenant() == tenant).count();
            let chain = state.audit.chains.get(&tenant);
            AuditState {
                begins: chain.map_or(Head::START, |chain| chain.begins),
                head: chain.map_or(Head::START, |chain| chain.head),
                staged: staged as u64,
            }
        }))
    }

    async fn audit_records(&self, tenant: TenantId, after: u64, limit: usize) -> Result<Vec<Chained>> {
        Ok(self.with(|state| {
            let chain = state.audit.chains.get(&tenant);
            let later = chain.into_iter().flat_map(Chain::kept).filter(|chained| chained.record.seq > after);
            later.take(limit).cloned().collect()
        }))
    }

    async fn list_audit(
        &self,
        tenant: TenantId,
        filter: &AuditFilter,
        page: Page,
    ) -> Result<Listing<Chained>> {
        Ok(self.with(|state| {
            let chain = state.audit.chains.get(&tenant);
            let kept = chain.into_iter().flat_map(|chain| chain.kept().rev());
            listing(kept.filter(|chained| wants(filter, chained)), page)
        }))
    }

    async fn audit_size_before(&self, tenant: TenantId, time: Timestamp) -> Result<Head> {
        Ok(self.with(|state| {
            let Some(chain) = state.audit.chains.get(&tenant) else { return Head::START };
            let earlier = chain.kept().take_while(|chained| chained.record.at < time).last();
            earlier.map_or(chain.begins, |last| Head { size: last.record.seq, hash: last.hash })
        }))
    }

    async fn add_checkpoint(&self, tenant: TenantId, head: Head, note: &str) -> Result<StoredCheckpoint> {
        self.noted(|state| {
            let at = state.now;
            let chain = state.audit.chains.entry(tenant).or_default();
            if head.size == 0 || chain.head_at(head.size) != Some(head) {
                return Err(not_of_the_chain(head.size));
            }
            let new = StoredCheckpoint { head, note: note.to_owned(), at };
            Ok(chain.checkpoints.entry(head.size).or_insert(new).clone())
        })
    }

    async fn list_checkpoints(&self, tenant: TenantId, page: Page) -> Result<Listing<StoredCheckpoint>> {
        Ok(self.with(|state| {
            let chain = state.audit.chains.get(&tenant);
            listing(chain.into_iter().flat_map(|chain| chain.checkpoints.values().rev()), page)
        }))
    }

    async fn begin_audit_after(&self, tenant: TenantId, head: Head, note: &str) -> Result<()> {
        self.noted(|state| {
            let at = state.now;
            let chain = state.audit.chains.entry(tenant).or_default();
            if head.size <= chain.begins.size {
                state.note = None;
                return Ok(());
            }
            if chain.head_at(head.size) != Some(head) {
                return Err(not_of_the_chain(head.size));
            }
            chain.begins = head;
            chain.checkpoints.insert(head.size, StoredCheckpoint { head, note: note.to_owned(), at });
            Ok(())
        })
    }

    async fn remove_audit(&self, tenant: TenantId) -> Result<u64> {
        Ok(self.with(|state| {
            let Some(chain) = state.audit.chains.get_mut(&tenant) else { return 0 };
            let begins = chain.begins.size;
            let gone: Vec<u64> =
                chain.records.range(..=begins).map(|(seq, _)| *seq).take(REMOVE_BATCH).collect();
            gone.iter().for_each(|seq| drop(chain.records.remove(seq)));
            gone.len() as u64
        }))
    }

    async fn audit_key(&self, tenant: TenantId) -> Result<Option<Vec<u8>>> {
        Ok(self.with(|state| state.audit.keys.get(&tenant).cloned()))
    }

    async fn keep_audit_key(&self, tenant: TenantId, sealed: &[u8]) -> Result<Vec<u8>> {
        self.with(|state| {
            state.tenant_exists(tenant)?;
            Ok(state.audit.keys.entry(tenant).or_insert_with(|| sealed.to_vec()).clone())
        })
    }
}

fn wants(filter: &AuditFilter, chained: &Chained) -> bool {
    let record = &chained.record;
    let is = |wanted: &Option<String>, found: &str| wanted.as_deref().is_none_or(|wanted| wanted == found);
    filter.actor.is_none_or(|actor| record.actor_id == Some(actor))
        && is(&filter.actor_name, &record.actor)
        && is(&filter.action, &record.action)
        && is(&filter.resource_type, &record.resource_type)
        && filter.resource_id.is_none_or(|id| record.resource_id == Some(id))
        && filter.since.is_none_or(|since| record.at >= since)
        && filter.until.is_none_or(|until| record.at < until)
}
