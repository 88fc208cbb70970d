//! What this worker holds, and the heartbeat that keeps it.

use std::{
    collections::HashMap,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicU8, AtomicU64, Ordering},
    },
    time::Duration,
};

use tokio_util::sync::CancellationToken;

use super::Inner;
use crate::{
    id::{RunId, TaskId},
    store::{Lease, LeaseState},
};

/// Why a task was told to stop.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Stop {
    /// The run is being canceled.
    Canceled,
    /// Someone else may hold the task: write nothing.
    LeaseLost,
    /// The worker shuts down and its patience is over.
    Shutdown,
}

/// A task that this worker holds.
pub(super) struct Holding {
    pub(super) lease: Lease,
    pub(super) stopped: CancellationToken,
    why: AtomicU8,
    /// Monotonic microseconds at which the lease ends.
    valid_until: AtomicU64,
}

impl Holding {
    pub(super) fn why(&self) -> Option<Stop> {
        match self.why.load(Ordering::Acquire) {
            1 => Some(Stop::Canceled),
            2 => Some(Stop::LeaseLost),
            3 => Some(Stop::Shutdown),
            _ => None,
        }
    }

    pub(super) fn stop(&self, why: Stop) {
        let code = match why {
            Stop::Canceled => 1,
            Stop::LeaseLost => 2,
            Stop::Shutdown => 3,
        };
        // A lost lease outranks every other reason, for it alone forbids writing.
        if why == Stop::LeaseLost {
            self.why.store(code, Ordering::Release);
        } else {
            let _ = self.why.compare_exchange(0, code, Ordering::AcqRel, Ordering::Acquire);
        }
        self.stopped.cancel();
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
            why: AtomicU8::new(0),
            valid_until: AtomicU64::new(micros(valid_from + ttl)),
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

    pub(super) fn stop_run(&self, run: RunId) {
        for holding in self.all() {
            if holding.lease.run == run {
                holding.stop(Stop::Canceled);
            }
        }
    }

    pub(super) fn stop_all(&self, why: Stop) {
        for holding in self.all() {
            holding.stop(why);
        }
    }

    fn all(&self) -> Vec<Arc<Holding>> {
        self.lock().values().cloned().collect()
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, HashMap<TaskId, Arc<Holding>>> {
        // The map is whole after every statement, so a panic elsewhere does not spoil it.
        self.tasks.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Renews every lease once per `heartbeat` until `ended`. What cannot be renewed is stopped before its lease ends, so that
/// this worker and the one that takes over never act at the same time.
pub(super) async fn keep(
    inner: Arc<Inner>,
    held: Arc<Held>,
    heartbeat: Duration,
    ttl: Duration,
    ended: CancellationToken,
) {
    loop {
        tokio::select! {
            () = ended.cancelled() => return,
            () = inner.clock.sleep(heartbeat) => {}
        }
        let holdings = held.all();
        if holdings.is_empty() {
            continue;
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
                    match state {
                        LeaseState::Lost => holding.stop(Stop::LeaseLost),
                        LeaseState::Held => {
                            holding.valid_until.store(micros(asked_at + ttl), Ordering::Release)
                        }
                        LeaseState::Canceled => {
                            holding.valid_until.store(micros(asked_at + ttl), Ordering::Release);
                            holding.stop(Stop::Canceled);
                        }
                    }
                }
            }
            Err(error) => {
                tracing::warn!(error = %error.report(), tasks = leases.len(), "leases could not be renewed");
                let now = inner.clock.monotonic();
                for holding in &holdings {
                    // The next beat would come too late for this one.
                    if holding.valid_until.load(Ordering::Acquire) <= micros(now + heartbeat) {
                        holding.stop(Stop::LeaseLost);
                    }
                }
            }
        }
    }
}

fn micros(duration: Duration) -> u64 {
    u64::try_from(duration.as_micros()).unwrap_or(u64::MAX)
}
