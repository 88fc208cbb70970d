//! The audit record in PostgreSQL, on a server of this bench's own with `fsync` on, in one tenant.
//!
//! * `audit.append`: records a second by eight callers who stage 50 in a transaction, from the first call until all are chained, by a sequencer that
//!   works meanwhile.
//! * `audit.append_each`: the same by 32 callers, each record in a transaction of its own.
//! * `audit.verify_1m`: one million records read and checked.

use std::{
    sync::{
        Arc, OnceLock,
        atomic::{AtomicU64, Ordering},
    },
    time::Instant,
};

use opsconductor_benches::{Better, Options};
use opsconductor_core::{
    Engine, Scope,
    audit::{Entry, staging::Staged},
    store::{AuditLog as _, audit::SEQUENCE_BATCH},
    tenant::DEFAULT_TENANT,
    vault::Keyring,
};
use opsconductor_store_pg::{
    PgOptions, PgStore,
    testing::{Disk, Place, Server},
};

use crate::{Failure, Metric};

const APPEND: Metric = Metric { name: "audit.append", unit: "records/s", better: Better::Higher };
const APPEND_EACH: Metric = Metric { name: "audit.append_each", unit: "records/s", better: Better::Higher };
const VERIFY: Metric = Metric { name: "audit.verify_1m", unit: "s", better: Better::Lower };

/// How many records are chained at once where they are only to be there.
const FILL: usize = 5_000;

pub(crate) fn run(options: &Options, round: u32) -> Result<(), Failure> {
    tokio::runtime::Runtime::new()?.block_on(measure(options, round))
}

async fn measure(options: &Options, round: u32) -> Result<(), Failure> {
    let size = |full: u64| if options.is_quick() { 500 } else { full };
    for (metric, n, callers, batch) in [(APPEND, 50_000, 8, 50), (APPEND_EACH, 10_000, 32, 1)] {
        if options.wants(metric.name) {
            let n = size(n);
            metric.ours(append(&place(options), n, callers, batch).await?, n, round)?;
        }
    }
    // A million records take a minute to make, so once.
    if options.wants(VERIFY.name) && round == 1 {
        let n = size(1_000_000);
        let place = place(options);
        let store = connect(&place, 4).await?;
        fill(&store, n).await?;
        let engine = Engine::builder().shared_store(Arc::new(store)).keys(Keyring::generate()?).build()?;
        for round in 1..=options.rounds {
            let began = Instant::now();
            let report = engine.local().audit().verify(&[]).await?;
            let took = began.elapsed().as_secs_f64();
            if !report.is_ok() || report.records != n {
                return Err(
                    format!("{} of {n} records were read: {:?}", report.records, report.findings).into()
                );
            }
            VERIFY.ours(took, n, round)?;
        }
    }
    Ok(())
}

/// Records as a change of a target leaves them.
fn entries(from: u64, count: usize) -> Vec<Staged> {
    let entry = |n: u64| {
        let entry = Entry::new(&Scope::local(), "targets.update", "target").about(n as i64);
        let entry = entry.with("name", format!("web-{n}")).with("hostname", "web.example.net");
        entry.with("protocol", "winrm").with("port", 5986)
    };
    (from..).take(count).map(|n| Staged { entry: entry(n), strict: false }).collect()
}

async fn append(place: &Place, n: u64, callers: usize, batch: usize) -> Result<f64, Failure> {
    let store = Arc::new(connect(place, callers as u32 + 2).await?);
    store.append_audit(entries(0, 1)).await?;
    while store.sequence_audit(SEQUENCE_BATCH).await? > 0 {}
    let (begun, began) = (Arc::new(AtomicU64::new(0)), Instant::now());
    let mut at_work = Vec::new();
    for _ in 0..callers {
        let (store, begun) = (Arc::clone(&store), Arc::clone(&begun));
        at_work.push(tokio::spawn(async move {
            loop {
                let from = begun.fetch_add(batch as u64, Ordering::Relaxed);
                if from >= n {
                    return Ok(());
                }
                store.append_audit(entries(from, batch)).await?;
            }
        }));
    }
    let mut chained = 0;
    while chained < n {
        match store.sequence_audit(SEQUENCE_BATCH).await? {
            // Nothing waits yet.
            0 => tokio::task::yield_now().await,
            some => chained += some,
        }
    }
    let took = began.elapsed().as_secs_f64();
    for caller in at_work {
        caller.await?.map_err(|error: opsconductor_core::Error| error)?;
    }
    let head = store.audit_state(DEFAULT_TENANT).await?.head;
    match head.size == n + 1 {
        true => Ok(n as f64 / took),
        false => Err(format!("{} records are there, not {}", head.size, n + 1).into()),
    }
}

async fn fill(store: &PgStore, n: u64) -> Result<(), Failure> {
    for from in (0..n).step_by(FILL) {
        store.append_audit(entries(from, FILL.min((n - from) as usize))).await?;
        store.sequence_audit(FILL).await?;
    }
    Ok(())
}

pub(crate) async fn connect(place: &Place, connections: u32) -> Result<PgStore, Failure> {
    let options = PgOptions::default().with_schema(place.schema()).with_connections(connections);
    Ok(PgStore::connect(place.url(), options).await?)
}

/// A schema of the bench's server, which is one that syncs unless cargo tests.
pub(crate) fn place(options: &Options) -> Place {
    static DURABLE: OnceLock<Server> = OnceLock::new();
    let server =
        if options.smoke { Server::shared() } else { DURABLE.get_or_init(|| Server::start(Disk::Durable)) };
    server.place()
}
