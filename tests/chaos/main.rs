//! What producers were promised holds whatever happens to workers, servers, connections and disks: the short form of
//! `make chaos`, with a seed of its own each time.
#![allow(clippy::unwrap_used, reason = "a test may panic")]

mod cuts;

use std::path::PathBuf;

use opsconductor_tests::chaos::{Backend, Settings, run};

async fn short(backend: Backend) {
    let settings = Settings::short(backend, PathBuf::from(env!("CARGO_BIN_EXE_crash-worker")));
    let seed = settings.seed;
    eprintln!("OPSCONDUCTOR_CHAOS_SEED={seed}");
    let summary = run(settings).await.unwrap_or_else(|error| panic!("seed {seed}: {error}"));
    let text = format!("{:#}", summary.json());
    assert!(summary.breaches.is_empty(), "{text}");
    assert_eq!(summary.stuck, 0, "{text}");
    // That something was broken at all, and that something was done all the same.
    assert!(summary.broken("kill") >= 10 && summary.broken("stop") > 0, "{text}");
    assert!(summary.acknowledged >= 20 && summary.claimed_again > 0, "{text}");
    eprintln!("{text}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn sqlite_keeps_its_promises() {
    short(Backend::Sqlite).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn postgres_keeps_its_promises() {
    short(Backend::Postgres).await;
}
