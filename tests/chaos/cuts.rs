//! A connection to PostgreSQL may break at any message of a run's way: from the first of the login to the answer to the last
//! completion, before, within or after it.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use opsconductor_core::{
    ErrorKind, Result,
    engine::{Engine, RunOptions},
    id::RunId,
    store::Store,
    tenant::DEFAULT_TENANT,
    vault,
};
use opsconductor_store_pg::testing::{Disk, Server};
use opsconductor_tests::{
    chaos::{
        Chance,
        process::{Place, engine, furnish, settings},
        proxy::{At, Cut, Proxy, Way},
        seed,
    },
    history::{Acknowledged, History, check, read_effects, read_runs},
};
use serde_json::{Map, json};

/// How long new cuts are begun, unless every message is asked for.
const BUDGET: Duration = Duration::from_secs(30);

/// Asks for a cut at every message, however long that takes.
const EVERY: &str = "OPSCONDUCTOR_CHAOS_EVERY_MESSAGE";

/// How long a run may take though its connection broke.
const LIMIT: Duration = Duration::from_secs(60);

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_connection_may_break_at_any_message() {
    let every = std::env::var_os(EVERY).is_some();
    let seed = seed();
    eprintln!("OPSCONDUCTOR_CHAOS_SEED={seed}");
    let mut chance = Chance::new(seed);
    let server = tokio::task::spawn_blocking(|| Server::start(Disk::Durable)).await.unwrap();
    let proxy = Proxy::start(server.port().unwrap()).await.unwrap();
    let folder = tempfile::tempdir().unwrap();
    vault::create_key_file(folder.path().join("key")).unwrap();
    let direct = Place::Postgres(server.url().to_owned());
    let port = |port: u16| format!(":{port}/");
    let url = server.url().replace(&port(server.port().unwrap()), &port(proxy.port()));
    let reached = Place::Postgres(url);
    let store = direct.open().await.unwrap();
    furnish(&engine(Arc::clone(&store), folder.path(), 0).unwrap().local()).await.unwrap();

    // How many messages a run takes each way when nothing breaks.
    let mut acknowledged = Vec::new();
    let run = through(&reached, &store, folder.path(), "whole").await.unwrap();
    acknowledged.push(Acknowledged { key: "whole".to_owned(), run: run.get() });
    let ways = [Way::Up, Way::Down].map(|way| (way, proxy.messages(way)));
    let each = ways.iter().flat_map(|(way, messages)| (1..=*messages).map(|message| (*way, message)));
    let mut cuts: Vec<_> = each.collect();
    let began = Instant::now();
    while !cuts.is_empty() && (every || began.elapsed() < BUDGET) {
        let (way, message) = cuts.swap_remove(chance.below(cuts.len() as u64) as usize);
        let at = *chance.of(&[At::Before, At::Within, At::After]);
        proxy.arm(Cut { way, at, message, kind: None });
        let key = format!("{way:?}-{message}");
        let told = format!("{key}, {at:?}, seed {seed}");
        let run = tokio::time::timeout(LIMIT, through(&reached, &store, folder.path(), &key)).await;
        let run = run.unwrap_or_else(|_| panic!("{told}: the run did not end in time"));
        let run = run.unwrap_or_else(|error| panic!("{told}: {}", error.report()));
        acknowledged.push(Acknowledged { key, run: run.get() });
        proxy.disarm();
    }
    let history = History {
        acknowledged,
        effects: read_effects(&folder.path().join("effects")).unwrap(),
        runs: read_runs(&store, DEFAULT_TENANT).await.unwrap(),
        ..History::default()
    };
    let breaches: Vec<_> = check(&history).iter().map(ToString::to_string).collect();
    assert!(breaches.is_empty(), "seed {seed}: {breaches:#?}");
    assert_eq!(store.queue_depth().await.unwrap(), (0, 0), "seed {seed}");
    eprintln!("{} cuts of {ways:?} messages, {} runs", proxy.cuts(), history.runs.len());
    assert!(proxy.cuts() >= 4, "cuts were made");
}

/// One run on a store that is reached through the proxy, from the login to its end.
async fn through(
    reached: &Place,
    direct: &Arc<dyn Store>,
    folder: &std::path::Path,
    key: &str,
) -> Result<RunId> {
    let store = again(|| reached.open()).await?;
    let engine: Engine = engine(store, folder, 0)?;
    let worker = engine.worker(settings())?;
    let ops = engine.local();
    let run = again(|| {
        let options = RunOptions { idempotency_key: Some(key.to_owned()), ..RunOptions::default() };
        let ops = ops.clone();
        let parameters = Map::from_iter([("ms".to_owned(), json!(0))]);
        async move { ops.jobs().run("wide", parameters, options).await.map(|run| run.id()) }
    })
    .await?;
    while !direct.run(DEFAULT_TENANT, run).await?.status.is_final() {
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    worker.shutdown().await;
    Ok(run)
}

/// Does it once more as long as the store is away.
async fn again<T, F: Future<Output = Result<T>>>(mut work: impl FnMut() -> F) -> Result<T> {
    loop {
        match work().await {
            Err(error) if error.kind() == ErrorKind::StoreUnavailable => {
                tokio::time::sleep(Duration::from_millis(20)).await;
            }
            answer => return answer,
        }
    }
}
