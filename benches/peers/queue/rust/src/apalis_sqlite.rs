//! apalis on SQLite, told of new tasks by the update hook of its connections.

use std::{
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use apalis::prelude::*;
use apalis_sqlite::{Config, SqliteStorage, callback::HookCallbackListener};
use sqlx::{SqlitePool, query_scalar, sqlite::SqlitePoolOptions};

use crate::{
    Failure,
    queue::{Nothing, Queue, started},
};

/// How many tasks are fetched at a time.
const FETCHED: usize = 1_000;
/// How often it looks though it was told of nothing: it tells the end of tasks when it looks.
const LOOK: Duration = Duration::from_millis(5);

#[derive(Clone)]
pub(crate) struct ApalisSqlite {
    pool: SqlitePool,
    listener: Arc<Mutex<Option<HookCallbackListener>>>,
}

pub(crate) async fn open(path: &str) -> Result<ApalisSqlite, Failure> {
    let url = format!("sqlite://{path}?mode=rwc");
    // Its set-up turns syncing off on the connection that it is given.
    let first = SqlitePoolOptions::new().max_connections(1).connect(&url).await?;
    SqliteStorage::setup(&first).await?;
    first.close().await;
    let (pool, listener) = SqliteStorage::connect_with_callback(&url)?;
    let journal: String = query_scalar("PRAGMA journal_mode").fetch_one(&pool).await?;
    let synchronous: i64 = query_scalar("PRAGMA synchronous").fetch_one(&pool).await?;
    if (journal.as_str(), synchronous) != ("wal", 2) {
        return Err(format!("the file is not synced: {journal}, {synchronous}").into());
    }
    Ok(ApalisSqlite { pool, listener: Arc::new(Mutex::new(Some(listener))) })
}

impl ApalisSqlite {
    fn storage(&self) -> SqliteStorage<Nothing> {
        let config = Config::default().queue("nothing").batch_size(FETCHED).lock_tasks(false);
        SqliteStorage::new(&self.pool).with_config(config)
    }
}

async fn nothing(_: Nothing) -> Result<(), BoxDynError> {
    started();
    Ok(())
}

impl Queue for ApalisSqlite {
    async fn one(&self) -> Result<(), Failure> {
        Ok(self.storage().push(Nothing {}).await?)
    }

    async fn many(&self, count: usize) -> Result<(), Failure> {
        Ok(self.storage().push_bulk(vec![Nothing {}; count]).await?)
    }

    async fn work(&self) -> Result<(), Failure> {
        let listener = self.listener.lock().unwrap_or_else(PoisonError::into_inner).take();
        let listener = listener.ok_or("a queue has one worker")?;
        let storage = self.storage().with_callback(listener).poll_with_interval(LOOK);
        let worker = WorkerBuilder::new("bench").backend(storage).build(nothing);
        tokio::spawn(async move { worker.run().await });
        Ok(())
    }

    async fn left(&self) -> Result<bool, Failure> {
        let left = query_scalar("SELECT EXISTS (SELECT 1 FROM Jobs WHERE status <> 'Done')");
        Ok(left.fetch_one(&self.pool).await?)
    }
}
