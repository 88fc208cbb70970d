//! Runs that come in at the same time are written together.
//!
//! What arrives while others are being written makes up the next statement: no delay when idle, few commits in a burst. One is under way at a
//! time: what a statement costs before its first row is more than what a second one beside it would win.

use std::{sync::Arc, time::Duration};

use opsconductor_core::{
    Error, ErrorKind,
    audit::staging::Staged,
    clock::{Clock, Timestamp},
    id::{RunId, TenantId},
};
use tokio::{
    sync::{mpsc, oneshot},
    task::AbortHandle,
};

use super::{enqueue::Prepared, insert::insert};
use crate::{error::DbResult, pools::Pools, sql::Statements};

/// How many runs go into one statement at most.
const RUNS_MAX: usize = 128;

/// A run with more tasks is written by itself.
const TASKS_MAX: usize = 256;

/// How long a statement waits for others. A run whose idempotency key a transaction of a host holds is left to its caller, who waits for that alone.
const PATIENCE: Duration = Duration::from_millis(50);

/// What became of a run that was offered.
pub(super) enum Offered {
    /// It was written.
    Written(RunId, Timestamp),
    /// It was not written; whoever offered it writes it alone, or learns why it cannot be.
    Alone,
    /// Whether it was written is not known, or the database is away.
    Failed(Error),
}

struct Waiting {
    tenant: TenantId,
    prepared: Arc<Prepared>,
    staged: Option<Staged>,
    answer: oneshot::Sender<Offered>,
}

impl Waiting {
    /// Whether another transaction may hold its idempotency key.
    fn is_keyed(&self) -> bool {
        self.prepared.new.idempotency.is_some()
    }

    /// Tells its caller, who may have stopped waiting; what was written stands.
    fn answer(self, offered: Offered) {
        let _ = self.answer.send(offered);
    }
}

/// The way to the task that gathers.
#[derive(Debug)]
pub(crate) struct Gatherer {
    queue: mpsc::Sender<Waiting>,
    task: AbortHandle,
}

impl Gatherer {
    /// Starts the task.
    pub(crate) fn start(pools: Pools, statements: Arc<Statements>, clock: Option<Arc<dyn Clock>>) -> Self {
        let (queue, waiting) = mpsc::channel(RUNS_MAX);
        let writer = Writer { pools, statements, clock };
        Self { queue, task: tokio::spawn(gather(writer, waiting)).abort_handle() }
    }

    /// Offers a run to be written with others. One with a concurrency key is written in a transaction
    /// that holds the key, and one whose plan says more than a statement writes in a transaction too.
    pub(super) async fn offer(
        &self,
        tenant: TenantId,
        prepared: &Arc<Prepared>,
        staged: &Option<Staged>,
    ) -> Offered {
        let tasks: usize = prepared.new.plan.steps.iter().map(|step| step.task_count() as usize).sum();
        if prepared.new.concurrency_key.is_some() || !prepared.new.plan.is_plain() || tasks > TASKS_MAX {
            return Offered::Alone;
        }
        let (answer, answered) = oneshot::channel();
        let waiting = Waiting { tenant, prepared: Arc::clone(prepared), staged: staged.clone(), answer };
        if self.queue.send(waiting).await.is_err() {
            return Offered::Alone;
        }
        answered.await.unwrap_or_else(|_| {
            Offered::Failed(Error::new(ErrorKind::StoreUnavailable, "the store was closed"))
        })
    }
}

impl Drop for Gatherer {
    fn drop(&mut self) {
        self.task.abort();
    }
}

struct Writer {
    pools: Pools,
    statements: Arc<Statements>,
    clock: Option<Arc<dyn Clock>>,
}

async fn gather(writer: Writer, mut waiting: mpsc::Receiver<Waiting>) {
    let mut runs = Vec::new();
    while waiting.recv_many(&mut runs, RUNS_MAX).await > 0 {
        // Callers who were answered together come again together: whoever is about to comes along.
        let mut known = 0;
        while runs.len() > known {
            known = runs.len();
            tokio::task::yield_now().await;
            while runs.len() < RUNS_MAX
                && let Ok(run) = waiting.try_recv()
            {
                runs.push(run);
            }
        }
        writer.write(std::mem::take(&mut runs)).await;
    }
}

impl Writer {
    /// Writes runs and answers each of those who wait.
    async fn write(&self, runs: Vec<Waiting>) {
        if let [only] = &runs[..]
            && only.is_keyed()
        {
            return runs.into_iter().for_each(|run| run.answer(Offered::Alone));
        }
        let written = self.insert(&runs).await;
        let failure = match written {
            Ok(written) => {
                for (run, written) in runs.into_iter().zip(written) {
                    let offered = match written {
                        Some((id, queued_at)) => Offered::Written(id, queued_at),
                        None => Offered::Alone,
                    };
                    run.answer(offered);
                }
                return;
            }
            Err(failure) => failure,
        };
        // One that the server does not take must not take its neighbours along.
        let refused = runs.len() > 1 && failure.is_refusal();
        let error = Arc::new(Error::from(failure));
        for run in runs {
            let offered = match refused {
                true => Offered::Alone,
                false => Offered::Failed(
                    Error::new(error.kind(), error.to_string()).with_source(Arc::clone(&error)),
                ),
            };
            run.answer(offered);
        }
    }

    async fn insert(&self, runs: &[Waiting]) -> DbResult<Vec<Option<(RunId, Timestamp)>>> {
        let given: Vec<_> = runs.iter().map(|run| (run.tenant, &*run.prepared)).collect();
        let moment = self.clock.as_ref().map(|clock| clock.now());
        let is_noted = runs.iter().any(|run| run.staged.is_some());
        if !is_noted && !runs.iter().any(Waiting::is_keyed) {
            return insert(&self.statements, moment, &mut *self.pools.queue().await?, &given).await;
        }
        let mut tx = self.pools.impatient_transaction(PATIENCE).await?;
        let written = insert(&self.statements, moment, &mut tx, &given).await?;
        // The entries of those that were written; whoever writes another alone takes its entry along.
        let mut entries = Vec::new();
        for (run, written) in runs.iter().zip(&written) {
            if let (Some(mut staged), Some((id, _))) = (run.staged.clone(), written) {
                staged.entry.concerns(id.get());
                entries.push(staged);
            }
        }
        self.pools.recorder().write(&mut tx, entries).await?;
        tx.commit().await?;
        Ok(written)
    }
}
