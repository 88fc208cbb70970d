//! Several handles and several processes on one file, and what is left when one of them dies.
#![allow(clippy::unwrap_used, reason = "a test may panic")]

use std::{
    collections::BTreeSet,
    io::{BufRead, BufReader, Read},
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    sync::Arc,
    time::Duration,
};

use opsconductor_core::{
    ErrorKind,
    id::WorkerId,
    run::{RunStatus, TaskStatus},
    store::{Catalog, Store},
    testing::{
        ManualClock,
        store::{Fixture, StoreBuilder},
    },
};
use opsconductor_store_sqlite::{SqliteOptions, SqliteStore};
use tempfile::TempDir;

/// Where a process that a test starts finds the data file.
const PATH: &str = "OPSCONDUCTOR_TEST_DATA_FILE";

/// A data file that stays where it is while stores come and go.
struct Shared(PathBuf);

#[async_trait::async_trait]
impl StoreBuilder for Shared {
    type Guard = ();

    async fn build(&self, clock: Arc<ManualClock>) -> (Arc<dyn Store>, ()) {
        (Arc::new(open(&self.0, clock)), ())
    }
}

fn open(path: &Path, clock: Arc<ManualClock>) -> SqliteStore {
    SqliteStore::open(path, SqliteOptions::default().with_clock(clock).with_boot("one")).unwrap()
}

fn place() -> (TempDir, Shared) {
    let directory = TempDir::new().unwrap();
    let path = directory.path().join("data.db");
    (directory, Shared(path))
}

/// Claims one at a time until nothing is left.
async fn drain(fixture: &Fixture) -> Vec<i64> {
    let mut mine = Vec::new();
    while let Some(claimed) = fixture.claim(1).await.pop() {
        mine.push(claimed.lease.task.get());
    }
    mine
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn two_handles_share_the_queue() {
    let (_directory, shared) = place();
    let (a, ()) = Fixture::build(&shared).await;
    let (b, ()) = Fixture::build(&shared).await;
    let run = a.wide(3).await;
    let first = b.claim(1).await.remove(0);
    let second = a.claim(1).await.remove(0);
    assert_ne!(first.lease.task, second.lease.task);
    a.end(second.lease, TaskStatus::Succeeded).await;
    b.end(first.lease, TaskStatus::Succeeded).await;
    let third = b.claim_one().await;
    assert_eq!(b.end(third.lease, TaskStatus::Succeeded).await, Some(RunStatus::Succeeded));
    assert_eq!(a.run(run.id).await, b.run(run.id).await);
    assert_eq!(a.events(run.id).await, b.events(run.id).await);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn two_processes_share_the_queue() {
    const TASKS: usize = 60;
    let (_directory, shared) = place();
    let (fixture, ()) = Fixture::build(&shared).await;
    fixture.wide(TASKS).await;
    let mut child = start("a_process_that_drains", &shared.0);
    let mine = drain(&fixture).await;
    let theirs = report(&mut child);
    assert!(child.wait().unwrap().success());
    let all: BTreeSet<_> = mine.iter().chain(&theirs).collect();
    assert_eq!(all.len(), mine.len() + theirs.len(), "no task went to both");
    assert_eq!(all.len(), TASKS);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_leases_of_a_killed_process_run_out() {
    let (_directory, shared) = place();
    let (fixture, ()) = Fixture::build(&shared).await;
    let run = fixture.wide(3).await;
    drop(fixture);
    let mut child = start("a_process_that_holds", &shared.0);
    let held = report(&mut child);
    child.kill().unwrap();
    child.wait().unwrap();
    assert_eq!(held.len(), 3);

    let (fixture, ()) = Fixture::build(&shared).await;
    assert_eq!(fixture.statuses(run.id).await, [TaskStatus::Running; 3], "what it committed is there");
    assert!(fixture.claim(10).await.is_empty());
    let rescuer = WorkerId::generate();
    let early = fixture.store.take_expired(rescuer, 10, Fixture::TTL).await.unwrap();
    assert!(early.is_empty(), "its leases have not run out");
    fixture.clock.advance(Fixture::TTL);
    let expired = fixture.store.take_expired(rescuer, 10, Fixture::TTL).await.unwrap();
    let mut found: Vec<_> = expired.iter().map(|expired| expired.claimed.lease.task.get()).collect();
    found.sort_unstable();
    assert_eq!(found, held);
    let dispatched = expired.iter().filter(|expired| expired.dispatched.is_some()).count();
    assert_eq!(dispatched, 1, "one command may have been sent");
    for expired in expired {
        fixture.end(expired.claimed.lease, TaskStatus::Lost).await;
    }
    assert_eq!(fixture.run(run.id).await.status, RunStatus::Failed);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_run_goes_on_after_a_restart() {
    let (_directory, shared) = place();
    let (fixture, ()) = Fixture::build(&shared).await;
    let run = fixture.wide(2).await;
    let claimed = fixture.claim(2).await;
    fixture.end(claimed[0].lease, TaskStatus::Succeeded).await;
    drop(fixture);
    let (fixture, ()) = Fixture::build(&shared).await;
    assert_eq!(fixture.end(claimed[1].lease, TaskStatus::Succeeded).await, Some(RunStatus::Succeeded));
    assert_eq!(fixture.run(run.id).await.status, RunStatus::Succeeded);
    assert_eq!(fixture.events(run.id).await.len(), 7);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn requests_that_waited_together_stand_or_fall_alone() {
    let (_directory, shared) = place();
    let store = Arc::new(open(&shared.0, Arc::new(ManualClock::new())));
    store.create_tenant("taken").await.unwrap();
    // While another connection holds the file, requests pile up and then go into few transactions.
    let other = rusqlite::Connection::open(&shared.0).unwrap();
    other.execute_batch("BEGIN IMMEDIATE").unwrap();
    let calls: Vec<_> = (0..60)
        .map(|n| {
            let store = store.clone();
            let name = if n % 3 == 0 { "taken".to_owned() } else { format!("tenant-{n}") };
            tokio::spawn(async move { (n, store.create_tenant(&name).await) })
        })
        .collect();
    let readers_go_on = store.tenant_by_name("taken").await;
    assert!(readers_go_on.is_ok(), "readers do not wait for the writer");
    other.execute_batch("COMMIT").unwrap();
    for call in calls {
        match call.await.unwrap() {
            (n, Ok(made)) => {
                assert_ne!(n % 3, 0);
                assert_eq!(store.tenant_by_name(&made.name).await.unwrap(), made);
            }
            (n, Err(error)) => {
                assert_eq!((n % 3, error.kind()), (0, ErrorKind::Conflict), "{error}");
            }
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_file_that_stays_locked_makes_writers_try_later() {
    let (_directory, shared) = place();
    let options = SqliteOptions::default().with_busy_timeout(Duration::from_millis(20));
    let store = SqliteStore::open(&shared.0, options).unwrap();
    let other = rusqlite::Connection::open(&shared.0).unwrap();
    other.execute_batch("BEGIN IMMEDIATE").unwrap();
    let error = store.create_tenant("acme").await.unwrap_err();
    assert_eq!((error.kind(), error.is_retryable()), (ErrorKind::StoreUnavailable, true));
    assert_eq!(store.tenant_by_name("acme").await.unwrap_err().kind(), ErrorKind::NotFound);
    other.execute_batch("COMMIT").unwrap();
    assert!(store.create_tenant("acme").await.is_ok());
}

/// Not a test of its own: what the processes do that the tests above start.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_process_that_drains() {
    let Some(path) = std::env::var_os(PATH) else { return };
    let (fixture, ()) = Fixture::build(&Shared(path.into())).await;
    tell(&drain(&fixture).await);
}

/// As above: claims, dispatches one, and never comes back.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_process_that_holds() {
    let Some(path) = std::env::var_os(PATH) else { return };
    let (fixture, ()) = Fixture::build(&Shared(path.into())).await;
    let claimed = fixture.claim(10).await;
    fixture.store.record_dispatch(&claimed[0].lease, &Fixture::handle("a")).await.unwrap();
    tell(&claimed.iter().map(|claimed| claimed.lease.task.get()).collect::<Vec<_>>());
    // Until it is killed, or the parent is gone.
    let mut nothing = Vec::new();
    tokio::task::spawn_blocking(move || std::io::stdin().read_to_end(&mut nothing)).await.unwrap().unwrap();
}

fn tell(tasks: &[i64]) {
    let tasks: Vec<_> = tasks.iter().map(i64::to_string).collect();
    println!("\ntasks:{}", tasks.join(","));
}

fn start(name: &str, path: &Path) -> Child {
    Command::new(std::env::current_exe().unwrap())
        .args(["--exact", name, "--nocapture"])
        .env(PATH, path)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .unwrap()
}

/// What a started process told. Its standard output stays open: the test harness in it has more to say, and fails when
/// nobody listens.
fn report(child: &mut Child) -> Vec<i64> {
    let mut output = BufReader::new(child.stdout.as_mut().unwrap());
    let mut line = String::new();
    while output.read_line(&mut line).unwrap() > 0 {
        if let Some(tasks) = line.trim_end().strip_prefix("tasks:") {
            return tasks
                .split(',')
                .filter(|task| !task.is_empty())
                .map(|task| task.parse().unwrap())
                .collect();
        }
        line.clear();
    }
    panic!("the process told nothing");
}
