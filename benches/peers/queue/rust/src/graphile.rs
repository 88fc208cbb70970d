//! graphile_worker: its worker, plain and with its local queue, and its utilities.

use std::time::Duration;

use graphile_worker::{
    IntoTaskHandlerResult, JobSpec, LocalQueueConfig, TaskHandler, WorkerContext, WorkerOptions, WorkerUtils,
};
use sqlx::{PgPool, postgres::PgPoolOptions, query_scalar};

use crate::{
    Failure,
    queue::{Nothing, Queue, started},
};

const CONNECTIONS: u32 = 20;
/// How many tasks run at once, plain and out of the local queue.
const AT_ONCE: usize = 10;
const AT_ONCE_LOCALLY: usize = 64;
/// How many local queues there are, how many tasks each fetches at a time, and how long the end of one waits for that of others.
const QUEUES: usize = 4;
const FETCHED: usize = 1_250;
const DELAY: Duration = Duration::from_millis(2);

#[derive(Clone)]
pub(crate) struct Graphile {
    pool: PgPool,
    local: bool,
}

pub(crate) async fn open(url: &str, setting: &str) -> Result<Graphile, Failure> {
    let pool = PgPoolOptions::new().max_connections(CONNECTIONS).connect(url).await?;
    let queue = Graphile { pool, local: setting == "local queue" };
    queue.utils().migrate().await?;
    Ok(queue)
}

impl TaskHandler for Nothing {
    const IDENTIFIER: &'static str = "nothing";

    async fn run(self, _: WorkerContext) -> impl IntoTaskHandlerResult {
        started();
        Ok::<(), String>(())
    }
}

impl Graphile {
    fn utils(&self) -> WorkerUtils {
        WorkerUtils::new(self.pool.clone(), "graphile_worker")
    }
}

impl Queue for Graphile {
    async fn one(&self) -> Result<(), Failure> {
        self.utils().add_job(Nothing {}, JobSpec::default()).await?;
        Ok(())
    }

    async fn many(&self, count: usize) -> Result<(), Failure> {
        let spec = JobSpec::default();
        self.utils().add_jobs(&vec![(Nothing {}, &spec); count]).await?;
        Ok(())
    }

    async fn work(&self) -> Result<(), Failure> {
        let options = WorkerOptions::default().pg_pool(self.pool.clone()).define_job::<Nothing>();
        let options = if self.local {
            options
                .concurrency(AT_ONCE_LOCALLY)
                .local_queue(LocalQueueConfig::default().with_size(FETCHED).with_queue_count(QUEUES))
                .complete_job_batch_delay(DELAY)
        } else {
            options.concurrency(AT_ONCE)
        };
        let worker = options.init().await?;
        tokio::spawn(async move { worker.run().await });
        Ok(())
    }

    async fn left(&self) -> Result<bool, Failure> {
        let left = query_scalar("SELECT EXISTS (SELECT FROM graphile_worker._private_jobs)");
        Ok(left.fetch_one(&self.pool).await?)
    }
}
