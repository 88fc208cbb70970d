//! What this worker holds, and the heartbeat that keeps it.

use std::{
    collections::HashMap,
    sync::{
        Arc, Mutex, OnceLock, PoisonError,
        atomic::{AtomicBool, AtomicU8, AtomicU64, Ordering},
    },
    time::Duration,
};

use tokio_util::sync::CancellationToken;

use super::{Inner, roster::Presence};
use crate::{
    id::{RunId, TaskId},
    run::redact::Redactor,
    store::{Lease, LeaseState},
    transport::STOP_GRACE,
};

/// Why a task was told to stop.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Stop {
    /// The run is being canceled.
    Canceled,
    /// The run took too long.
    Overdue,
    /// Someone else may hold the task: write nothing.
    LeaseLost,
    /// The worker shuts down and its patience is over.
    Shutdown,
}

/// A task that this worker holds.
pub(super) struct Holding {
    pub(super) lease: Lease,
    pub(super) stopped: CancellationToken,
    /// Ends the task here and leaves what it started running: another worker goes on with it.
    pub(super) released: CancellationToken,
    /// Another worker could go on with it.
    resumable: AtomicBool,
    why: AtomicU8,
    dispatched: AtomicBool,
    /// Monotonic microseconds at which the lease ends.
    valid_until: AtomicU64,
    /// The task's redactor stays while its end is written: the next task with the same secrets finds it.
    redactor: OnceLock<Redactor>,
}

impl Holding {
    pub(super) fn why(&self) -> Option<Stop> {
        match self.why.load(Ordering::Acquire) {
            1 => Some(Stop::Canceled),
            2 => Some(Stop::LeaseLost),
            3 => Some(Stop::Shutdown),
            4 => Some(Stop::Overdue),
            _ => None,
        }
    }

    /// Keeps the task's redactor as long as the task is held.
    pub(super) fn keep(&self, redactor: &Redactor) {
        // A task has one.
        let _ = self.redactor.set(redactor.clone());
    }

    /// Remembers that the intent to act was committed.
    pub(super) fn set_dispatched(&self) {
        self.dispatched.store(true, Ordering::Release);
    }

    /// Whether the intent to act was committed.
    pub(super) fn was_dispatched(&self) -> bool {
        self.dispatched.load(Ordering::Acquire)
    }

    /// Remembers that another worker could go on with it.
    pub(super) fn set_resumable(&self) {
        self.resumable.store(true, Ordering::Release);
    }

    /// Whether another worker could go on with it.
    pub(super) fn is_resumable(&self) -> bool {
        self.resumable.load(Ordering::Acquire)
    }

    /// Waits until the task is to end here, whatever is to become of what it started.
    pub(super) async fn ending(&self) {
        tokio::select! {
            () = self.stopped.cancelled() => {}
            () = self.released.cancelled() => {}
        }
    }

    pub(super) fn stop(&self, why: Stop) {
        let code = match why {
            Stop::Canceled => 1,
            Stop::LeaseLost => 2,
            Stop::Shutdown => 3,
            Stop::Overdue => 4,
        };
        // A lost lease outranks every other reason, for it alone forbids writing.
        if why == Stop::LeaseLost {
            self.why.store(code, Ordering::Release);
        } else {
            let _ = self.why.compare_exchange(0, code, Ordering::AcqRel, Ordering::Acquire);
        }
        if !matches!(why, Stop::Canceled | Stop::Overdue) && self.is_resumable() {
            self.released.cancel();
        } else {
            self.stopped.cancel();
        }
    }
}

/// Every task that this worker holds.
#[derive(Default)]
pub(super) struct Held {
    tasks: Mutex<HashMap<TaskId, Arc<Holding>>>,
}

impl Held {
    /// Takes a claimed task into the list. `valid_from` was read before the claim was sent, so that the lease as seen here
    /// never outlasts the store's.
    pub(super) fn add(&self, lease: Lease, valid_from: Duration, ttl: Duration) -> Arc<Holding> {
        let holding = Arc::new(Holding {
            lease,
            stopped: CancellationToken::new(),
            released: CancellationToken::new(),
            resumable: AtomicBool::new(false),
            why: AtomicU8::new(0),
            dispatched: AtomicBool::new(false),
            valid_until: AtomicU64::new(micros(valid_from + ttl)),
            redactor: OnceLock::new(),
        });
        self.lock().insert(lease.task, Arc::clone(&holding));
        holding
    }

    pub(super) fn remove(&self, lease: &Lease) {
        let mut tasks = self.lock();
        if tasks.get(&lease.task).is_some_and(|held| held.lease.epoch == lease.epoch) {
            tasks.remove(&lease.task);
        }
    }

    /// What there is of a run.
    fn of_run(&self, run: RunId) -> Vec<Arc<Holding>> {
        let mut all = self.all();
        all.retain(|holding| holding.lease.run == run);
        all
    }

    pub(super) fn stop_all(&self, why: Stop) {
        for holding in self.all() {
            holding.stop(why);
        }
    }

    /// How many there are.
    pub(super) fn count(&self) -> usize {
        self.lock().len()
    }

    fn all(&self) -> Vec<Arc<Holding>> {
        self.lock().values().cloned().collect()
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, HashMap<TaskId, Arc<Holding>>> {
        // The map is whole after every statement, so a panic elsewhere does not spoil it.
        self.tasks.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Keeps what is held until `ended`: renews every lease once per `heartbeat` and tells how the worker stands, and beside that, whatever the store does or
/// does not answer, stops each task before its lease ends, so that this worker and the one that takes over never act at
/// the same time.
pub(super) async fn keep(
    inner: Arc<Inner>,
    held: Arc<Held>,
    (heartbeat, ttl): (Duration, Duration),
    presence: Presence,
    ended: CancellationToken,
) {
    // Enough to stop a remote command, and never so much that one late heartbeat stops anything.
    let margin = STOP_GRACE.min(ttl / 3);
    let look = (heartbeat / 10).max(Duration::from_millis(10));
    tokio::join!(
        beat(Arc::clone(&inner), Arc::clone(&held), (heartbeat, ttl), ended.clone()),
        fence(inner, held, margin, look, ended.clone()),
        presence.keep(heartbeat, ended),
    );
}

async fn fence(
    inner: Arc<Inner>,
    held: Arc<Held>,
    margin: Duration,
    look: Duration,
    ended: CancellationToken,
) {
    loop {
        tokio::select! {
            () = ended.cancelled() => return,
            () = inner.clock.sleep(look) => {}
        }
        let last = micros(inner.clock.monotonic() + margin);
        for holding in held.all() {
            if holding.valid_until.load(Ordering::Acquire) <= last {
                holding.stop(Stop::LeaseLost);
            }
        }
    }
}

async fn beat(
    inner: Arc<Inner>,
    held: Arc<Held>,
    (heartbeat, ttl): (Duration, Duration),
    ended: CancellationToken,
) {
    loop {
        tokio::select! {
            () = ended.cancelled() => return,
            () = inner.clock.sleep(heartbeat) => {}
        }
        renew(&inner, held.all(), heartbeat, ttl).await;
    }
}

/// Asks at once which of the tasks of a run are to stop: some of its steps may be done all the same.
pub(super) async fn ask(inner: &Inner, held: &Held, run: RunId, heartbeat: Duration, ttl: Duration) {
    renew(inner, held.of_run(run), heartbeat, ttl).await;
}

async fn renew(inner: &Inner, holdings: Vec<Arc<Holding>>, heartbeat: Duration, ttl: Duration) {
    if holdings.is_empty() {
        return;
    }
    let asked_at = inner.clock.monotonic();
    let leases: Vec<Lease> = holdings.iter().map(|holding| holding.lease).collect();
    let answer = tokio::select! {
        answer = inner.store.renew(&leases, ttl) => answer,
        () = inner.clock.sleep(heartbeat) => {
            Err(crate::Error::new(crate::ErrorKind::StoreUnavailable, "the store did not answer in time"))
        }
    };
    match answer {
        Ok(states) => {
            for (holding, state) in holdings.iter().zip(states) {
                if state != LeaseState::Lost {
                    holding.valid_until.store(micros(asked_at + ttl), Ordering::Release);
                }
                match state {
                    LeaseState::Held => {}
                    LeaseState::Lost => holding.stop(Stop::LeaseLost),
                    LeaseState::Canceled => holding.stop(Stop::Canceled),
                    LeaseState::Overdue => holding.stop(Stop::Overdue),
                }
            }
        }
        Err(error) => {
            tracing::warn!(error = %error.report(), tasks = leases.len(), "leases could not be renewed");
        }
    }
}

fn micros(duration: Duration) -> u64 {
    u64::try_from(duration.as_micros()).unwrap_or(u64::MAX)
}
