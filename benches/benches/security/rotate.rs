//! `vault.rotate_100k`: seconds until 100,000 credentials are under another key, while 200 calls a second read and rotate some of
//! them. The process that does it is killed half-way, and another goes on. A call that fails, or reads anything else than what was
//! sealed, fails the bench. On PostgreSQL with `fsync` on, and on SQLite with `synchronous = FULL`.

use std::{
    io::{BufRead as _, BufReader, Write as _},
    path::Path,
    process::{Child, Stdio},
    sync::{
        Arc, OnceLock,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    time::{Duration, Instant},
};

use opsconductor_benches::{Better, Figure, Options, role, timing::OURSELVES};
use opsconductor_core::{
    Engine, Secret,
    engine::Scoped,
    store::Store,
    vault::{Credential, Keyring, MasterKey, generate_key},
};
use opsconductor_store_pg::{
    PgOptions, PgStore,
    testing::{Disk, Server},
};
use opsconductor_store_sqlite::{SqliteOptions, SqliteStore};
use serde_json::{Value, json};
use tokio::task::JoinSet;

use crate::Failure;

/// The process that moves the records.
pub(crate) const ROLE: &str = "rotate";

const METRIC: &str = "vault.rotate_100k";

/// How many credentials are written at a time before the clock starts.
const WRITERS: u64 = 32;

/// Between two calls beside: 200 a second.
const BETWEEN_CALLS: Duration = Duration::from_millis(5);

/// Measures and prints one round.
pub(crate) fn run(options: &Options, round: u32) -> Result<(), Failure> {
    if !options.wants(METRIC) {
        return Ok(());
    }
    let n = if options.is_quick() { 600 } else { 100_000 };
    let runtime = tokio::runtime::Runtime::new()?;
    let place = server(options).place();
    let postgres = json!({"url": place.url(), "schema": place.schema()});
    let folder = tempfile::tempdir()?;
    let sqlite = json!({"path": folder.path().join("bench.db")});
    for (name, store) in [("postgres", postgres), ("sqlite", sqlite)] {
        let (wall, calls) = runtime.block_on(measure(&store, n))?;
        let more = [("store", json!(name)), ("calls", json!(calls))];
        Figure {
            bench: "security",
            metric: METRIC,
            subject: OURSELVES,
            value: wall,
            unit: "s",
            better: Better::Lower,
            n,
            round,
            more: &more,
        }
        .print()?;
    }
    Ok(())
}

/// The bench's server, which is one that syncs unless cargo tests.
fn server(options: &Options) -> &'static Server {
    static DURABLE: OnceLock<Server> = OnceLock::new();
    if options.smoke { Server::shared() } else { DURABLE.get_or_init(|| Server::start(Disk::Durable)) }
}

/// Seconds, and how many calls there were beside.
async fn measure(place: &Value, n: u64) -> Result<(f64, u64), Failure> {
    let (old, new) = (generate_key()?, generate_key()?);
    let store = open(place).await?;
    let former = engine(store.clone(), Keyring::new(MasterKey::parse(old.expose())?))?;
    fill(&former, n).await?;
    let both = engine(store, ring(&new, &old)?)?;

    let (over, calls) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicU64::new(0)));
    let beside = tokio::spawn(disturb(both.local(), n, over.clone(), calls.clone()));
    let task = json!({"store": place, "old": old.expose(), "new": new.expose()}).to_string();
    let started = Instant::now();
    let moved = tokio::task::spawn_blocking(move || {
        // Killed at once by the system, in the middle of whatever it does.
        follow(&task, Some(n / 2))?;
        follow(&task, None)
    });
    let last = moved.await??;
    let wall = started.elapsed().as_secs_f64();
    over.store(true, Ordering::SeqCst);
    beside.await??;
    if last["left"] != 0 {
        return Err(format!("records are left under the old key: {last}").into());
    }
    both.local().keys().retire(MasterKey::parse(old.expose())?.id()).await?;
    Ok((wall, calls.load(Ordering::SeqCst)))
}

async fn open(place: &Value) -> Result<Arc<dyn Store>, Failure> {
    if let Some(path) = place["path"].as_str() {
        return Ok(Arc::new(SqliteStore::open(Path::new(path), SqliteOptions::default())?));
    }
    let (url, schema) = (role::text(place, "url")?, role::text(place, "schema")?);
    Ok(Arc::new(PgStore::connect(url, PgOptions::default().with_schema(schema)).await?))
}

fn engine(store: Arc<dyn Store>, keys: Keyring) -> Result<Engine, Failure> {
    Ok(Engine::builder().shared_store(store).keys(keys).build()?)
}

fn ring(new: &Secret<String>, old: &Secret<String>) -> Result<Keyring, Failure> {
    Ok(Keyring::new(MasterKey::parse(new.expose())?).with_former(MasterKey::parse(old.expose())?)?)
}

fn secret(number: u64) -> Credential {
    Credential::winrm("Administrator", format!("pass-of-{number}").into())
}

/// Writes the credentials `c0` and so on.
async fn fill(engine: &Engine, n: u64) -> Result<(), Failure> {
    let mut writers: JoinSet<Result<(), Failure>> = JoinSet::new();
    for first in 0..WRITERS {
        let at = engine.local();
        writers.spawn(async move {
            for number in (first..n).step_by(WRITERS as usize) {
                at.credentials().create(&format!("c{number}"), &secret(number)).await?;
            }
            Ok(())
        });
    }
    while let Some(written) = writers.join_next().await {
        written??;
    }
    Ok(())
}

/// Reads and rotates one credential after the other, 200 a second, until it is over.
async fn disturb(at: Scoped, n: u64, over: Arc<AtomicBool>, calls: Arc<AtomicU64>) -> Result<(), Failure> {
    let mut ticks = tokio::time::interval(BETWEEN_CALLS);
    let mut under_way: JoinSet<Result<(), Failure>> = JoinSet::new();
    let mut number: u64 = 1;
    while !over.load(Ordering::SeqCst) {
        ticks.tick().await;
        // All of them in an order that jumps about: an odd stride.
        number = (number + 61_803) % n;
        let (at, chosen, reads) =
            (at.clone(), number, calls.fetch_add(1, Ordering::SeqCst).is_multiple_of(2));
        under_way
            .spawn(async move { if reads { read(&at, chosen).await } else { rotate(&at, chosen).await } });
        while let Some(ended) = under_way.try_join_next() {
            ended??;
        }
    }
    while let Some(ended) = under_way.join_next().await {
        ended??;
    }
    Ok(())
}

async fn read(at: &Scoped, number: u64) -> Result<(), Failure> {
    let opened = at.credentials().reveal(&format!("c{number}")).await?;
    let found = opened.secrets().next().map(|secret| secret.expose().as_str());
    if found == Some(&format!("pass-of-{number}")) { Ok(()) } else { Err("another secret was read".into()) }
}

async fn rotate(at: &Scoped, number: u64) -> Result<(), Failure> {
    at.credentials().rotate(&format!("c{number}"), &secret(number)).await?;
    Ok(())
}

/// Has a process move records: until it has looked at so many, when it is killed, or to its end. Answers what it said last.
fn follow(task: &str, until: Option<u64>) -> Result<Value, Failure> {
    let child = role::in_role(ROLE)?.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn()?;
    let mut child = Killed(child);
    let mut input = child.0.stdin.take().ok_or("the process has no standard input")?;
    writeln!(input, "{task}")?;
    drop(input);
    let output = child.0.stdout.take().ok_or("the process has no standard output")?;
    let mut last = Value::Null;
    for line in BufReader::new(output).lines() {
        last = serde_json::from_str(&line?)?;
        if until.is_some_and(|until| last["looked_at"].as_u64() >= Some(until)) {
            return Ok(last);
        }
    }
    if child.0.wait()?.success() { Ok(last) } else { Err("the process that moves records failed".into()) }
}

/// A process that does not outlive this.
struct Killed(Child);

impl Drop for Killed {
    fn drop(&mut self) {
        // One that has ended cannot be killed, and need not be.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// Moves the records, and says how far it is after each page.
pub(crate) fn answer() -> Result<(), Failure> {
    let task = role::task()?;
    let key = |name| Ok::<_, Failure>(Secret::from(role::text(&task, name)?));
    let keys = ring(&key("new")?, &key("old")?)?;
    let moved = tokio::runtime::Runtime::new()?.block_on(async {
        let engine = engine(open(&task["store"]).await?, keys)?;
        let tell = |progress: opsconductor_core::engine::KeyProgress| {
            // Nobody listens once this process is to be killed.
            let _ = role::answer(&json!({"looked_at": progress.looked_at}));
        };
        Ok::<_, Failure>(engine.local().keys().rewrap(tell).await?)
    })?;
    role::answer(&json!({"left": moved.left, "moved": moved.progress.moved}))?;
    Ok(())
}
