//! Other queues, each a process that does one task at a time on a database or in a folder of its own. `make bench-queue` installs them.

use std::{collections::BTreeSet, path::Path, process::Command, time::Duration};

use opsconductor_benches::{
    Options,
    statistics::percentile,
    subject::{Answer, Memory, PYTHON_PEERS, ask, prepared},
};
use opsconductor_store_pg::{
    sqlx::{AssertSqlSafe, Connection, PgConnection, raw_sql},
    testing::{OWNER, Server},
};
use serde_json::{Value, json};

use crate::{Failure, Metric};

/// The longest that one task of a peer may take, with all that comes before and after.
const LIMIT: Duration = Duration::from_secs(150);

/// Where the peers in Python lie.
const PYTHON: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/peers/queue/python");

/// A peer, with its settings where more than one is worth a figure.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Peer {
    /// Its name on the registry it comes from.
    pub(crate) name: &'static str,
    pub(crate) setting: &'static str,
    /// What is still there of a task that succeeded.
    pub(crate) keeps: &'static str,
    /// How many tasks it is given at most.
    most: u64,
    program: Program,
}

#[derive(Debug, Clone, Copy)]
enum Program {
    Node(&'static str),
    Python(&'static str),
    Rust,
}

/// What a peer is given to drain that commits every task by itself: all of them would take minutes, and its rate is no better then.
const FEW: u64 = 2_000;

const NOTHING: &str = "nothing";
const ROW: &str = "row";
const ROW_AND_RESULT: &str = "row, result";
const ROW_AND_EVENTS: &str = "row, events";

const fn peer(name: &'static str, keeps: &'static str, program: Program) -> Peer {
    Peer { name, setting: "plain", keeps, most: u64::MAX, program }
}

const GRAPHILE_NODE: Peer = peer("graphile-worker", NOTHING, Program::Node("graphile-worker.mjs"));
const PG_BOSS: Peer = peer("pg-boss", ROW, Program::Node("pg-boss.mjs"));
const APALIS_PG: Peer = peer("apalis-postgres", ROW_AND_RESULT, Program::Rust);
const GRAPHILE_RUST: Peer = peer("graphile_worker", NOTHING, Program::Rust);
const PROCRASTINATE: Peer = peer("procrastinate", ROW_AND_EVENTS, Program::Python("procrastinate_peer.py"));
const HUEY: Peer = peer("huey", NOTHING, Program::Python("huey_peer.py"));
const LITEQUEUE: Peer = peer("litequeue", ROW, Program::Python("litequeue_peer.py"));
const APALIS_SQLITE: Peer = peer("apalis-sqlite", ROW_AND_RESULT, Program::Rust);

/// Who drains on PostgreSQL.
pub(crate) const PG_DRAIN: &[Peer] = &[
    GRAPHILE_NODE,
    GRAPHILE_NODE.with("local queue"),
    PG_BOSS.with("batches of 500"),
    APALIS_PG.with("batches of 1,000"),
    GRAPHILE_RUST.with("local queue"),
    PROCRASTINATE.at_most(FEW),
];
/// Who enqueues on PostgreSQL, one task at a time or many, and is told there that there is work.
pub(crate) const PG: &[Peer] = &[GRAPHILE_NODE, PG_BOSS, APALIS_PG, GRAPHILE_RUST, PROCRASTINATE];
/// Who drains on SQLite.
pub(crate) const SQLITE_DRAIN: &[Peer] =
    &[HUEY.at_most(FEW), LITEQUEUE.at_most(FEW), APALIS_SQLITE.with("batches of 1,000").at_most(FEW)];
/// Who enqueues on SQLite.
pub(crate) const SQLITE_ENQUEUE: &[Peer] = &[HUEY, LITEQUEUE, APALIS_SQLITE];
/// Who is told on SQLite that there is work.
pub(crate) const SQLITE_STARTS: &[Peer] = &[APALIS_SQLITE];

/// Where a peer works.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Ground<'a> {
    /// In a database of its own.
    Server(&'a Server),
    /// On a file of its own, on the file system of ours.
    File,
}

/// The peers of one run of the bench.
pub(crate) struct Peers {
    smoke: bool,
    /// What was said on standard error already: a peer that is missing is named once.
    named: BTreeSet<String>,
}

impl Peers {
    pub(crate) fn new(options: &Options) -> Self {
        Self { smoke: options.smoke, named: BTreeSet::new() }
    }

    /// Has each of them do a task, and prints how many a second it did.
    pub(crate) async fn rates(
        &mut self,
        metric: Metric,
        (who, task): (&[Peer], &str),
        ground: Ground<'_>,
        (n, round): (u64, u32),
    ) -> Result<(), Failure> {
        for peer in who {
            let n = n.min(peer.most);
            let Some(answer) = self.on(ground, peer, task, n).await? else { continue };
            match answer.said["seconds"].as_f64() {
                Some(seconds) => metric.peer((peer, &answer), n as f64 / seconds, n, round)?,
                None => self.name(peer, task, "it left out how long it took"),
            }
        }
        Ok(())
    }

    /// Has each of them start idle, and prints the p50 and the p99 of what passed from a call that enqueues to its task's start.
    pub(crate) async fn starts(
        &mut self,
        (p50, p99): (Metric, Metric),
        who: &[Peer],
        ground: Ground<'_>,
        (n, round): (u64, u32),
    ) -> Result<(), Failure> {
        for peer in who {
            let Some(answer) = self.on(ground, peer, "starts", n).await? else { continue };
            let times = answer.said["ms"].as_array().into_iter().flatten().filter_map(Value::as_f64);
            let times: Vec<f64> = times.collect();
            for (metric, share) in [(p50, 0.5), (p99, 0.99)] {
                match percentile(&times, share) {
                    Some(value) => metric.peer((peer, &answer), value, n, round)?,
                    None => self.name(peer, "starts", "it left out how long it took"),
                }
            }
        }
        Ok(())
    }

    /// Has a peer do a task on ground that nobody has used. One that cannot is named on standard error.
    async fn on(
        &mut self,
        ground: Ground<'_>,
        peer: &Peer,
        task: &str,
        n: u64,
    ) -> Result<Option<Answer>, Failure> {
        if self.smoke {
            return Ok(None);
        }
        let mut command = match peer.command() {
            Ok(command) => command,
            Err(error) => {
                self.name(peer, task, &error.to_string());
                return Ok(None);
            }
        };
        let mut said = json!({"peer": peer.name, "task": task, "setting": peer.setting, "tasks": n});
        let Ground::Server(server) = ground else {
            let folder = tempfile::tempdir()?;
            said["place"] = json!(folder.path().join("queue.db"));
            said["callers"] = json!(1);
            return Ok(self.ask(peer, &mut command, &said));
        };
        let name = format!("peer_{}", peer.name.replace('-', "_"));
        let admin = server.admin_url().ok_or("only a server of the bench's own has room for peers")?;
        let mut admin = PgConnection::connect(&admin).await?;
        let sql = format!("CREATE DATABASE {name} OWNER {OWNER}");
        raw_sql(AssertSqlSafe(sql)).execute(&mut admin).await?;
        said["place"] = json!(server.url_of(OWNER, &name));
        said["callers"] = json!(10);
        let answer = tokio::task::block_in_place(|| self.ask(peer, &mut command, &said));
        // What a peer that was ended has left open is cut.
        let sql = format!("DROP DATABASE {name} WITH (FORCE)");
        raw_sql(AssertSqlSafe(sql)).execute(&mut admin).await?;
        admin.close().await?;
        Ok(answer)
    }

    fn ask(&mut self, peer: &Peer, command: &mut Command, said: &Value) -> Option<Answer> {
        let answer = ask(command, said, LIMIT, Memory::Ignored);
        let task = said["task"].as_str().unwrap_or_default();
        answer.inspect_err(|error| self.name(peer, task, &error.to_string())).ok()
    }

    fn name(&mut self, peer: &Peer, task: &str, error: &str) {
        let line = format!("{}, {task}: {error}", peer.name);
        if self.named.insert(line.clone()) {
            eprintln!("bench-queue: {line}");
        }
    }
}

impl Peer {
    const fn with(mut self, setting: &'static str) -> Self {
        self.setting = setting;
        self
    }

    const fn at_most(mut self, tasks: u64) -> Self {
        self.most = tasks;
        self
    }

    fn command(&self) -> Result<Command, Failure> {
        let given = |variable| prepared(variable, "make bench-queue").map(Command::new);
        let mut command = match self.program {
            Program::Node(_) => given("OPSCONDUCTOR_BENCH_QUEUE_NODE")?,
            Program::Python(_) => given("OPSCONDUCTOR_BENCH_QUEUE_PYTHON")?,
            Program::Rust => given("OPSCONDUCTOR_BENCH_QUEUE_RUST")?,
        };
        match self.program {
            // The door has laid the scripts beside the packages, where Node looks for them.
            Program::Node(script) => command.arg(script),
            Program::Python(script) => {
                command.arg(Path::new(PYTHON).join(script)).env("PYTHONPATH", PYTHON_PEERS)
            }
            Program::Rust => &mut command,
        };
        Ok(command)
    }
}
