//! Sealed records wherever they rest, over all tenants: what it takes to move them from one key to another.

use std::fmt;

use async_trait::async_trait;

use crate::{
    Result,
    id::TenantId,
    vault::{RecordContext, envelope},
};

/// Where a sealed record rests, in the order in which its store goes through them. It means nothing to anyone else.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct SealedAt {
    /// The place in the store's own list of places.
    pub place: u16,
    /// The row.
    pub number: i64,
    /// What tells rows of one number apart; empty where the number does.
    pub text: String,
}

/// A sealed record, where it rests and what it is bound to.
#[derive(Clone, PartialEq, Eq)]
pub struct SealedRecord {
    /// Where it rests.
    pub at: SealedAt,
    /// The tenant that owns the row.
    pub tenant: TenantId,
    /// What the row is, as in [`RecordContext::kind`].
    pub kind: &'static str,
    /// The id that it is bound to.
    pub id: String,
    /// The field within the row.
    pub field: String,
    /// The type of what is sealed.
    pub record_type: String,
    /// The version that it is bound to.
    pub version: i32,
    /// The record.
    pub sealed: Vec<u8>,
}

impl SealedRecord {
    /// The place that it opens in.
    pub fn context(&self) -> RecordContext<'_> {
        RecordContext {
            tenant: self.tenant,
            kind: self.kind,
            id: self.id.clone(),
            field: &self.field,
            record_type: &self.record_type,
            version: self.version,
        }
    }
}

impl fmt::Debug for SealedRecord {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // What is sealed tells nothing, at some length.
        f.debug_struct("SealedRecord")
            .field("at", &self.at)
            .field("context", &self.context())
            .field("key", &envelope::named_key(&self.sealed))
            .finish_non_exhaustive()
    }
}

/// Another envelope for a record that is there.
#[derive(Clone, PartialEq, Eq)]
pub struct SealedChange {
    /// Where the record rests.
    pub at: SealedAt,
    /// What rests there now.
    pub old: Vec<u8>,
    /// What is to rest there.
    pub new: Vec<u8>,
}

/// How many records of a kind name a key.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct KeyUse {
    /// What the rows are.
    pub kind: &'static str,
    /// The key; none for what is no sealed record.
    pub key: Option<String>,
    /// How many.
    pub records: u64,
}

/// The sealed records of a store, all of them: those of every tenant, of every kind. Nothing in here opens one.
///
/// A store has one list of the places where sealed records rest, and goes through it for each of these calls: what is
/// missing there would stay behind under a key that is then dropped.
#[async_trait]
pub trait Custody: Send + Sync {
    /// At most `limit` records, in the store's order, those that come after `after`; none when there are no more. A record
    /// that is there from the first call to the last is given once, whatever comes and goes beside it.
    ///
    /// # Errors
    ///
    /// Only those of the store itself.
    async fn sealed_records(&self, after: Option<&SealedAt>, limit: usize) -> Result<Vec<SealedRecord>>;

    /// Replaces the records that are still as they were, in one transaction, and says of each whether it did, in the order
    /// given. Nothing else of the row changes: neither its version nor when it was last changed. What was replaced, rotated
    /// or removed meanwhile stays as it is.
    ///
    /// # Errors
    ///
    /// Only those of the store itself; nothing was replaced then.
    async fn replace_sealed(&self, changes: Vec<SealedChange>) -> Result<Vec<bool>>;

    /// How many records name which key, by what their heads [say](envelope::named_key), ordered by kind and key.
    ///
    /// # Errors
    ///
    /// Only those of the store itself.
    async fn sealed_by_key(&self) -> Result<Vec<KeyUse>>;
}
