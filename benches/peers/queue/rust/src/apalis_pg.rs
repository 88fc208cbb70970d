//! apalis on PostgreSQL, told of new tasks by its notifications.

use std::time::Duration;

use apalis::prelude::*;
use apalis_postgres::{Config, PostgresStorage};
use sqlx::{PgPool, postgres::PgPoolOptions, query_scalar};

use crate::{
    Failure,
    queue::{Nothing, Queue, started},
};

const CONNECTIONS: u32 = 20;
/// How many tasks are fetched at a time.
const FETCHED: usize = 1_000;
/// How often it looks though it was told of nothing: it tells the end of tasks when it looks.
const LOOK: Duration = Duration::from_millis(5);

#[derive(Clone)]
pub(crate) struct ApalisPg {
    pool: PgPool,
}

pub(crate) async fn open(url: &str) -> Result<ApalisPg, Failure> {
    let pool = PgPoolOptions::new().max_connections(CONNECTIONS).connect(url).await?;
    PostgresStorage::setup(&pool).await?;
    Ok(ApalisPg { pool })
}

impl ApalisPg {
    fn storage(&self) -> PostgresStorage<Nothing> {
        let config = Config::default().queue("nothing").batch_size(FETCHED).lock_tasks(false);
        PostgresStorage::new(&self.pool).with_config(config)
    }
}

async fn nothing(_: Nothing) -> Result<(), BoxDynError> {
    started();
    Ok(())
}

impl Queue for ApalisPg {
    async fn one(&self) -> Result<(), Failure> {
        Ok(self.storage().push(Nothing {}).await?)
    }

    async fn many(&self, count: usize) -> Result<(), Failure> {
        Ok(self.storage().push_bulk(vec![Nothing {}; count]).await?)
    }

    async fn work(&self) -> Result<(), Failure> {
        let storage = self.storage().with_pubsub().poll_with_interval(LOOK);
        let worker = WorkerBuilder::new("bench").backend(storage).build(nothing);
        tokio::spawn(async move { worker.run().await });
        Ok(())
    }

    async fn left(&self) -> Result<bool, Failure> {
        let left = query_scalar("SELECT EXISTS (SELECT FROM apalis.jobs WHERE status <> 'Done')");
        Ok(left.fetch_one(&self.pool).await?)
    }
}
