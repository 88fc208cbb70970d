//! How a worker works.

use std::time::Duration;

use tokio::sync::Semaphore;

use crate::{Error, ErrorKind, Result};

/// How a worker works. Checked when it starts.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WorkerSettings {
    /// How many tasks at once.
    pub concurrency: usize,
    /// How long a claimed task stays this worker's without a sign of life.
    pub lease_ttl: Duration,
    /// How often it gives one.
    pub heartbeat: Duration,
    /// How often it looks for work without being told of any.
    pub poll: Duration,
    /// How often it looks for tasks that others let go.
    pub rescue: Duration,
    /// How often it removes runs that [`EngineBuilder::keep`](super::EngineBuilder::keep) does not keep.
    pub cleanup: Duration,
    /// How long a shutdown waits for running tasks before it stops them.
    pub drain: Duration,
}

impl Default for WorkerSettings {
    fn default() -> Self {
        Self {
            concurrency: 16,
            lease_ttl: Duration::from_secs(15),
            heartbeat: Duration::from_secs(5),
            poll: Duration::from_millis(500),
            rescue: Duration::from_secs(2),
            cleanup: Duration::from_secs(600),
            drain: Duration::from_secs(30),
        }
    }
}

impl WorkerSettings {
    /// These settings with `concurrency` tasks at once.
    #[must_use]
    pub fn with_concurrency(mut self, concurrency: usize) -> Self {
        self.concurrency = concurrency;
        self
    }

    /// These settings with another time for running tasks to end at shutdown.
    #[must_use]
    pub fn with_drain(mut self, drain: Duration) -> Self {
        self.drain = drain;
        self
    }

    pub(super) fn check(&self) -> Result<()> {
        let fault = if self.concurrency == 0 || self.concurrency > Semaphore::MAX_PERMITS {
            "a worker's concurrency is at least 1"
        } else if [self.heartbeat, self.poll, self.rescue, self.cleanup].contains(&Duration::ZERO) {
            "a worker's heartbeat, poll, rescue and cleanup intervals are longer than zero"
        } else if self.lease_ttl < self.heartbeat * 3 {
            "a worker's lease lasts at least three heartbeats, so that one missed beat does not lose it"
        } else {
            return Ok(());
        };
        Err(Error::new(ErrorKind::InvalidInput, fault))
    }
}
