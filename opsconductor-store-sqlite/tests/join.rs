//! A run that comes and goes with the host's own rows, in our file or in one that ours is attached to.
#![allow(clippy::unwrap_used, reason = "a test may panic")]

use std::{path::Path, sync::Arc};

use async_trait::async_trait;
use opsconductor_core::{
    ErrorKind, Result,
    store::{Enqueued, History, JobRecord, NewRun, Notice, Store},
    tenant::DEFAULT_TENANT,
    testing::store::join::{Ends, JoinHost, Meanwhile, job, new_run},
};
use opsconductor_store_sqlite::{
    SqliteOptions, SqliteStore,
    rusqlite::{Connection, TransactionBehavior},
};
use tempfile::TempDir;

/// A host with rows of its own.
struct Host {
    directory: TempDir,
    store: Arc<SqliteStore>,
    connection: Connection,
}

impl Host {
    /// One that has its rows in our file.
    async fn within() -> Self {
        Self::new(false)
    }

    /// One that has a file of its own, which ours is attached to.
    async fn beside() -> Self {
        Self::new(true)
    }

    fn new(attached: bool) -> Self {
        let directory = TempDir::new().unwrap();
        let path = directory.path().join("ops.db");
        let store = Arc::new(SqliteStore::open(&path, SqliteOptions::default()).unwrap());
        let connection = match attached {
            false => Connection::open(&path).unwrap(),
            true => beside(directory.path(), &path),
        };
        connection.execute_batch("CREATE TABLE orders (id INTEGER PRIMARY KEY)").unwrap();
        Self { directory, store, connection }
    }

    async fn job(&self) -> JobRecord {
        job(&*self.store).await
    }

    async fn queued(&self) -> u64 {
        self.store.queue_depth().await.unwrap().0
    }
}

#[async_trait(?Send)]
impl JoinHost for Host {
    fn store(&self) -> Arc<dyn Store> {
        self.store.clone()
    }

    async fn order(
        &mut self,
        new: Vec<NewRun>,
        meanwhile: Meanwhile<'_>,
        ends: Ends,
    ) -> Vec<Result<Enqueued>> {
        let tx = self.connection.transaction_with_behavior(TransactionBehavior::Immediate).unwrap();
        tx.execute("INSERT INTO orders DEFAULT VALUES", []).unwrap();
        let enqueue = |new| self.store.enqueue_in(&tx, DEFAULT_TENANT, new);
        let answers = new.into_iter().map(enqueue).collect();
        meanwhile.await;
        match ends {
            Ends::Committed => tx.commit().unwrap(),
            Ends::RolledBack => tx.rollback().unwrap(),
        }
        answers
    }

    async fn orders(&mut self) -> u64 {
        self.connection
            .query_row("SELECT count(*) FROM orders", [], |row| row.get::<_, u32>(0))
            .unwrap()
            .into()
    }
}

/// A file of the host's whose tables have the names of ours, with our file attached under a name that needs quoting.
fn beside(folder: &Path, ours: &Path) -> Connection {
    let connection = Connection::open(folder.join("host.db")).unwrap();
    connection
        .execute_batch(
            "CREATE TABLE jobs (mine TEXT); CREATE TABLE job_runs (mine TEXT); CREATE TABLE queue (mine TEXT);
            CREATE TABLE run_events (mine TEXT); CREATE TABLE run_plans (mine TEXT); CREATE TABLE run_steps (mine TEXT);
            CREATE TABLE job_run_steps (mine TEXT); CREATE TABLE job_versions (mine TEXT);
            CREATE TABLE run_secrets (mine TEXT)",
        )
        .unwrap();
    connection.execute("ATTACH ?1 AS \"the \"\"ops\"\"\"", [ours.to_str().unwrap()]).unwrap();
    connection
}

mod in_our_file {
    use super::Host;

    opsconductor_core::join_suite!(Host::within());
}

mod in_a_file_beside_ours {
    use super::Host;

    opsconductor_core::join_suite!(Host::beside());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn workers_hear_of_it_when_the_host_says_so() {
    let mut host = Host::beside().await;
    let new = new_run(&host.job().await);
    let mut heard = host.store.notices().unwrap();
    let quiet = Box::pin(std::future::ready(()));
    let run = host.order(vec![new], quiet, Ends::Committed).await.remove(0).unwrap().run;
    assert!(heard.try_recv().is_err(), "nobody hears of what may not have come");
    host.store.wake();
    assert_eq!(heard.try_recv().unwrap(), Notice::Ready);
    assert_eq!(host.store.run(DEFAULT_TENANT, run.id).await.unwrap(), run);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_session_is_found_again_as_it_was() {
    let mut host = Host::beside().await;
    let settings = |connection: &Connection| {
        ["foreign_keys", "synchronous", "busy_timeout", "query_only", "recursive_triggers"].map(|name| {
            connection.query_row(&format!("PRAGMA {name}"), [], |row| row.get::<_, i64>(0)).unwrap()
        })
    };
    host.connection.execute_batch("PRAGMA foreign_keys = off; PRAGMA synchronous = normal").unwrap();
    let (before, new) = (settings(&host.connection), new_run(&host.job().await));
    let tx = host.connection.transaction().unwrap();
    tx.execute_batch("SAVEPOINT mine").unwrap();
    host.store.enqueue_in(&tx, DEFAULT_TENANT, new).unwrap();
    tx.execute_batch("ROLLBACK TO mine; RELEASE mine").unwrap();
    tx.commit().unwrap();
    assert_eq!((settings(&host.connection), host.queued().await), (before, 0));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_connection_without_the_file_is_refused() {
    let host = Host::beside().await;
    let new = new_run(&host.job().await);
    let mut stranger = Connection::open(host.directory.path().join("stranger.db")).unwrap();
    let tx = stranger.transaction().unwrap();
    let error = host.store.enqueue_in(&tx, DEFAULT_TENANT, new).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::InvalidInput);
    assert!(error.report().contains("attach it"), "{}", error.report());
}
