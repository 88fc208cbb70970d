//! The SQLite store with `synchronous = FULL`, each metric on a file of its own; every peer too.
//!
//! * `sqlite.drain`: tasks a second, each a run of its own, from the start of a worker to the last durable completion. `limit`
//!   moves bare rows through their states in batches of 100.
//! * `sqlite.enqueue_1`: runs a second by one caller that waits for each. `limit` inserts a row and commits.
//! * `sqlite.start_p50`, `sqlite.start_p99`: from the call that enqueues to the start of the step, worker idle. `limit` is the
//!   time of two durable writes, the run's and the claim's.

use std::path::Path;

use opsconductor_benches::Options;
use opsconductor_store_sqlite::{SqliteOptions, SqliteStore};
use tempfile::TempDir;

use crate::{
    Failure, Metric, limit,
    peers::{Ground, Peers, SQLITE_DRAIN, SQLITE_ENQUEUE, SQLITE_STARTS},
    workload::Bench,
};

const DRAIN: Metric = Metric::rate("sqlite.drain", "tasks/s");
const ENQUEUE: Metric = Metric::rate("sqlite.enqueue_1", "runs/s");
const START_P50: Metric = Metric::cost("sqlite.start_p50", "ms");
const START_P99: Metric = Metric::cost("sqlite.start_p99", "ms");

/// Measures and prints one round.
pub(crate) fn run(options: &Options, peers: &mut Peers, round: u32) -> Result<(), Failure> {
    let runtime = tokio::runtime::Runtime::new()?;
    let size = |full: u64| if options.is_quick() { 50 } else { full };
    if options.wants(DRAIN.name) {
        let n = size(20_000);
        let folder = tempfile::tempdir()?;
        DRAIN.limit(limit::drain(folder.path(), n)?, n, round)?;
        let rate = runtime.block_on(async { begin(folder.path()).await?.drain(n).await })?;
        DRAIN.ours(rate, n, round)?;
        runtime.block_on(peers.rates(DRAIN, (SQLITE_DRAIN, "drain"), Ground::File, (n, round)))?;
    }
    if options.wants(ENQUEUE.name) {
        let n = size(5_000);
        let folder = tempfile::tempdir()?;
        ENQUEUE.limit(limit::insert_each(folder.path(), n)?, n, round)?;
        let rate = runtime.block_on(async { begin(folder.path()).await?.enqueue(n, 1).await })?;
        ENQUEUE.ours(rate, n, round)?;
        runtime.block_on(peers.rates(ENQUEUE, (SQLITE_ENQUEUE, "enqueue"), Ground::File, (n, round)))?;
    }
    if options.wants(START_P50.name) || options.wants(START_P99.name) {
        let n = size(1_000);
        let folder = TempDir::new()?;
        let once = 1e3 / limit::sync_each(folder.path(), n)?;
        let (p50, p99) = runtime.block_on(async { begin(folder.path()).await?.starts(n).await })?;
        START_P50.limit(2.0 * once, n, round)?;
        START_P50.ours(p50, n, round)?;
        START_P99.ours(p99, n, round)?;
        let metrics = (START_P50, START_P99);
        runtime.block_on(peers.starts(metrics, SQLITE_STARTS, Ground::File, (n, round)))?;
    }
    Ok(())
}

async fn begin(folder: &Path) -> Result<Bench, Failure> {
    Bench::begin(SqliteStore::open(folder.join("bench.db"), SqliteOptions::default())?).await
}
