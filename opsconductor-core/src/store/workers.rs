//! Who works: the workers of the deployment, as their heartbeats tell.

use std::time::Duration;

use async_trait::async_trait;
use serde::Serialize;

use super::{Listing, Page};
use crate::{Result, clock::Timestamp, id::WorkerId};

/// How long the row of a worker that went silent is kept, so that it can be seen to be gone.
pub const SILENT_WORKER_KEPT: Duration = Duration::from_secs(24 * 60 * 60);

/// A sign of life of a worker.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Heartbeat {
    /// The worker.
    pub worker: WorkerId,
    /// The machine it runs on.
    pub host: String,
    /// The process on that machine.
    pub process: u32,
    /// The version of the program.
    pub version: String,
    /// How many tasks it runs at once.
    pub concurrency: u32,
    /// How many it runs now.
    pub running: u32,
    /// Whether it takes no more tasks because it is to end.
    pub draining: bool,
    /// After how much silence it counts as gone.
    pub gone_after: Duration,
}

/// A worker as it is seen.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct WorkerRecord {
    /// The worker.
    pub id: WorkerId,
    /// The machine it runs on.
    pub host: String,
    /// The process on that machine.
    pub process: u32,
    /// The version of the program.
    pub version: String,
    /// How many tasks it runs at once.
    pub concurrency: u32,
    /// How many it ran at its last heartbeat.
    pub running: u32,
    /// How it stands.
    pub state: WorkerState,
    /// Its first heartbeat, by the store's clock.
    pub started_at: Timestamp,
    /// Its last heartbeat, by the store's clock.
    pub seen_at: Timestamp,
}

/// How a worker stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize)]
#[serde(rename_all = "lowercase")]
#[non_exhaustive]
pub enum WorkerState {
    /// It takes tasks.
    Active,
    /// It ends what it has begun and takes no more.
    Draining,
    /// It has been silent for too long; what it held was or will be rescued.
    Gone,
}

impl WorkerState {
    /// How a worker stands that said so much and has been silent for so long.
    pub fn of(draining: bool, silent: Duration, gone_after: Duration) -> Self {
        match draining {
            _ if silent > gone_after => Self::Gone,
            true => Self::Draining,
            false => Self::Active,
        }
    }

    /// The name as it is shown.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Active => "active",
            Self::Draining => "draining",
            Self::Gone => "gone",
        }
    }
}

/// The list of workers. It belongs to the deployment, not to a tenant, and nothing is decided by it: leases alone say who
/// holds what.
#[async_trait]
pub trait Roster: Send + Sync {
    /// Writes the worker down, or what has changed since its last heartbeat; the time of the first one stays. Rows of
    /// workers that have been silent for longer than [`SILENT_WORKER_KEPT`] go, in the same transaction. A row that went, for
    /// whatever reason, is there again with the next heartbeat.
    ///
    /// # Errors
    ///
    /// Only those of the store itself.
    async fn beat(&self, heartbeat: &Heartbeat) -> Result<()>;

    /// Takes the worker off the list. Repeating it changes nothing.
    ///
    /// # Errors
    ///
    /// Only those of the store itself.
    async fn sign_off(&self, worker: WorkerId) -> Result<()>;

    /// Workers, the newest first; how each stands is told by the store's clock.
    ///
    /// # Errors
    ///
    /// Only those of the store itself.
    async fn list_workers(&self, page: Page) -> Result<Listing<WorkerRecord>>;
}
