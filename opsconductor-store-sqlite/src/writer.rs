//! One thread writes. It commits what is waiting together: each request runs in a savepoint of its own inside one
//! transaction, and nobody is answered before the commit is on disk.

use std::{
    panic::{AssertUnwindSafe, catch_unwind},
    sync::Arc,
    thread::JoinHandle,
    time::{Duration, Instant},
};

use opsconductor_core::{
    Error, ErrorKind, Result,
    audit::staging::{self, Staged},
    clock::Clock,
    id::{RunId, TenantId},
    run::RunPlan,
    store::{Notice, PlanCache},
};
use rusqlite::{CachedStatement, Connection};
use tokio::sync::{broadcast, mpsc, oneshot};

use crate::{
    audit,
    error::{DbResult, Failure},
    steady::Steady,
    tables::Tables,
};

/// How many requests may wait for the writer before callers wait in turn.
const WAITING_MAX: usize = 1024;

/// How many requests go into one transaction.
const BATCH_MAX: usize = 256;

/// How long the thread looks for the next request before it goes to sleep. Whoever writes one after the other asks again
/// within it, and to be woken would take longer than to write.
const ALERT_FOR: Duration = Duration::from_micros(60);

/// The door to the writer's thread. Dropping it ends the thread after what is waiting was done.
pub(crate) struct Writer {
    requests: Option<mpsc::Sender<Box<dyn Request>>>,
    thread: Option<JoinHandle<()>>,
}

/// What a request sees of the transaction.
pub(crate) struct Tx<'a> {
    pub(crate) db: &'a Connection,
    /// Microseconds since 1970, by the store's clock: what records say.
    pub(crate) now: i64,
    /// Microseconds by the [steady](crate::steady) clock: what leases and due times go by.
    pub(crate) steady: i64,
    pub(crate) plans: &'a PlanCache,
    tables: Tables<'a>,
    effects: &'a mut Effects,
    /// The entry that came with the call.
    staged: Option<Staged>,
}

/// What becomes visible outside the database once the transaction is committed.
#[derive(Default)]
pub(crate) struct Effects {
    notices: Vec<Notice>,
    plans: Vec<(TenantId, RunId, Arc<RunPlan>, usize)>,
}

trait Request: Send {
    /// Does the work and says whether it is to be kept.
    fn run(&mut self, tx: &mut Tx<'_>) -> bool;

    /// Answers the caller: with what the work gave, or with why it was not kept.
    fn answer(self: Box<Self>, lost: Option<&Lost>);
}

/// Why a transaction was not committed, in a form that can be told to several callers.
struct Lost {
    kind: ErrorKind,
    message: String,
}

impl Writer {
    pub(crate) fn start(
        connection: Connection,
        (clock, steady): (Arc<dyn Clock>, Steady),
        plans: Arc<PlanCache>,
        notices: broadcast::Sender<Notice>,
    ) -> Result<Self> {
        let (requests, inbox) = mpsc::channel(WAITING_MAX);
        let desk = Desk { connection, clock, steady, plans, notices };
        let thread = std::thread::Builder::new()
            .name("opsconductor-sqlite-writer".to_owned())
            .spawn(move || desk.serve(inbox))
            .map_err(|source| {
                Error::new(ErrorKind::StoreUnavailable, "the writer's thread cannot start")
                    .with_source(source)
            })?;
        Ok(Self { requests: Some(requests), thread: Some(thread) })
    }

    /// Runs `work` in a transaction and answers once it is committed, together with the entry that came with the call.
    pub(crate) async fn write<T, F>(&self, work: F) -> Result<T>
    where
        T: Send + 'static,
        F: FnOnce(&mut Tx<'_>) -> DbResult<T> + Send + 'static,
    {
        let (reply, answer) = oneshot::channel();
        // Here, in the task of the caller: the thread knows none.
        let staged = staging::take();
        let call = Call { work: Some(work), staged, outcome: None, reply };
        let gone = || Error::new(ErrorKind::StoreUnavailable, "the store is closed");
        let requests = self.requests.as_ref().ok_or_else(gone)?;
        requests.send(Box::new(call)).await.map_err(|_| gone())?;
        answer.await.map_err(|_| gone())?
    }
}

impl Drop for Writer {
    fn drop(&mut self) {
        self.requests = None;
        if let Some(thread) = self.thread.take() {
            // A panic of the thread was answered to its callers already.
            let _ = thread.join();
        }
    }
}

impl<'a> Tx<'a> {
    /// In a transaction of somebody else's, whose connection has our tables as `tables`. What is to follow the commit is left
    /// in `effects`.
    pub(crate) fn joined(
        (db, tables): (&'a Connection, Tables<'a>),
        (now, steady): (i64, i64),
        plans: &'a PlanCache,
        effects: &'a mut Effects,
    ) -> Self {
        Self { db, now, steady, plans, tables, effects, staged: None }
    }

    /// Says which thing the call made.
    pub(crate) fn concerns(&mut self, id: i64) {
        if let Some(staged) = &mut self.staged {
            staged.entry.concerns(id);
        }
    }

    /// Drops the entry of the call: nothing was changed.
    pub(crate) fn changed_nothing(&mut self) {
        self.staged = None;
    }

    /// A statement on our tables, wherever they are.
    pub(crate) fn prepare(&self, sql: &str) -> rusqlite::Result<CachedStatement<'_>> {
        self.tables.prepare(self.db, sql)
    }

    /// Tells listeners once the transaction is committed.
    pub(crate) fn notice(&mut self, notice: Notice) {
        if !self.effects.notices.contains(&notice) {
            self.effects.notices.push(notice);
        }
    }

    /// Keeps the plan at hand once the transaction is committed.
    pub(crate) fn keep_plan(&mut self, tenant: TenantId, run: RunId, plan: Arc<RunPlan>, bytes: usize) {
        self.effects.plans.push((tenant, run, plan, bytes));
    }
}

/// What the thread owns.
struct Desk {
    connection: Connection,
    clock: Arc<dyn Clock>,
    steady: Steady,
    plans: Arc<PlanCache>,
    notices: broadcast::Sender<Notice>,
}

impl Desk {
    fn serve(self, mut inbox: mpsc::Receiver<Box<dyn Request>>) {
        let mut batch = Vec::with_capacity(BATCH_MAX);
        while next(&mut inbox, &mut batch) {
            while !batch.is_empty() {
                self.commit_together(&mut batch);
            }
        }
        // With readers or another process at work, what cannot be folded in now is folded in by whoever closes last.
        let fold = self
            .connection
            .busy_timeout(std::time::Duration::ZERO)
            .and_then(|()| self.connection.query_row("PRAGMA wal_checkpoint(TRUNCATE)", [], |_| Ok(())));
        if let Err(error) = fold {
            tracing::debug!(%error, "the log was not folded into the data file at close");
        }
    }

    /// Runs requests from the front of `batch` in one transaction. All of them, unless one loses the transaction: those
    /// behind it stay for the next.
    fn commit_together(&self, batch: &mut Vec<Box<dyn Request>>) {
        if let Err(error) = self.execute("BEGIN IMMEDIATE") {
            return answer_all(batch.drain(..), Some(&lost(error)));
        }
        let mut effects = Effects::default();
        let mut done: Vec<Box<dyn Request>> = Vec::with_capacity(batch.len());
        // What a request is refused for may be another one's doing, which nobody else can see before it is committed.
        let mut refused: Vec<Box<dyn Request>> = Vec::new();
        // One alone needs nothing to step back to but the transaction itself.
        let alone = batch.len() == 1;
        for mut request in std::mem::take(batch) {
            if self.connection.is_autocommit() {
                batch.push(request);
                continue;
            }
            match self.run_one(request.as_mut(), alone, &mut effects) {
                Ok(true) => done.push(request),
                Ok(false) if alone => {
                    self.roll_back();
                    return request.answer(None);
                }
                Ok(false) => refused.push(request),
                Err(error) => {
                    // Even stepping back failed. The transaction cannot be trusted, so nothing of it is kept.
                    request.answer(Some(&lost(error)));
                    self.roll_back();
                }
            }
        }
        if self.connection.is_autocommit() {
            let message = "the transaction was rolled back because of another request; try again".to_owned();
            return answer_all(
                done.into_iter().chain(refused),
                Some(&Lost { kind: ErrorKind::StoreUnavailable, message }),
            );
        }
        match self.execute("COMMIT") {
            Ok(()) => {
                self.publish(effects);
                answer_all(done.into_iter().chain(refused), None);
            }
            Err(error) => {
                self.roll_back();
                answer_all(done.into_iter().chain(refused), Some(&lost(error)));
            }
        }
    }

    /// Runs one request, unless it is alone in a savepoint, and says whether what it did stands. What one that is alone did
    /// has then to be rolled back.
    fn run_one(
        &self,
        request: &mut dyn Request,
        alone: bool,
        effects: &mut Effects,
    ) -> rusqlite::Result<bool> {
        let now = self.clock.now().timestamp_micros();
        let (db, steady, plans) = (&self.connection, self.steady.now(), &*self.plans);
        let tables = Tables::Own;
        if alone {
            return Ok(request.run(&mut Tx { db, now, steady, plans, tables, effects, staged: None }));
        }
        self.execute("SAVEPOINT request")?;
        let (notices, plans_kept) = (effects.notices.len(), effects.plans.len());
        if request.run(&mut Tx { db, now, steady, plans, tables, effects, staged: None }) {
            self.execute("RELEASE request")?;
            return Ok(true);
        }
        effects.notices.truncate(notices);
        effects.plans.truncate(plans_kept);
        // Some failures (a full disk) end the transaction by themselves.
        if !self.connection.is_autocommit() {
            self.execute("ROLLBACK TO request")?;
            self.execute("RELEASE request")?;
        }
        Ok(false)
    }

    fn execute(&self, sql: &str) -> rusqlite::Result<()> {
        self.connection.prepare_cached(sql)?.execute([]).map(|_| ())
    }

    fn roll_back(&self) {
        if !self.connection.is_autocommit()
            && let Err(error) = self.connection.execute_batch("ROLLBACK")
        {
            tracing::warn!(%error, "a transaction could not be rolled back");
        }
    }

    fn publish(&self, effects: Effects) {
        effects.publish(&self.plans, &self.notices);
    }
}

impl Effects {
    /// Keeps the plans and tells listeners.
    pub(crate) fn publish(self, plans: &PlanCache, notices: &broadcast::Sender<Notice>) {
        for (tenant, run, plan, bytes) in self.plans {
            plans.keep_of(tenant, run, plan, bytes);
        }
        for notice in self.notices {
            // Nobody listening is no error: notices are speed, never correctness.
            let _ = notices.send(notice);
        }
    }
}

/// Takes what waits, and waits when nothing does; false when nobody can ask any more.
fn next(inbox: &mut mpsc::Receiver<Box<dyn Request>>, batch: &mut Vec<Box<dyn Request>>) -> bool {
    let since = Instant::now();
    while since.elapsed() < ALERT_FOR {
        if !inbox.is_empty() {
            break;
        }
        // Whoever has something to do goes first.
        std::thread::yield_now();
    }
    inbox.blocking_recv_many(batch, BATCH_MAX) > 0
}

fn answer_all(requests: impl IntoIterator<Item = Box<dyn Request>>, lost: Option<&Lost>) {
    for request in requests {
        request.answer(lost);
    }
}

fn lost(error: rusqlite::Error) -> Lost {
    let error = Error::from(Failure::from(error));
    Lost { kind: error.kind(), message: error.report() }
}

struct Call<T, F> {
    work: Option<F>,
    staged: Option<Staged>,
    outcome: Option<DbResult<T>>,
    reply: oneshot::Sender<Result<T>>,
}

impl<T, F> Request for Call<T, F>
where
    T: Send + 'static,
    F: FnOnce(&mut Tx<'_>) -> DbResult<T> + Send + 'static,
{
    fn run(&mut self, tx: &mut Tx<'_>) -> bool {
        let Some(work) = self.work.take() else { return false };
        // A panic is a fault of this crate in one request; the others and the thread go on.
        tx.staged = self.staged.take();
        let noted = AssertUnwindSafe(|| {
            let answer = work(tx)?;
            match tx.staged.take() {
                Some(staged) => audit::write(tx, vec![staged]).map(|()| answer),
                None => Ok(answer),
            }
        });
        let outcome = catch_unwind(noted).unwrap_or_else(|_| {
            Err(Error::new(ErrorKind::Internal, "the store panicked; please report it").into())
        });
        let kept = outcome.is_ok();
        self.outcome = Some(outcome);
        kept
    }

    fn answer(self: Box<Self>, lost: Option<&Lost>) {
        let answer = match (self.outcome, lost) {
            (_, Some(lost)) => Err(Error::new(lost.kind, lost.message.clone())),
            (Some(Err(failure)), None) => Err(failure.into()),
            (Some(Ok(value)), None) => Ok(value),
            (None, None) => Err(Error::new(ErrorKind::Internal, "a request was not run; please report it")),
        };
        // A caller that went away needs no answer.
        let _ = self.reply.send(answer);
    }
}
