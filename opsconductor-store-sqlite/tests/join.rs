//! A run that comes and goes with the host's own rows.
#![allow(clippy::unwrap_used, reason = "a test may panic")]

use std::path::Path;

use opsconductor_core::{
    ErrorKind,
    id::JobId,
    run::RunStatus,
    store::{Catalog, History, Idempotency, JobRecord, NewJob, NewRun, Notice, Queue, Store},
    tenant::DEFAULT_TENANT,
    testing::store::PlanSketch,
};
use opsconductor_store_sqlite::{
    SqliteOptions, SqliteStore,
    rusqlite::{Connection, TransactionBehavior},
};
use serde_json::json;
use tempfile::TempDir;

/// A host with rows of its own, in our file or in one that ours is attached to.
struct Host {
    directory: TempDir,
    store: SqliteStore,
    job: JobRecord,
    connection: Connection,
}

impl Host {
    async fn new(attached: bool) -> Self {
        let directory = TempDir::new().unwrap();
        let path = directory.path().join("ops.db");
        let store = SqliteStore::open(&path, SqliteOptions::default()).unwrap();
        let new = NewJob {
            name: "job".to_owned(),
            version: 1,
            definition: json!({"steps": []}),
            created_by: None,
            is_active: true,
        };
        let job = store.insert_job(DEFAULT_TENANT, new).await.unwrap();
        let connection = match attached {
            false => Connection::open(&path).unwrap(),
            true => beside(directory.path(), &path),
        };
        connection.execute_batch("CREATE TABLE orders (id INTEGER PRIMARY KEY)").unwrap();
        Self { directory, store, job, connection }
    }

    fn new_run(&self) -> NewRun {
        NewRun {
            job: self.job.id,
            plan: PlanSketch::new(&self.job, &[]).step(&[], &[]).build(),
            if_current: false,
            requested_by: None,
            correlation_id: None,
            idempotency: None,
            priority: 0,
            parent: None,
            concurrency_key: None,
            labels: Default::default(),
        }
    }

    fn orders(&self) -> i64 {
        self.connection.query_row("SELECT count(*) FROM orders", [], |row| row.get(0)).unwrap()
    }

    async fn queued(&self) -> u64 {
        self.store.queue_depth().await.unwrap().0
    }
}

/// A file of the host's whose tables have the names of ours, with our file attached under a name that needs quoting.
fn beside(folder: &Path, ours: &Path) -> Connection {
    let connection = Connection::open(folder.join("host.db")).unwrap();
    connection
        .execute_batch(
            "CREATE TABLE jobs (mine TEXT); CREATE TABLE job_runs (mine TEXT); CREATE TABLE queue (mine TEXT);
            CREATE TABLE run_events (mine TEXT); CREATE TABLE run_plans (mine TEXT); CREATE TABLE run_steps (mine TEXT);
            CREATE TABLE job_run_steps (mine TEXT); CREATE TABLE job_versions (mine TEXT)",
        )
        .unwrap();
    connection.execute("ATTACH ?1 AS \"the \"\"ops\"\"\"", [ours.to_str().unwrap()]).unwrap();
    connection
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_run_is_there_when_the_host_commits() {
    for attached in [false, true] {
        let mut host = Host::new(attached).await;
        let (new, mut heard) = (host.new_run(), host.store.notices().unwrap());
        let tx = host.connection.transaction_with_behavior(TransactionBehavior::Immediate).unwrap();
        tx.execute("INSERT INTO orders VALUES (1)", []).unwrap();
        let run = host.store.enqueue_in(&tx, DEFAULT_TENANT, new).unwrap().run;
        assert_eq!(host.store.run(DEFAULT_TENANT, run.id).await.unwrap_err().kind(), ErrorKind::NotFound);
        assert!(heard.try_recv().is_err(), "nobody hears of what may not come");
        tx.commit().unwrap();
        host.store.wake();
        assert_eq!(heard.try_recv().unwrap(), Notice::Ready);
        let found = host.store.run(DEFAULT_TENANT, run.id).await.unwrap();
        assert_eq!((found.status, found == run, host.orders()), (RunStatus::Queued, true, 1));
        let events = host.store.events(DEFAULT_TENANT, run.id, 0, 10).await.unwrap();
        assert_eq!((events.len(), events[0].seq, host.queued().await), (1, 1, 1));
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_run_is_gone_when_the_host_rolls_back() {
    for attached in [false, true] {
        let mut host = Host::new(attached).await;
        let new = host.new_run();
        let tx = host.connection.transaction_with_behavior(TransactionBehavior::Immediate).unwrap();
        tx.execute("INSERT INTO orders VALUES (1)", []).unwrap();
        let run = host.store.enqueue_in(&tx, DEFAULT_TENANT, new).unwrap().run;
        tx.rollback().unwrap();
        assert_eq!(host.store.run(DEFAULT_TENANT, run.id).await.unwrap_err().kind(), ErrorKind::NotFound);
        assert_eq!((host.orders(), host.queued().await), (0, 0));
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_refusal_leaves_the_transaction_as_it_stood() {
    let mut host = Host::new(true).await;
    let (good, bad) = (host.new_run(), NewRun { job: JobId::new(404), ..host.new_run() });
    let tx = host.connection.transaction_with_behavior(TransactionBehavior::Immediate).unwrap();
    tx.execute("INSERT INTO orders VALUES (1)", []).unwrap();
    let refused = host.store.enqueue_in(&tx, DEFAULT_TENANT, bad).unwrap_err();
    assert_eq!(refused.kind(), ErrorKind::NotFound);
    host.store.enqueue_in(&tx, DEFAULT_TENANT, good).unwrap();
    tx.commit().unwrap();
    assert_eq!((host.orders(), host.queued().await), (1, 1));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_repeat_in_a_transaction_answers_the_first_run() {
    let mut host = Host::new(true).await;
    let key = |digest| Some(Idempotency { key: "once".to_owned(), digest: [digest; 32] });
    let first = host.store.enqueue(DEFAULT_TENANT, NewRun { idempotency: key(1), ..host.new_run() }).await;
    let (again, other) =
        (NewRun { idempotency: key(1), ..host.new_run() }, NewRun { idempotency: key(2), ..host.new_run() });
    let tx = host.connection.transaction_with_behavior(TransactionBehavior::Immediate).unwrap();
    let repeat = host.store.enqueue_in(&tx, DEFAULT_TENANT, again).unwrap();
    assert_eq!((repeat.repeated, repeat.run.id), (true, first.unwrap().run.id));
    let conflict = host.store.enqueue_in(&tx, DEFAULT_TENANT, other).unwrap_err();
    assert_eq!(conflict.kind(), ErrorKind::Conflict);
    tx.commit().unwrap();
    assert_eq!(host.queued().await, 1);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_session_is_found_again_as_it_was() {
    let mut host = Host::new(true).await;
    let settings = |connection: &Connection| {
        ["foreign_keys", "synchronous", "busy_timeout", "query_only", "recursive_triggers"].map(|name| {
            connection.query_row(&format!("PRAGMA {name}"), [], |row| row.get::<_, i64>(0)).unwrap()
        })
    };
    host.connection.execute_batch("PRAGMA foreign_keys = off; PRAGMA synchronous = normal").unwrap();
    let (before, new) = (settings(&host.connection), host.new_run());
    let tx = host.connection.transaction().unwrap();
    tx.execute_batch("SAVEPOINT mine").unwrap();
    host.store.enqueue_in(&tx, DEFAULT_TENANT, new).unwrap();
    tx.execute_batch("ROLLBACK TO mine; RELEASE mine").unwrap();
    tx.commit().unwrap();
    assert_eq!((settings(&host.connection), host.queued().await), (before, 0));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_connection_without_the_file_is_refused() {
    let host = Host::new(true).await;
    let mut stranger = Connection::open(host.directory.path().join("stranger.db")).unwrap();
    let tx = stranger.transaction().unwrap();
    let error = host.store.enqueue_in(&tx, DEFAULT_TENANT, host.new_run()).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::InvalidInput);
    assert!(error.report().contains("attach it"), "{}", error.report());
}
