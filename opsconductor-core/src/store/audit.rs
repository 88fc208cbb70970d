//! The record of what was done, as it is kept: entries staged with the changes they tell of, chained soon after.

use async_trait::async_trait;

use super::{Listing, Page};
use crate::{
    Error, ErrorKind, Result,
    audit::{Chained, Head, staging::Staged},
    clock::Timestamp,
    id::{TenantId, UserId},
};

/// How many entries are chained in one transaction.
pub const SEQUENCE_BATCH: usize = 500;

/// How many records of a prefix that is not kept go in one transaction.
pub const REMOVE_BATCH: usize = 10_000;

/// Which records are wanted; the default wants all.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct AuditFilter {
    /// What this account did.
    pub actor: Option<UserId>,
    /// What was done under this name.
    pub actor_name: Option<String>,
    /// This was done.
    pub action: Option<String>,
    /// It was done to a thing of this type.
    pub resource_type: Option<String>,
    /// It was done to the thing with this id.
    pub resource_id: Option<i64>,
    /// It happened then or later.
    pub since: Option<Timestamp>,
    /// It happened before.
    pub until: Option<Timestamp>,
}

/// Where a tenant's chain stands.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct AuditState {
    /// What it begins after: [`Head::START`], or the end of what was removed, for which a signed note stands.
    pub begins: Head,
    /// Its end, as the store keeps it.
    pub head: Head,
    /// How many entries wait to be chained.
    pub staged: u64,
}

/// A signed checkpoint, as it is kept.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StoredCheckpoint {
    /// What it says.
    pub head: Head,
    /// The signed note.
    pub note: String,
    /// When it was stored.
    pub at: Timestamp,
}

/// What a store answers for a checkpoint that is not of the chain that it keeps.
pub fn not_of_the_chain(size: u64) -> Error {
    let message = "the checkpoint is not of this chain: its record is not there, or another";
    Error::new(ErrorKind::Conflict, message).with("size", size)
}

/// The audit record of each tenant.
///
/// **Staging.** An entry that is [handed over](crate::audit::staging) with a call is written in the transaction of the call: it is
/// there when the change was committed, and never when it was not. These methods take one: `insert_`, `update_` and
/// `delete_credential`, `_target` and `_job`; `enqueue`, `redrive`, `repeat`, `discard_dead_letter`; `cancel_run`, `decide`;
/// `set_limit`, `pause`, `resume`; `add_checkpoint`, `begin_audit_after`; `set_expiry`; `insert_`, `change_` and `delete_user`; `insert_` and
/// `delete_api_token`. A call that changed nothing (the repeat of a request, the cancel of a run that is over) may drop it. Where
/// the entry says no id, that of the thing that was made is put in.
///
/// **Chaining.** [`AuditLog::sequence_audit`] numbers staged entries and chains them, in batches. One at a time does so for a tenant,
/// be it in another process. A [strict](Staged::strict) entry is chained in the transaction of the change itself.
///
/// **Locks.** The end of a chain is the last lock that any transaction takes, right before its commit, and whoever holds it takes no
/// other but the ends of other chains, by tenant. So who waits for the end of a chain waits for commits alone, nothing that
/// holds it waits for rows of the queue, and no two can wait for each other.
///
/// **Keeping.** Chained records are never changed, and removed by [`AuditLog::remove_audit`] alone, where
/// [`AuditLog::begin_audit_after`] let the chain begin later.
#[async_trait]
pub trait AuditLog: Send + Sync {
    /// Writes entries that tell of no change, such as one that was refused, durably and together.
    ///
    /// # Errors
    ///
    /// `NotFound` for a tenant that is not there.
    async fn append_audit(&self, entries: Vec<Staged>) -> Result<()>;

    /// Chains at most `limit` staged entries, of each tenant those first that were staged first. Answers how many: 0 when none waits,
    /// or when someone else is chaining. What has no place in the chain of the tenant under which it waits
    /// ([`staging::read`](crate::audit::staging::read)) is set aside, and [a record](crate::audit::staging::set_aside) stands in its place.
    ///
    /// # Errors
    ///
    /// Those of the store itself; also where the chain of one tenant cannot go on. The others' went on then, with at most `limit` of each.
    async fn sequence_audit(&self, limit: usize) -> Result<u64>;

    /// Where the tenant's chain stands.
    ///
    /// # Errors
    ///
    /// Only those of the store itself.
    async fn audit_state(&self, tenant: TenantId) -> Result<AuditState>;

    /// Chained records with numbers after `after`, in their order, at most `limit`; what was removed is left out. Fewer only at the end.
    ///
    /// # Errors
    ///
    /// Only those of the store itself.
    async fn audit_records(&self, tenant: TenantId, after: u64, limit: usize) -> Result<Vec<Chained>>;

    /// Chained records that the filter wants, newest first.
    ///
    /// # Errors
    ///
    /// Only those of the store itself.
    async fn list_audit(
        &self,
        tenant: TenantId,
        filter: &AuditFilter,
        page: Page,
    ) -> Result<Listing<Chained>>;

    /// How many records from the beginning of the chain on happened before `time`, without a later one among them: the size of the
    /// prefix that may go.
    ///
    /// # Errors
    ///
    /// Only those of the store itself.
    async fn audit_size_before(&self, tenant: TenantId, time: Timestamp) -> Result<Head>;

    /// Keeps the signed note for `head`. Where there is one of this size, that stays.
    ///
    /// # Errors
    ///
    /// `Conflict` when the chain does not have that record with that hash.
    async fn add_checkpoint(&self, tenant: TenantId, head: Head, note: &str) -> Result<StoredCheckpoint>;

    /// The checkpoints that are kept, the longest first.
    ///
    /// # Errors
    ///
    /// Only those of the store itself.
    async fn list_checkpoints(&self, tenant: TenantId, page: Page) -> Result<Listing<StoredCheckpoint>>;

    /// Lets the chain begin after `head`, and keeps the signed note that stands for what comes before, in place of a checkpoint of
    /// the same size. From then on nobody sees those records. Where the chain begins there or later already, nothing changes.
    ///
    /// # Errors
    ///
    /// `Conflict` when the chain does not have that record with that hash.
    async fn begin_audit_after(&self, tenant: TenantId, head: Head, note: &str) -> Result<()>;

    /// Removes records from before the beginning of the chain, at most [`REMOVE_BATCH`] in a call. Answers how many went: it is
    /// called until that is 0.
    ///
    /// # Errors
    ///
    /// Only those of the store itself.
    async fn remove_audit(&self, tenant: TenantId) -> Result<u64>;

    /// The sealed seed of the key that signs the tenant's checkpoints.
    ///
    /// # Errors
    ///
    /// Only those of the store itself.
    async fn audit_key(&self, tenant: TenantId) -> Result<Option<Vec<u8>>>;

    /// Keeps a sealed seed, unless there is one, and answers with the one that is kept.
    ///
    /// # Errors
    ///
    /// `NotFound` for a tenant that is not there.
    async fn keep_audit_key(&self, tenant: TenantId, sealed: &[u8]) -> Result<Vec<u8>>;
}
