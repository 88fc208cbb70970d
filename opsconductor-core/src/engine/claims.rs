//! The claims of a worker: as many tasks as it has free slots, each run in one.

use std::{panic::AssertUnwindSafe, sync::Arc, time::Duration};

use futures_util::FutureExt;
use tokio::sync::{OwnedSemaphorePermit, broadcast, mpsc};

use super::{
    complete::Completer,
    ending::{End, panicked, requeue},
    execute::execute,
    lease::Holding,
    resume::{Resumption, Running},
    worker::Shared,
};
use crate::store::{Claimed, Lease, Notice, Settled};

/// Claims until the worker closes.
pub(super) async fn claim_loop(
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
            // Tasks that began together often end together: one claim for all of them.
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
        End::Complete(completion) => {
            // The step is over, so its slot is free: the next one need not wait for the disk. What waits has a bound of its own.
            let _ending = shared.endings.acquire().await;
            free(&shared, permit);
            match completer.record(*completion).await {
                Some(Settled::Recorded { .. }) => {}
                Some(Settled::Stale) => {
                    tracing::warn!(task = %task.lease.task, "someone else held the task at its end; nothing was written");
                }
                None => {
                    tracing::error!(task = %task.lease.task, "the end was not recorded; the lease will be rescued")
                }
            }
            shared.held.remove(&task.lease);
            return;
        }
        End::Requeue(requeue) => {
            if let Err(error) = shared.inner.store.requeue(vec![requeue]).await {
                tracing::warn!(error = %error.report(), task = %task.lease.task, "not given back; it will be rescued");
            }
        }
        End::Release => release(&shared, &task.lease).await,
        End::Nothing => tracing::warn!(task = %task.lease.task, "the lease was lost; nothing was written"),
    }
    shared.held.remove(&task.lease);
    free(&shared, permit);
}

fn free(shared: &Shared, slot: OwnedSemaphorePermit) {
    drop(slot);
    shared.freed.notify_one();
}
