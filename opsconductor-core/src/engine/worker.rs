//! A worker: claims tasks, as many as it has free slots, and runs them.

use std::sync::Arc;

use tokio::{
    sync::{Notify, Semaphore, broadcast, mpsc},
    task::JoinHandle,
};
use tokio_util::sync::CancellationToken;

use super::{
    Inner,
    abandon::Abandon,
    claims::claim_loop,
    complete::Completer,
    deliver,
    lease::{self, Held, Stop},
    plans::Plans,
    rescue::Rescuer,
    retention,
    roster::Presence,
    sequencer,
    settings::WorkerSettings,
};
use crate::{Result, id::WorkerId, store::Notice, transport::STOP_GRACE};

/// The most running commands that wait to be gone on with.
const RESUMPTIONS_MAX: usize = 1024;

/// The place of the claim loop among the loops.
const CLAIMS: usize = 0;

/// A worker that runs. Dropping it stops it at once; [`Worker::shutdown`] lets it finish.
pub struct Worker {
    id: WorkerId,
    shared: Arc<Shared>,
    loops: Vec<JoinHandle<()>>,
}

/// What the loops and tasks of a worker share.
pub(super) struct Shared {
    pub(super) inner: Arc<Inner>,
    pub(super) id: WorkerId,
    pub(super) settings: WorkerSettings,
    pub(super) held: Arc<Held>,
    pub(super) plans: Arc<Plans>,
    pub(super) slots: Arc<Semaphore>,
    /// For steps that are over and whose ends are not yet durable.
    pub(super) endings: Semaphore,
    /// Told when a slot becomes free.
    pub(super) freed: Notify,
    /// No more claims.
    pub(super) closing: CancellationToken,
    /// The loops behind the tasks may end.
    pub(super) ended: CancellationToken,
}

impl Shared {
    /// Returns when no task runs and each end is durable. Nothing may be claimed any more.
    async fn at_rest(&self) {
        // A task that ends takes its place among the ends before it frees its slot.
        for (places, all) in
            [(&*self.slots, self.settings.concurrency), (&self.endings, endings_max(&self.settings))]
        {
            let _ = places.acquire_many(u32::try_from(all).unwrap_or(u32::MAX)).await;
        }
    }
}

/// How many ends may wait for the store. While one batch is written the next gathers and the slots go on, and a worker that dies
/// has no more than this unwritten.
fn endings_max(settings: &WorkerSettings) -> usize {
    settings.concurrency.saturating_mul(2).min(Semaphore::MAX_PERMITS)
}

impl Worker {
    pub(super) fn start(inner: Arc<Inner>, settings: WorkerSettings) -> Result<Self> {
        settings.check()?;
        let id = WorkerId::generate();
        let shared = Arc::new(Shared {
            id,
            held: Arc::default(),
            plans: Arc::default(),
            slots: Arc::new(Semaphore::new(settings.concurrency)),
            endings: Semaphore::new(endings_max(&settings)),
            freed: Notify::new(),
            closing: CancellationToken::new(),
            ended: CancellationToken::new(),
            settings,
            inner,
        });
        let (completer, completing) = Completer::start(Arc::clone(&shared.inner));
        let heart = lease::keep(
            Arc::clone(&shared.inner),
            Arc::clone(&shared.held),
            (shared.settings.heartbeat, shared.settings.lease_ttl),
            Presence::new(
                Arc::clone(&shared.inner),
                Arc::clone(&shared.held),
                shared.closing.clone(),
                id,
                (shared.settings.concurrency, shared.settings.lease_ttl),
            ),
            shared.ended.clone(),
        );
        // No more wait for a slot than there are slots: what is beyond is left to other workers.
        let (resumed, resumptions) = mpsc::channel(shared.settings.concurrency.min(RESUMPTIONS_MAX));
        let rescuer = Rescuer {
            inner: Arc::clone(&shared.inner),
            plans: Arc::clone(&shared.plans),
            worker: id,
            interval: shared.settings.rescue,
            ttl: shared.settings.lease_ttl,
            held: Arc::clone(&shared.held),
            resumed,
            abandon: Abandon::new(Arc::clone(&shared.inner), Arc::clone(&shared.plans)),
        };
        let notices = shared.inner.store.notices();
        let loops = vec![
            tokio::spawn(claim_loop(Arc::clone(&shared), completer, notices, resumptions)),
            tokio::spawn(cancel_loop(Arc::clone(&shared), shared.inner.store.notices())),
            tokio::spawn(heart),
            tokio::spawn(rescuer.watch(shared.closing.clone())),
            tokio::spawn(retention::watch(
                Arc::clone(&shared.inner),
                shared.settings.cleanup,
                shared.closing.clone(),
            )),
            tokio::spawn(deliver::watch(Arc::clone(&shared.inner), shared.closing.clone())),
            tokio::spawn(sequencer::watch(Arc::clone(&shared.inner), shared.ended.clone())),
            completing,
        ];
        tracing::info!(worker = %id, concurrency = shared.settings.concurrency, "worker started");
        Ok(Self { id, shared, loops })
    }

    /// Its id, new with each start.
    pub fn id(&self) -> WorkerId {
        self.id
    }

    /// Stops claiming, waits up to [`WorkerSettings::drain`] for running tasks, then stops those that are left: a task that
    /// had not been sent goes back to the queue; a command that runs is left to another worker where its step and transport
    /// can [reattach](crate::transport::Session::reattach), else it is stopped on its host. Returns when nothing runs.
    pub async fn shutdown(mut self) {
        let shared = Arc::clone(&self.shared);
        shared.closing.cancel();
        // First the claims: what is claimed in this moment is given back, not overlooked.
        let claims = self.loops.remove(CLAIMS);
        tokio::select! {
            _ = claims => {}
            () = shared.inner.clock.sleep(STOP_GRACE) => {
                tracing::error!(worker = %self.id, "the store did not answer a claim; what it gave will be rescued");
            }
        }
        let drained = tokio::select! {
            () = shared.at_rest() => true,
            () = shared.inner.clock.sleep(shared.settings.drain) => false,
        };
        if !drained {
            shared.held.stop_all(Stop::Shutdown);
            tokio::select! {
                () = shared.at_rest() => {}
                () = shared.inner.clock.sleep(STOP_GRACE * 3) => {
                    tracing::error!(worker = %self.id, "tasks did not stop in time; their leases will be rescued");
                }
            }
        }
        shared.ended.cancel();
        for running in self.loops.drain(..) {
            // The completer ends once the last task's handle to it is gone; what is stuck must not hold the caller.
            tokio::select! {
                _ = running => {}
                () = shared.inner.clock.sleep(STOP_GRACE) => {}
            }
        }
        tracing::info!(worker = %self.id, "worker stopped");
    }
}

impl Drop for Worker {
    fn drop(&mut self) {
        self.shared.closing.cancel();
        self.shared.held.stop_all(Stop::Shutdown);
        self.shared.ended.cancel();
    }
}

/// Stops tasks of canceled runs as soon as the store says so; without notices the heartbeat does it.
async fn cancel_loop(shared: Arc<Shared>, notices: Option<broadcast::Receiver<Notice>>) {
    let Some(mut notices) = notices else { return };
    loop {
        tokio::select! {
            () = shared.ended.cancelled() => return,
            notice = notices.recv() => match notice {
                Ok(Notice::Cancel(run)) => {
                    let (heartbeat, ttl) = (shared.settings.heartbeat, shared.settings.lease_ttl);
                    lease::ask(&shared.inner, &shared.held, run, heartbeat, ttl).await;
                }
                Ok(_) | Err(broadcast::error::RecvError::Lagged(_)) => {}
                Err(broadcast::error::RecvError::Closed) => return,
            }
        }
    }
}
