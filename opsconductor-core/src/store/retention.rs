//! Retention: old runs go.

use std::time::Duration;

use async_trait::async_trait;

use crate::Result;

/// Which runs are kept; the default keeps all. What is beyond one of the bounds goes.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Keep {
    /// Those that ended no longer ago.
    pub age: Option<Duration>,
    /// So many of each job that are over, the newest.
    pub runs_per_job: Option<u32>,
}

impl Keep {
    /// Whether every run is kept.
    pub fn is_all(&self) -> bool {
        self.age.is_none() && self.runs_per_job.is_none()
    }
}

/// How many tasks go in one transaction, unless a single run has more.
pub const TASKS_AT_ONCE: u64 = 10_000;

/// The end of old runs.
#[async_trait]
pub trait Retention: Send + Sync {
    /// Removes at most `limit` runs that are over and that `keep` does not keep, over all tenants, those first that ended
    /// first, in one transaction; fewer where they have more than [`TASKS_AT_ONCE`] tasks together, but at least one. With
    /// a run go its tasks, attempts, output, events, plan, sealed parameters, idempotency key and dead letters; a run that repeats it loses its
    /// parent, and nothing else: what it reads of that one stands in [its plan](crate::run::RunPlan::earlier). Answers how many went: 0 when none is left to go.
    ///
    /// A run that is alive is never removed, however old. Several callers at once do no harm.
    ///
    /// # Errors
    ///
    /// Only those of the store itself.
    async fn remove_runs(&self, keep: &Keep, limit: usize) -> Result<u64>;
}
