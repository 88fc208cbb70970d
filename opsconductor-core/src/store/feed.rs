//! What happens in a tenant, over all its runs, in one order; and how its steps stand.

use std::time::Duration;

use async_trait::async_trait;

use crate::{Result, id::TenantId, run::event::Event};

/// How many notes are numbered in one transaction.
pub const NUMBER_BATCH: usize = 500;

/// An event with its number in the tenant.
#[derive(Debug, Clone, PartialEq)]
pub struct FeedEvent {
    /// Its number among all events of the tenant.
    pub seq: u64,
    /// What happened, with its number in its run.
    pub event: Event,
}

/// How the steps of a tenant stand.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct StepCounts {
    /// Those that a worker may take, now or when a limit lets it.
    pub queued: u64,
    /// Those that a worker holds.
    pub running: u64,
    /// Those that succeeded of late.
    pub succeeded: u64,
    /// Those that failed of late, or were lost.
    pub failed: u64,
}

/// The events of all runs of a tenant in one row.
///
/// **Numbers.** Each event gets one, from 1, after it was committed, so that an event with a lower number never appears behind one
/// that was read. Two events of one run keep their order. A store that writes one transaction after the other numbers in them;
/// others leave a note with each event, and [`Feed::number_events`] goes through the notes. A number is never given
/// again. Events that were there before the store kept such numbers have none.
///
/// **Keeping.** An event lives as long as its run. Where one is gone its number is left out.
#[async_trait]
pub trait Feed: Send + Sync {
    /// Numbers what happened, going through at most `limit` notes of all tenants. Answers how many: 0 when none waits, or when
    /// someone else is at it.
    ///
    /// # Errors
    ///
    /// Only those of the store itself.
    async fn number_events(&self, limit: usize) -> Result<u64>;

    /// At most `limit` numbered events of the tenant that come after number `after`, in order. It may be fewer though there are
    /// more; it is none when there are no more.
    ///
    /// # Errors
    ///
    /// Only those of the store itself.
    async fn tenant_events(&self, tenant: TenantId, after: u64, limit: usize) -> Result<Vec<FeedEvent>>;

    /// The number that was given last in the tenant; 0 for none.
    ///
    /// # Errors
    ///
    /// Only those of the store itself.
    async fn last_tenant_event(&self, tenant: TenantId) -> Result<u64>;

    /// How the steps of the tenant stand; those that ended count where that was within `since` from now.
    ///
    /// # Errors
    ///
    /// Only those of the store itself.
    async fn step_counts(&self, tenant: TenantId, since: Duration) -> Result<StepCounts>;
}
