//! The OpsConductor store in a SQLite file.
//!
//! ```no_run
//! use opsconductor_store_sqlite::{SqliteOptions, SqliteStore};
//!
//! # fn main() -> opsconductor_core::Result<()> {
//! let store = SqliteStore::open("opsconductor.db", SqliteOptions::default())?;
//! # Ok(())
//! # }
//! ```
//!
//! * One thread writes. Requests that wait while a commit is under way go into the next one together, each in a savepoint
//!   of its own; nobody is answered before the commit is on disk (`synchronous = FULL` unless said otherwise).
//! * A few connections read, each call in one snapshot; they never wait for the writer.
//! * Several processes may use one file at a time. Notices reach the own process alone; the others poll.
//! * Leases and due times go by the monotonic clock of the machine, on Linux, so that setting the wall clock disturbs neither.
//! * [`SqliteStore::enqueue_in`] enqueues in a transaction of the host's, so that its rows and the run come or go together.
//! * SQLite is bundled, and syncs with `fsync`. Where `fdatasync` does, as on Linux, build with
//!   `LIBSQLITE3_FLAGS=-DHAVE_FDATASYNC=1` in the environment: commits take a third less.
//! * A file that is not ours, is locked or is of a newer schema is refused with a sentence and left as it is.
#![forbid(unsafe_code)]
// A library speaks through results and `tracing`, never on its host's terminal.
#![warn(clippy::print_stdout, clippy::print_stderr)]

mod accounts;
mod api_tokens;
mod audit;
mod catalog;
mod columns;
mod custody;
mod dead_letters;
mod error;
mod events;
mod feed;
mod history;
mod limits;
mod notifications;
mod open;
mod options;
mod plans;
mod queue;
mod readers;
mod retention;
mod schema;
mod sessions;
mod steady;
mod tables;
mod workers;
mod writer;

use std::{
    fmt,
    path::{Path, PathBuf},
    sync::{Arc, Mutex, PoisonError},
};

use opsconductor_core::{
    Error, ErrorKind, Result,
    clock::Clock,
    store::{Notice, PlanCache, Store},
};
use tokio::sync::broadcast;

pub use options::{Durability, SqliteOptions};
/// The crate that [`SqliteStore::enqueue_in`] takes its transaction from.
pub use rusqlite;

/// How many notices a slow listener may fall behind before it misses some.
const NOTICES_MAX: usize = 1024;

/// One opening at a time: a file that is made by hand must be closed before SQLite takes its locks on it, because
/// closing any descriptor of a file drops the locks of the whole process.
static OPENING: Mutex<()> = Mutex::new(());

/// A [`Store`] in a SQLite file.
///
/// Dropping it finishes what was asked, folds the write-ahead log into the file and ends its thread.
pub struct SqliteStore {
    path: PathBuf,
    clock: Arc<dyn Clock>,
    steady: steady::Steady,
    plans: Arc<PlanCache>,
    notices: broadcast::Sender<Notice>,
    // The readers go first, so that the writer is the last to close the file.
    readers: readers::Readers,
    writer: writer::Writer,
}

impl SqliteStore {
    /// Opens the data file at `path`; makes it, readable by its owner alone, if it is not there. It blocks for as long as
    /// another process keeps the file from being looked at, at most the busy time-out.
    ///
    /// # Errors
    ///
    /// `StoreUnavailable` when another process has locked the file; `Store` when it is not a data file of ours, is of a
    /// newer schema, or cannot be written to. The file is then as it was.
    pub fn open(path: impl AsRef<Path>, options: SqliteOptions) -> Result<Self> {
        // Absolute, because SQLite gives a meaning of its own to names such as `:memory:`.
        let path = std::path::absolute(path.as_ref()).map_err(|source| {
            Error::new(ErrorKind::Store, "the path of the data file is empty or cannot be used")
                .with_source(source)
        })?;
        let _alone = OPENING.lock().unwrap_or_else(PoisonError::into_inner);
        let (connection, steady) = open::writer(&path, &options)?;
        let readers = (0..options.readers).map(|_| open::reader(&path, &options)).collect::<Result<_>>()?;
        let plans = Arc::new(PlanCache::default());
        let notices = broadcast::Sender::new(NOTICES_MAX);
        let writer = writer::Writer::start(
            connection,
            (options.clock.clone(), steady.clone()),
            plans.clone(),
            notices.clone(),
        )?;
        Ok(Self {
            path,
            clock: options.clock,
            steady,
            plans,
            notices,
            readers: readers::Readers::new(readers, options.busy_timeout),
            writer,
        })
    }

    /// The data file.
    pub fn path(&self) -> &Path {
        &self.path
    }
}

impl Store for SqliteStore {
    fn name(&self) -> &'static str {
        "sqlite"
    }

    fn notices(&self) -> Option<broadcast::Receiver<Notice>> {
        Some(self.notices.subscribe())
    }
}

impl fmt::Debug for SqliteStore {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SqliteStore").field("path", &self.path).finish_non_exhaustive()
    }
}
