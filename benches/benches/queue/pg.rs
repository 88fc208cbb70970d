//! The PostgreSQL store on a server of this bench's own, with `fsync` on; every peer in a database of its own on the same one.
//!
//! * `pg.drain`: tasks a second, each a run of its own, from the start of one worker to the last durable completion. `limit` moves bare rows through their states
//!   in batches of 100 on four connections.
//! * `pg.drain_wide`: the same for the tasks of runs over 1,000 targets.
//! * `pg.enqueue_10`: runs a second by ten callers. `limit` inserts bare rows, each in a transaction of its own.
//! * `pg.enqueue_bulk`: tasks a second, as runs over 1,000 targets by two callers. `limit` inserts bare rows, 1,000 at a time.
//! * `pg.start_p50`, `pg.start_p99`: from the call that enqueues to the start of the step, worker idle. `limit` is a commit, a
//!   notification and a claim.
//! * `pg.claim_5m_ratio`: the drain beside many finished runs, against the drain beside none.

use std::{sync::OnceLock, time::Duration};

use opsconductor_benches::Options;
use opsconductor_store_pg::{
    PgOptions, PgStore,
    sqlx::{AssertSqlSafe, Connection, PgConnection, raw_sql},
    testing::{Disk, Place, Server},
};

use crate::{
    Failure, Metric,
    peers::{Ground, PG, PG_DRAIN, Peers},
    pg_limit,
    workload::Bench,
};

const DRAIN: Metric = Metric::rate("pg.drain", "tasks/s");
const DRAIN_WIDE: Metric = Metric::rate("pg.drain_wide", "tasks/s");
const ENQUEUE: Metric = Metric::rate("pg.enqueue_10", "runs/s");
const BULK: Metric = Metric::rate("pg.enqueue_bulk", "tasks/s");
const START_P50: Metric = Metric::cost("pg.start_p50", "ms");
const START_P99: Metric = Metric::cost("pg.start_p99", "ms");
const FULL: Metric = Metric::cost("pg.claim_5m_ratio", "ratio");

/// How many targets a wide run has.
const WIDE: u64 = 1_000;

/// How many finished runs stand beside the queue for [`FULL`].
const FINISHED: u64 = 5_000_000;

/// Measures and prints one round.
pub(crate) fn run(options: &Options, peers: &mut Peers, round: u32) -> Result<(), Failure> {
    let runtime = tokio::runtime::Runtime::new()?;
    runtime.block_on(measure(options, peers, round))
}

async fn measure(options: &Options, peers: &mut Peers, round: u32) -> Result<(), Failure> {
    let size = |full: u64| if options.is_quick() { 50 } else { full };
    if options.wants(DRAIN.name) {
        let n = size(20_000);
        DRAIN.limit(pg_limit::drain(place(options).url(), n).await?, n, round)?;
        DRAIN.ours(begin(&place(options)).await?.drain(n).await?, n, round)?;
        peers.rates(DRAIN, (PG_DRAIN, "drain"), ground(options), (n, round)).await?;
    }
    if options.wants(DRAIN_WIDE.name) || options.wants(BULK.name) {
        let (runs, targets) = if options.is_quick() { (2, 10) } else { (20, WIDE) };
        let n = runs * targets;
        BULK.limit(pg_limit::insert_many(place(options).url(), n).await?, n, round)?;
        let bench = begin(&place(options)).await?;
        bench.widen(targets).await?;
        BULK.ours(bench.enqueue(runs, 2).await? * targets as f64, n, round)?;
        DRAIN_WIDE.ours(bench.drain_queued(n).await?, n, round)?;
        drop(bench);
        peers.rates(BULK, (PG, "bulk"), ground(options), (n, round)).await?;
    }
    if options.wants(ENQUEUE.name) {
        let n = size(10_000);
        ENQUEUE.limit(pg_limit::insert_each(place(options).url(), n, 10).await?, n, round)?;
        ENQUEUE.ours(begin(&place(options)).await?.enqueue(n, 10).await?, n, round)?;
        peers.rates(ENQUEUE, (PG, "enqueue"), ground(options), (n, round)).await?;
    }
    if options.wants(START_P50.name) || options.wants(START_P99.name) {
        let n = size(1_000);
        let (p50, p99) = pg_limit::starts(place(options).url(), n).await?;
        START_P50.limit(p50, n, round)?;
        START_P99.limit(p99, n, round)?;
        let (p50, p99) = begin(&place(options)).await?.starts(n).await?;
        START_P50.ours(p50, n, round)?;
        START_P99.ours(p99, n, round)?;
        peers.starts((START_P50, START_P99), PG, ground(options), (n, round)).await?;
    }
    // Five million rows take minutes to make, so once.
    if options.wants(FULL.name) && round == 1 {
        let n = size(5_000);
        let empty = begin(&place(options)).await?.drain(n).await?;
        let full = place(options);
        let bench = begin(&full).await?;
        bench.drain(10).await?;
        crowd(server(options), &full, size(FINISHED)).await?;
        FULL.ours(empty / bench.drain(n).await?, n, round)?;
    }
    Ok(())
}

/// The bench's server, which is one that syncs unless cargo tests.
fn server(options: &Options) -> &'static Server {
    static DURABLE: OnceLock<Server> = OnceLock::new();
    if options.smoke { Server::shared() } else { DURABLE.get_or_init(|| Server::start(Disk::Durable)) }
}

/// The same, for peers.
fn ground(options: &Options) -> Ground<'static> {
    Ground::Server(server(options))
}

/// A schema of it.
fn place(options: &Options) -> Place {
    server(options).place()
}

async fn begin(place: &Place) -> Result<Bench, Failure> {
    let options = PgOptions::default().with_schema(place.schema());
    Bench::begin(PgStore::connect(place.url(), options).await?).await
}

/// Copies of a run that has ended, and of its task, until there are `runs` of them.
async fn crowd(server: &Server, place: &Place, runs: u64) -> Result<(), Failure> {
    let sql = "INSERT INTO :schema.job_runs (tenant_id, job_id, job_version, status, queued_at, started_at, finished_at)
            SELECT r.tenant_id, r.job_id, r.job_version, r.status, r.queued_at, r.started_at, r.finished_at
            FROM (SELECT * FROM :schema.job_runs WHERE finished_at IS NOT NULL LIMIT 1) AS r, generate_series(1, :count);
        INSERT INTO :schema.job_run_steps (tenant_id, job_run_id, idx, type, status, started_at, finished_at, attempt)
            SELECT r.tenant_id, r.id, 0, 'bench.nothing', r.status, r.started_at, r.finished_at, 1
            FROM :schema.job_runs AS r WHERE r.finished_at IS NOT NULL;
        ANALYZE :schema.job_runs; ANALYZE :schema.job_run_steps; CHECKPOINT";
    let sql = sql.replace(":schema", place.schema()).replace(":count", &runs.to_string());
    // A checkpoint is the administrator's; without it the next figure would pay for these writes.
    let url = server.admin_url().ok_or("only a server of its own can be filled")?;
    let mut connection = PgConnection::connect(&url).await?;
    tokio::time::timeout(Duration::from_secs(900), raw_sql(AssertSqlSafe(sql)).execute(&mut connection))
        .await??;
    Ok(())
}
