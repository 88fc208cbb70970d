//! What a process of a chaos run does: it works, or it enqueues. Its orders come as one line of JSON on standard input, and it
//! ends when that ends.

use std::{
    collections::HashSet,
    io::{self, BufRead},
    path::{Path, PathBuf},
    sync::Arc,
    time::Duration,
};

use async_trait::async_trait;
use opsconductor_core::{
    Engine, Error, ErrorKind, JobSpec, Result,
    clock::{Clock, SystemClock, Timestamp},
    engine::{QueuePart, RunOptions, Scoped, WorkerSettings},
    store::{Keep, Limit, Store},
    target::TargetSpec,
    vault::{Keyring, credential::Credential},
};
use opsconductor_store_pg::{PgOptions, PgStore};
use opsconductor_store_sqlite::{SqliteOptions, SqliteStore};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};
use tokio::task::JoinSet;

use super::{chance::Chance, host::Marked, witness};
use crate::history::{Limited, Log, Part, read_acknowledged};

/// How often a store that is away is opened before a process gives up.
const OPEN_TRIES: u32 = 200;

/// How long a process may take to end, and the status of one that takes longer.
const END_LIMIT: Duration = Duration::from_secs(120);
pub(super) const STUCK: i32 = 70;

/// How many enqueues a producer has under way.
const ENQUEUES_AT_ONCE: usize = 8;

/// How often one enqueue is tried.
const ENQUEUE_TRIES: u32 = 1000;

/// How many hosts there are.
const HOSTS: u32 = 4;

/// How many keys the runs share that go one after the other.
const LANES: u64 = 3;

/// What is not removed of what was over for `kept`.
pub(super) fn keep(kept: Duration) -> Keep {
    Keep { age: Some(kept), runs_per_job: None }
}

/// How often workers remove old runs, and how long that may take at a time.
const CLEANUP: Duration = Duration::from_millis(700);
const CLEANUP_LIMIT: Duration = Duration::from_secs(5);

/// How many tasks run at once.
pub(super) fn limits() -> Vec<Limited> {
    vec![
        Limited { part: Part::Job("again".to_owned()), running: 2 },
        Limited { part: Part::Target("host-4".to_owned()), running: 2 },
    ]
}

/// How the store calls a part of the queue.
pub(super) fn queue_part(part: &Part) -> QueuePart<'_> {
    match part {
        Part::Job(name) => QueuePart::Job(name),
        Part::Target(name) => QueuePart::Target(name),
    }
}

/// Orders for a process.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Orders {
    /// What it does.
    pub role: Role,
    /// The folder with the key and the logs.
    pub folder: PathBuf,
    /// The store.
    pub store: Place,
    /// How far its clock is off, in seconds.
    pub clock_off: i64,
    /// How long a run is kept that is over.
    pub kept: Duration,
}

/// What a process does.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum Role {
    /// Runs tasks.
    Worker,
    /// Enqueues runs.
    Producer {
        /// Which producer.
        number: u32,
        /// How many runs are its.
        runs: u32,
        /// What their kinds come from.
        seed: u64,
    },
}

/// Where a store is.
#[derive(Clone, Serialize, Deserialize)]
pub enum Place {
    /// At a URL, which holds a password.
    Postgres(String),
    /// In a file.
    Sqlite(PathBuf),
}

impl std::fmt::Debug for Place {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Postgres(_) => "Postgres",
            Self::Sqlite(_) => "Sqlite",
        })
    }
}

impl Place {
    /// Opens the store with a clock that is off by so many seconds. On a server that clock is the engine's alone.
    ///
    /// # Errors
    ///
    /// Those of the store.
    pub async fn open(&self) -> Result<Arc<dyn Store>> {
        Ok(match self {
            Self::Postgres(url) => {
                let options = PgOptions::default()
                    .with_connections(4)
                    .with_readers(2)
                    .with_statement_timeout(Duration::from_secs(10));
                Arc::new(PgStore::connect(url, options).await?)
            }
            Self::Sqlite(path) => Arc::new(SqliteStore::open(path, SqliteOptions::default())?),
        })
    }
}

/// A clock that somebody set wrong.
#[derive(Debug)]
struct Off {
    clock: SystemClock,
    by: chrono::TimeDelta,
}

#[async_trait]
impl Clock for Off {
    fn now(&self) -> Timestamp {
        self.clock.now() + self.by
    }

    fn monotonic(&self) -> Duration {
        self.clock.monotonic()
    }

    async fn sleep(&self, duration: Duration) {
        self.clock.sleep(duration).await;
    }
}

/// An engine over the hosts that write down what is done to them.
///
/// # Errors
///
/// Those of its parts.
pub fn engine(store: Arc<dyn Store>, folder: &Path, clock_off: i64) -> Result<Engine> {
    let hosts = Marked::new(&folder.join("effects"))
        .map_err(|source| Error::new(ErrorKind::Internal, "no log of effects").with_source(source))?;
    let by = chrono::TimeDelta::try_seconds(clock_off).unwrap_or_default();
    Engine::builder()
        .shared_store(store)
        .keys(Keyring::from_file(folder.join("key"))?)
        .connector(hosts)
        .clock(Arc::new(Off { clock: SystemClock::new(), by }))
        .build()
}

/// Writes down the hosts, the jobs and the limits: `one` (a step on one host), `wide` (three steps over hosts, the last behind
/// a barrier), `again` (a step that may be sent again), and `turn` (two steps, one run of a lane after the other).
///
/// # Errors
///
/// Those of the store.
pub async fn furnish(ops: &Scoped) -> Result<()> {
    let credential =
        ops.credentials().create("admin", &Credential::winrm("admin", "a password".into())).await?;
    for number in 1..=HOSTS {
        ops.targets().create(TargetSpec::winrm(format!("host-{number}"), "host", credential.id)).await?;
    }
    let hosts: Vec<_> = (1..=HOSTS).map(|number| format!("host-{number}")).collect();
    let step = |index: usize, targets: &[String]| {
        json!({
            "type": "winrm.exec", "shell": "powershell", "targets": targets,
            "command": format!("mark {{{{ run.id }}}}/{index}/{{{{ target.name }}}} {{{{ ms }}}}"),
        })
    };
    let mut again = step(0, &hosts[..1]);
    again["idempotent"] = json!(true);
    again["onLost"] = json!("retry");
    for (name, steps) in [
        ("one", vec![step(0, &hosts[1..2])]),
        ("wide", vec![step(0, &hosts[..3]), step(1, &hosts[..3]), step(2, &hosts[3..])]),
        ("again", vec![again]),
        ("turn", vec![step(0, &hosts[2..3]), step(1, &hosts[2..3])]),
    ] {
        let mut definition = json!({"name": name, "version": 1, "parameters": {"ms": 0}, "steps": steps});
        if name == "turn" {
            definition["parameters"]["lane"] = json!(0);
            definition["concurrencyKey"] = json!("lane {{ lane }}");
        }
        ops.jobs().create(&JobSpec::parse(&definition.to_string())?).await?;
    }
    for Limited { part, running } in limits() {
        ops.queue().set_limit(queue_part(&part), Limit::running(running)).await?;
    }
    Ok(())
}

/// The settings of every worker: quick to be missed, so that a minute sees many rescues.
pub fn settings() -> WorkerSettings {
    WorkerSettings {
        lease_ttl: Duration::from_millis(1500),
        heartbeat: Duration::from_millis(400),
        rescue: Duration::from_millis(300),
        poll: Duration::from_millis(100),
        drain: Duration::from_secs(2),
        ..WorkerSettings::default()
    }
}

/// Does what standard input says, until that ends.
///
/// # Errors
///
/// What kept it from beginning.
pub async fn obey() -> Result<()> {
    let fault = |source: io::Error| Error::new(ErrorKind::InvalidInput, "no orders").with_source(source);
    let mut line = String::new();
    io::stdin().lock().read_line(&mut line).map_err(fault)?;
    let orders: Orders = serde_json::from_str(&line)
        .map_err(|source| Error::new(ErrorKind::InvalidInput, "no orders").with_source(source))?;
    let mut dismissed = dismissed();
    let store = tokio::select! {
        store = open(&orders.store) => store?,
        _ = &mut dismissed => return Ok(()),
    };
    let engine = engine(store, &orders.folder, orders.clock_off)?;
    let ops = engine.local();
    match orders.role {
        Role::Worker => {
            let worker = engine.worker(settings())?;
            tokio::select! {
                _ = dismissed => {}
                () = clean(&engine, &orders) => {}
            }
            worker.shutdown().await;
            engine.close().await;
        }
        Role::Producer { number, runs, seed } => {
            let log = orders.folder.join(format!("acknowledged-{number}"));
            tokio::select! {
                produced = produce(&ops, &log, number, runs, seed) => produced?,
                _ = dismissed => {}
            }
        }
    }
    Ok(())
}

/// Removes runs that were over for as long as they are kept, and that the witness has seen: however slow the machine is,
/// nothing goes unseen.
async fn clean(engine: &Engine, orders: &Orders) {
    loop {
        tokio::time::sleep(CLEANUP).await;
        // A pass counts from its own moment: what it removes in the end may have ended that much later.
        let Some(unseen) = witness::unseen(&orders.folder) else { continue };
        let age = orders.kept.max(unseen + 2 * CLEANUP_LIMIT);
        match tokio::time::timeout(CLEANUP_LIMIT, engine.remove_old_runs(&keep(age))).await {
            Ok(Err(error)) if !error.is_retryable() => eprintln!("old runs stay: {}", error.report()),
            _ => {}
        }
    }
}

/// Tells when standard input ends. Whoever has not ended a while after that is ended.
fn dismissed() -> tokio::sync::oneshot::Receiver<()> {
    let (gone, told) = tokio::sync::oneshot::channel();
    // A thread of its own: whoever waits for a read on the runtime's threads keeps the process from ending.
    std::thread::spawn(move || {
        let mut nothing = String::new();
        let _ = io::stdin().lock().read_line(&mut nothing);
        let _ = gone.send(());
        std::thread::sleep(END_LIMIT);
        std::process::exit(STUCK);
    });
    told
}

async fn open(place: &Place) -> Result<Arc<dyn Store>> {
    let mut tries = 0;
    loop {
        match place.open().await {
            Err(_) if tries < OPEN_TRIES => tries += 1,
            opened => return opened,
        }
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
}

async fn produce(ops: &Scoped, log: &Path, number: u32, runs: u32, seed: u64) -> Result<()> {
    let fault = |source: io::Error| Error::new(ErrorKind::Internal, "no log of answers").with_source(source);
    // What an earlier process of the same number wrote down is done.
    let done: HashSet<_> = read_acknowledged(log).map_err(fault)?.into_iter().map(|ack| ack.key).collect();
    let log = Arc::new(Log::open(log).map_err(fault)?);
    let mut under_way = JoinSet::new();
    for nth in 0..runs {
        let key = format!("p{number}-{nth}");
        if done.contains(&key) {
            continue;
        }
        if under_way.len() >= ENQUEUES_AT_ONCE {
            ended(under_way.join_next().await)?;
        }
        // The same again when this process is killed and another asks once more.
        let chance = Chance::new(seed ^ (u64::from(number) << 32) ^ u64::from(nth));
        under_way.spawn(enqueue(ops.clone(), Arc::clone(&log), key, chance));
    }
    while let Some(one) = under_way.join_next().await {
        ended(Some(one))?;
    }
    Ok(())
}

fn ended(one: Option<std::result::Result<Result<()>, tokio::task::JoinError>>) -> Result<()> {
    match one {
        Some(Ok(ended)) => ended,
        Some(Err(source)) => Err(Error::new(ErrorKind::Internal, "an enqueue panicked").with_source(source)),
        None => Ok(()),
    }
}

async fn enqueue(ops: Scoped, log: Arc<Log>, key: String, mut chance: Chance) -> Result<()> {
    let job = match chance.below(20) {
        0..12 => "one",
        12..15 => "wide",
        15..18 => "again",
        _ => "turn",
    };
    let mut parameters: Map<String, Value> = Map::from_iter([("ms".to_owned(), json!(chance.below(30)))]);
    if job == "turn" {
        parameters.insert("lane".to_owned(), json!(chance.below(LANES)));
    }
    let cancel = chance.below(30) == 0;
    for _ in 0..ENQUEUE_TRIES {
        let options = RunOptions { idempotency_key: Some(key.clone()), ..RunOptions::default() };
        match ops.jobs().run(job, parameters.clone(), options).await {
            Ok(run) => {
                let written = log.acknowledged(&key, run.id().get());
                written.map_err(|source| {
                    Error::new(ErrorKind::Internal, "an answer was not written down").with_source(source)
                })?;
                if cancel {
                    // Whether it comes in time or at all, the run ends once.
                    let _ = run.cancel().await;
                }
                return Ok(());
            }
            Err(error) if error.is_retryable() => tokio::time::sleep(Duration::from_millis(50)).await,
            Err(error) => {
                eprintln!("{key} was refused: {}", error.report());
                return Err(error);
            }
        }
    }
    Err(Error::new(ErrorKind::StoreUnavailable, "the store was away for too long"))
}
