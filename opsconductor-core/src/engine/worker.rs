//! A worker: claims tasks, as many as it has free slots, and runs them.

use std::{panic::AssertUnwindSafe, sync::Arc, time::Duration};

use futures_util::FutureExt;

use tokio::{
    sync::{Notify, OwnedSemaphorePermit, Semaphore, broadcast, mpsc},
    task::JoinHandle,
};
use tokio_util::sync::CancellationToken;

use super::{
    Inner,
    abandon::Abandon,
    complete::Completer,
    execute::{End, execute, panicked, requeue},
    lease::{self, Held, Holding, Stop},
    plans::Plans,
    rescue::Rescuer,
    resume::{Resumption, Running},
    retention,
    roster::Presence,
};
use crate::{
    Error, ErrorKind, Result,
    id::WorkerId,
    store::{Claimed, Lease, Notice, Settled},
    transport::STOP_GRACE,
};

/// How a worker works. Checked when it starts.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WorkerSettings {
    /// How many tasks at once.
    pub concurrency: usize,
    /// How long a claimed task stays this worker's without a sign of life.
    pub lease_ttl: Duration,
    /// How often it gives one.
    pub heartbeat: Duration,
    /// How often it looks for work without being told of any.
    pub poll: Duration,
    /// How often it looks for tasks that others let go.
    pub rescue: Duration,
    /// How often it removes runs that [`EngineBuilder::keep`](super::EngineBuilder::keep) does not keep.
    pub cleanup: Duration,
    /// How long a shutdown waits for running tasks before it stops them.
    pub drain: Duration,
}

impl Default for WorkerSettings {
    fn default() -> Self {
        Self {
            concurrency: 16,
            lease_ttl: Duration::from_secs(15),
            heartbeat: Duration::from_secs(5),
            poll: Duration::from_millis(500),
            rescue: Duration::from_secs(2),
            cleanup: Duration::from_secs(600),
            drain: Duration::from_secs(30),
        }
    }
}

impl WorkerSettings {
    /// These settings with `concurrency` tasks at once.
    #[must_use]
    pub fn with_concurrency(mut self, concurrency: usize) -> Self {
        self.concurrency = concurrency;
        self
    }

    /// These settings with another time for running tasks to end at shutdown.
    #[must_use]
    pub fn with_drain(mut self, drain: Duration) -> Self {
        self.drain = drain;
        self
    }

    fn check(&self) -> Result<()> {
        let fault = if self.concurrency == 0 || self.concurrency > Semaphore::MAX_PERMITS {
            "a worker's concurrency is at least 1"
        } else if [self.heartbeat, self.poll, self.rescue, self.cleanup].contains(&Duration::ZERO) {
            "a worker's heartbeat, poll, rescue and cleanup intervals are longer than zero"
        } else if self.lease_ttl < self.heartbeat * 3 {
            "a worker's lease lasts at least three heartbeats, so that one missed beat does not lose it"
        } else {
            return Ok(());
        };
        Err(Error::new(ErrorKind::InvalidInput, fault))
    }
}

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

struct Shared {
    inner: Arc<Inner>,
    id: WorkerId,
    settings: WorkerSettings,
    held: Arc<Held>,
    plans: Arc<Plans>,
    slots: Arc<Semaphore>,
    /// Told when a slot becomes free.
    freed: Notify,
    /// No more claims.
    closing: CancellationToken,
    /// The loops behind the tasks may end.
    ended: CancellationToken,
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
        let all = u32::try_from(shared.settings.concurrency).unwrap_or(u32::MAX);
        let drained = tokio::select! {
            permit = shared.slots.acquire_many(all) => permit.is_ok(),
            () = shared.inner.clock.sleep(shared.settings.drain) => false,
        };
        if !drained {
            shared.held.stop_all(Stop::Shutdown);
            tokio::select! {
                _ = shared.slots.acquire_many(all) => {}
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

async fn claim_loop(
    shared: Arc<Shared>,
    completer: Completer,
    mut notices: Option<broadcast::Receiver<Notice>>,
    mut resumptions: mpsc::Receiver<Resumption>,
) {
    claim_tasks(&shared, &completer, notices.as_mut(), &mut resumptions).await;
    resumptions.close();
    while let Ok(resumption) = resumptions.try_recv() {
        release(&shared, &resumption.claimed.lease).await;
    }
}

async fn claim_tasks(
    shared: &Arc<Shared>,
    completer: &Completer,
    mut notices: Option<&mut broadcast::Receiver<Notice>>,
    resumptions: &mut mpsc::Receiver<Resumption>,
) {
    while !shared.closing.is_cancelled() {
        let free = shared.slots.available_permits();
        if free == 0 {
            tokio::select! {
                () = shared.freed.notified() => {}
                () = shared.closing.cancelled() => return,
            }
            // Tasks whose ends were recorded together free their slots together: one claim for all of them.
            tokio::task::yield_now().await;
            continue;
        }
        // A command that runs unattended comes before one that has not begun.
        if let Ok(Resumption { claimed, holding, running }) = resumptions.try_recv() {
            start(shared, completer, claimed, holding, Some(running)).await;
            continue;
        }
        let asked_at = shared.inner.clock.monotonic();
        match shared.inner.store.claim(shared.id, free, shared.settings.lease_ttl).await {
            Ok(claimed) if shared.closing.is_cancelled() => return give_back(shared, claimed).await,
            Ok(claimed) => {
                let all_taken = claimed.len() == free;
                for task in claimed {
                    let holding = shared.held.add(task.lease, asked_at, task.ttl);
                    start(shared, completer, task, holding, None).await;
                }
                if all_taken {
                    continue;
                }
            }
            Err(error) => tracing::warn!(error = %error.report(), "no tasks could be claimed"),
        }
        if let Some(Resumption { claimed, holding, running }) =
            wait_for_work(shared, notices.as_deref_mut(), resumptions).await
        {
            start(shared, completer, claimed, holding, Some(running)).await;
        }
    }
}

/// Starts a task in a slot of its own.
async fn start(
    shared: &Arc<Shared>,
    completer: &Completer,
    task: Claimed,
    holding: Arc<Holding>,
    running: Option<Running>,
) {
    // Only the claim loop takes permits, so as many are there as were counted.
    let Ok(permit) = Arc::clone(&shared.slots).acquire_owned().await else { return };
    tokio::spawn(run_task(Arc::clone(shared), completer.clone(), task, holding, running, permit));
}

/// Gives a lease up, so that another worker goes on with what runs under it.
async fn release(shared: &Shared, lease: &Lease) {
    // No heartbeat must prolong it again.
    shared.held.remove(lease);
    if let Err(error) = shared.inner.store.renew(&[*lease], Duration::ZERO).await {
        tracing::warn!(error = %error.report(), task = %lease.task, "not given up; it will be rescued when it runs out");
    }
}

/// Puts tasks back that were claimed while the worker was told to stop.
async fn give_back(shared: &Shared, claimed: Vec<Claimed>) {
    let back = claimed.iter().map(|task| requeue(task, Duration::ZERO, "the worker was shut down")).collect();
    if let Err(error) = shared.inner.store.requeue(back).await {
        tracing::warn!(error = %error.report(), "claimed tasks were not given back; they will be rescued");
    }
}

/// Returns when there may be something to claim (a notice, a task that becomes due, the poll interval), with a task that
/// is gone on with, or at the end.
async fn wait_for_work(
    shared: &Shared,
    notices: Option<&mut broadcast::Receiver<Notice>>,
    resumptions: &mut mpsc::Receiver<Resumption>,
) -> Option<Resumption> {
    let poll = shared.settings.poll;
    let due = match shared.inner.store.next_due().await {
        Ok(Some(due)) => (due - shared.inner.clock.now()).to_std().unwrap_or(Duration::ZERO).min(poll),
        _ => poll,
    };
    tokio::select! {
        biased;
        () = shared.closing.cancelled() => None,
        Some(resumption) = resumptions.recv() => Some(resumption),
        () = ready(notices) => None,
        () = shared.inner.clock.sleep(due.max(Duration::from_millis(1))) => None,
    }
}

async fn ready(notices: Option<&mut broadcast::Receiver<Notice>>) {
    let Some(notices) = notices else { return std::future::pending().await };
    loop {
        match notices.recv().await {
            Ok(Notice::Ready) | Err(broadcast::error::RecvError::Lagged(_)) => return,
            Ok(_) => {}
            Err(broadcast::error::RecvError::Closed) => std::future::pending().await,
        }
    }
}

/// Stops tasks of canceled runs as soon as the store says so; without notices the heartbeat does it.
async fn cancel_loop(shared: Arc<Shared>, notices: Option<broadcast::Receiver<Notice>>) {
    let Some(mut notices) = notices else { return };
    loop {
        tokio::select! {
            () = shared.ended.cancelled() => return,
            notice = notices.recv() => match notice {
                Ok(Notice::Cancel(run)) => shared.held.stop_run(run),
                Ok(_) | Err(broadcast::error::RecvError::Lagged(_)) => {}
                Err(broadcast::error::RecvError::Closed) => return,
            }
        }
    }
}

async fn run_task(
    shared: Arc<Shared>,
    completer: Completer,
    task: Claimed,
    holding: Arc<Holding>,
    running: Option<Running>,
    permit: OwnedSemaphorePermit,
) {
    if let Some(running) = &running {
        tracing::info!(task = %task.lease.task, worker = %running.worker, "going on with a command of another worker");
    }
    // A handler that panics must not take its slot or its lease along. Nothing of it is used afterwards.
    let executed = AssertUnwindSafe(execute(&shared.inner, &shared.plans, &task, &holding, running.as_ref()))
        .catch_unwind()
        .await;
    let end = executed.unwrap_or_else(|_| panicked(&task, &holding));
    match end {
        End::Complete(completion) => match completer.record(*completion).await {
            Some(Settled::Recorded { .. }) => {}
            Some(Settled::Stale) => {
                tracing::warn!(task = %task.lease.task, "someone else held the task at its end; nothing was written");
            }
            None => {
                tracing::error!(task = %task.lease.task, "the end was not recorded; the lease will be rescued")
            }
        },
        End::Requeue(requeue) => {
            if let Err(error) = shared.inner.store.requeue(vec![requeue]).await {
                tracing::warn!(error = %error.report(), task = %task.lease.task, "not given back; it will be rescued");
            }
        }
        End::Release => release(&shared, &task.lease).await,
        End::Nothing => tracing::warn!(task = %task.lease.task, "the lease was lost; nothing was written"),
    }
    shared.held.remove(&task.lease);
    drop(permit);
    shared.freed.notify_one();
}
