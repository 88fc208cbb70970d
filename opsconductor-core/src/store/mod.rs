//! The storage seam: what the engine asks of a database, and what each answer promises.
//!
//! A [`Store`] is several traits together: the [`Catalog`] (what people write down), the [`Queue`] (what moves) with its
//! [`Limits`] (what may not), the [`DeadLetters`] (what went wrong), the [`History`] (what is shown) with its [`Feed`] (what is shown as it happens) and its end
//! ([`Retention`]), the [`Roster`] (who works), the [`Accounts`] (who may log in), the [`Sessions`] (who has), the
//! [`ApiTokens`] (which programs may call), the [`Custody`] (what is sealed), the [`Versions`] of credentials,
//! the [`Notifications`] (who is told) and the [`AuditLog`] (who did what). Each
//! method states what is atomic, what is idempotent and which error kind means what;
//! `testing::store_suite!` executes those sentences on every implementation. The in-memory store is the reference.
//!
//! What holds for all of them:
//!
//! * A method either happens whole and durably, or not at all and returns an error.
//! * Rows of another tenant do not exist: reading one is `NotFound`.
//! * `StoreUnavailable` (away, locked, busy) is the one retryable kind; `Store` is for good.
//! * Times in rows come from the store's own clock, never from the caller, and have microseconds.

pub mod accounts;
pub mod api_tokens;
pub mod audit;
pub mod catalog;
pub mod custody;
pub mod dead_letters;
pub mod feed;
pub mod gate;
pub mod history;
pub mod limits;
pub mod memory;
pub mod notifications;
pub mod plan_cache;
pub mod queue;
pub mod retention;
pub mod sessions;
pub mod versions;
pub mod workers;

use std::fmt;

use tokio::sync::broadcast;

pub use accounts::{
    Accounts, LOGIN_ATTEMPTS_FREE, LOGIN_ATTEMPTS_KEPT, LOGIN_WAIT_MAX, Login, LoginKey, NewUser, UserChange,
    UserRecord, last_admin, login_wait,
};
pub use api_tokens::{API_TOKENS_MAX, ApiTokenRecord, ApiTokens, LAST_USE_STANDS, NewApiToken};
pub use audit::{AuditFilter, AuditLog, AuditState, StoredCheckpoint};
pub use catalog::{
    Catalog, CredentialRecord, JobRecord, JobVersion, NewCredential, NewJob, changed_meanwhile, named_by,
};
pub use custody::{Custody, KeyUse, SealedAt, SealedChange, SealedRecord};
pub use dead_letters::{DeadLetter, DeadLetters, NewLetter, Repeats};
pub use feed::{Feed, FeedEvent, NUMBER_BATCH, StepCounts};
pub use gate::{Gate, Passage};
pub use history::{
    AttemptRecord, History, OutputChunk, OutputQuery, Question, RunFilter, RunRecord, TaskRecord,
};
pub use limits::{Limit, LimitRecord, LimitScope, Limits, Pause, Rate};
pub use memory::MemoryStore;
pub use notifications::{
    ClaimedNotification, NewSecret, NotificationCounts, NotificationFilter, NotificationSecret,
    NotificationSettings, Notifications, PasswordChange, SecretPurpose, SettingsChange,
};
pub use plan_cache::PlanCache;
pub use queue::{
    Claimed, Completion, Decision, Enqueued, Expired, Idempotency, Lease, LeaseState, NewRun, OutputPiece,
    Queue, Requeue, SealedParameter, Settled, Suspended, WaitsFor, overdue_reason,
};
pub use retention::{Keep, Retention};
pub use sessions::{
    FAMILIES_MAX, KeyPurpose, NewFamily, NewSigningKey, Sessions, SigningKeyRecord, Turn, Turned,
};
pub use versions::{FormerVersion, Versions};
pub use workers::{Heartbeat, Roster, SILENT_WORKER_KEPT, WorkerRecord, WorkerState};

use crate::id::RunId;

/// Everything the engine stores.
pub trait Store:
    Catalog
    + Queue
    + Limits
    + DeadLetters
    + History
    + Feed
    + Retention
    + Roster
    + Accounts
    + Sessions
    + ApiTokens
    + AuditLog
    + Custody
    + Versions
    + Notifications
    + fmt::Debug
{
    /// A short name for messages, such as `sqlite`.
    fn name(&self) -> &'static str;

    /// Notices of what was committed, if the store can give them. They are speed, never correctness: one may be lost,
    /// and everything is found by polling too.
    fn notices(&self) -> Option<broadcast::Receiver<Notice>>;
}

/// Something was committed that someone may be waiting for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Notice {
    /// A task became ready.
    Ready,
    /// A run has new events.
    Run(RunId),
    /// A run is to be canceled: workers that hold its tasks stop them.
    Cancel(RunId),
}

/// A part of a list.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Page {
    /// How many to leave out.
    pub skip: u64,
    /// How many to give, at most.
    pub limit: u32,
}

impl Default for Page {
    fn default() -> Self {
        Self { skip: 0, limit: 100 }
    }
}

/// A part of a list, with the length of the whole.
#[derive(Debug, Clone, PartialEq)]
pub struct Listing<T> {
    /// The part that was asked for.
    pub items: Vec<T>,
    /// How many there are in all.
    pub total: u64,
}

/// Longest text of one stored output chunk or event, in bytes.
pub const CHUNK_BYTES_MAX: usize = 64 * 1024;

/// How much of each stream the step row keeps, from its end; the whole is in the chunks.
pub const TAIL_BYTES_MAX: usize = 64 * 1024;

/// The last [`TAIL_BYTES_MAX`] bytes of `text`, or a little less so that no character is cut.
pub fn tail(text: &str) -> &str {
    let mut from = text.len().saturating_sub(TAIL_BYTES_MAX);
    while !text.is_char_boundary(from) {
        from += 1;
    }
    &text[from..]
}
