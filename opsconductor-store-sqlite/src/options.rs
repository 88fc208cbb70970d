//! How a data file is used.

use std::{sync::Arc, time::Duration};

use opsconductor_core::clock::{Clock, SystemClock};

/// Options of [`SqliteStore::open`](crate::SqliteStore::open).
#[derive(Debug, Clone)]
pub struct SqliteOptions {
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) durability: Durability,
    pub(crate) busy_timeout: Duration,
    pub(crate) readers: usize,
    pub(crate) boot: Option<String>,
    pub(crate) migrate: bool,
}

/// What a commit survives.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[non_exhaustive]
pub enum Durability {
    /// A power cut: `synchronous = FULL`.
    #[default]
    PowerLoss,
    /// A crash of the process, but a power cut may take the last commits: `synchronous = NORMAL`.
    ProcessCrash,
}

impl SqliteOptions {
    /// Takes the times of records from `clock`, and from its monotonic time how leases and due times go on.
    #[must_use]
    pub fn with_clock(mut self, clock: Arc<dyn Clock>) -> Self {
        self.clock = clock;
        self
    }

    /// Says of which start of the machine the monotonic time of [the clock](SqliteOptions::with_clock) is. For tests: leases and
    /// due times go by the monotonic time of the real machine otherwise, on which all processes agree.
    #[must_use]
    pub fn with_boot(mut self, boot: impl Into<String>) -> Self {
        self.boot = Some(boot.into());
        self
    }

    /// Whether to make the file and to bring its schema to this program's version; it is unless said otherwise. Without, a file
    /// that is not there or is of an older version is refused and left as it is.
    #[must_use]
    pub fn with_migrate(mut self, migrate: bool) -> Self {
        self.migrate = migrate;
        self
    }

    /// What a commit survives; a power cut unless said otherwise.
    #[must_use]
    pub fn with_durability(mut self, durability: Durability) -> Self {
        self.durability = durability;
        self
    }

    /// How long to wait for another process that writes; 5 s unless said otherwise.
    #[must_use]
    pub fn with_busy_timeout(mut self, timeout: Duration) -> Self {
        self.busy_timeout = timeout;
        self
    }

    /// How many connections read at once; 4 unless said otherwise, at least 1.
    #[must_use]
    pub fn with_readers(mut self, readers: usize) -> Self {
        self.readers = readers.max(1);
        self
    }
}

impl Default for SqliteOptions {
    fn default() -> Self {
        Self {
            clock: Arc::new(SystemClock::new()),
            durability: Durability::default(),
            busy_timeout: Duration::from_secs(5),
            readers: 4,
            boot: None,
            migrate: true,
        }
    }
}
