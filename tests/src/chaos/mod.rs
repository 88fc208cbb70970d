//! Workers and producers in processes of their own, everything that can happen to them and to their store, and the question
//! whether the [history](crate::history) still keeps its rules.

mod again;
mod chance;
mod crowd;
mod disk;
mod drive;
mod ground;
mod host;
mod pauses;
pub mod process;
pub mod proxy;
mod summary;
mod witness;

use std::{path::PathBuf, time::Duration};

use again::again;
pub use chance::Chance;
pub use drive::run;
pub use summary::Summary;

/// Which store is put to the test.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Backend {
    /// A PostgreSQL server of our own, behind a proxy.
    Postgres,
    /// A file that many processes use.
    Sqlite,
}

/// What is done.
#[derive(Debug, Clone)]
pub struct Settings {
    /// The store.
    pub backend: Backend,
    /// Where all that is left to chance comes from.
    pub seed: u64,
    /// How many runs are enqueued.
    pub runs: u32,
    /// How many processes are killed meanwhile.
    pub kills: u32,
    /// How many workers there are.
    pub workers: u32,
    /// How many producers.
    pub producers: u32,
    /// How long things are broken, whether or not all was enqueued and killed by then.
    pub limit: Duration,
    /// How long a run is kept that is over, and longer where its witness is not as quick.
    pub kept: Duration,
    /// How long it may take until all has come to rest.
    pub settle: Duration,
    /// The program `crash-worker`.
    pub program: PathBuf,
}

impl Settings {
    /// About a minute of it on `backend`.
    pub fn short(backend: Backend, program: PathBuf) -> Self {
        Self {
            backend,
            seed: seed(),
            runs: 4_000,
            kills: 25,
            workers: 3,
            producers: 1,
            limit: Duration::from_secs(35),
            kept: Duration::from_secs(20),
            settle: Duration::from_secs(900),
            program,
        }
    }
}

/// The seed that `OPSCONDUCTOR_CHAOS_SEED` names, or a new one.
///
/// # Panics
///
/// When that is no number.
pub fn seed() -> u64 {
    match std::env::var("OPSCONDUCTOR_CHAOS_SEED") {
        Ok(text) => text.parse().expect("OPSCONDUCTOR_CHAOS_SEED is a number"),
        Err(_) => {
            let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap_or_default();
            // Short enough to be typed.
            Chance::new(now.as_nanos() as u64).number() >> 32
        }
    }
}
