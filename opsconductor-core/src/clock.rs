//! Time as the engine sees it, so that tests can hold it still.

use std::{fmt, time::Duration};

use async_trait::async_trait;
use tokio::time::Instant;

/// A point in time, UTC.
pub type Timestamp = chrono::DateTime<chrono::Utc>;

/// Where the engine and the embedded stores take the time from.
#[async_trait]
pub trait Clock: Send + Sync + fmt::Debug {
    /// The wall clock. It may jump: records, due times and leases in a store go by it, time-outs do not.
    fn now(&self) -> Timestamp;

    /// Time since some fixed moment. It never goes back; time-outs are measured by it.
    fn monotonic(&self) -> Duration;

    /// Returns after `duration` of [`Clock::monotonic`] time.
    async fn sleep(&self, duration: Duration);
}

/// The machine's clock.
#[derive(Debug)]
pub struct SystemClock {
    started: Instant,
}

impl SystemClock {
    /// The machine's clock.
    pub fn new() -> Self {
        Self { started: Instant::now() }
    }
}

impl Default for SystemClock {
    fn default() -> Self {
        Self::new()
    }
}

#[async_trait]
impl Clock for SystemClock {
    fn now(&self) -> Timestamp {
        chrono::Utc::now()
    }

    fn monotonic(&self) -> Duration {
        self.started.elapsed()
    }

    async fn sleep(&self, duration: Duration) {
        tokio::time::sleep(duration).await;
    }
}
