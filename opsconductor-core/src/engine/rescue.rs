//! The rescuer: takes over tasks whose workers let their leases run out.

use std::{sync::Arc, time::Duration};

use serde_json::Map;
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;

use super::{
    Inner,
    abandon::Abandon,
    ending::{may_resend, requeue},
    lease::{Held, Stop},
    plans::Plans,
    resume::{Resumption, Running, is_resumable},
};
use crate::{
    Result,
    id::WorkerId,
    run::state::TaskStatus,
    store::{Claimed, Completion, Expired, Lease, Requeue},
};

/// How often a task may lose its worker before anything was sent.
const ATTEMPTS_MAX: u32 = 10;

/// How long after its time-out a command may still be gone on with, to be stopped. Beyond, it may be the command that ends
/// the workers.
const OVERTIME_MAX: Duration = Duration::from_secs(10 * 60);

/// How many expired tasks are taken at a time.
const BATCH_MAX: usize = 200;

/// Looks for what crashes left behind: expired leases, whose tasks it decides about, and tasks that a limit holds back.
pub(super) struct Rescuer {
    pub(super) inner: Arc<Inner>,
    pub(super) plans: Arc<Plans>,
    pub(super) worker: WorkerId,
    pub(super) interval: Duration,
    pub(super) ttl: Duration,
    pub(super) held: Arc<Held>,
    /// The way to the loop that starts tasks, for those that are gone on with.
    pub(super) resumed: mpsc::Sender<Resumption>,
    pub(super) abandon: Abandon,
}

enum Decision {
    Back(Requeue),
    Over(Box<Completion>),
    GoOn(Running),
}

impl Rescuer {
    /// Looks once per interval until `ended`.
    pub(super) async fn watch(self, ended: CancellationToken) {
        loop {
            match self.rescue().await {
                // A full batch: there may be more.
                Ok(BATCH_MAX) => continue,
                Ok(_) => {}
                Err(error) => {
                    tracing::warn!(error = %error.report(), "expired leases could not be taken over")
                }
            }
            if let Err(error) = self.inner.store.wake_limited().await {
                tracing::warn!(error = %error.report(), "limits could not be looked at");
            }
            tokio::select! {
                () = ended.cancelled() => return,
                () = self.inner.clock.sleep(self.interval) => {}
            }
        }
    }

    async fn rescue(&self) -> Result<usize> {
        let asked_at = self.inner.clock.monotonic();
        let expired = self.inner.store.take_expired(self.worker, BATCH_MAX, self.ttl).await?;
        let count = expired.len();
        let (mut back, mut over, mut left) = (Vec::new(), Vec::new(), Vec::new());
        let mut abandoned = Vec::new();
        for task in expired {
            tracing::warn!(task = %task.claimed.lease.task, worker = %task.worker, "took over an expired lease");
            let decision = match self.decide(&task).await {
                Ok(decision) => decision,
                // Its lease is ours now and will run out in turn, so one task that cannot be decided starves no other.
                Err(error) => {
                    tracing::warn!(error = %error.report(), task = %task.claimed.lease.task, "left for later");
                    continue;
                }
            };
            match decision {
                Decision::GoOn(running) => {
                    left.extend(self.go_on(task.claimed, running, task.canceled, asked_at))
                }
                Decision::Back(requeue) => {
                    back.push(requeue);
                    abandoned.push((task.claimed, task.dispatched));
                }
                Decision::Over(completion) => {
                    over.push(*completion);
                    abandoned.push((task.claimed, task.dispatched));
                }
            }
        }
        if !back.is_empty() {
            self.inner.store.requeue(back).await?;
        }
        if !over.is_empty() {
            self.inner.store.complete(over).await?;
        }
        if !left.is_empty() {
            self.inner.store.renew(&left, self.interval).await?;
        }
        for (claimed, handle) in abandoned {
            self.abandon.begin(claimed, handle.unwrap_or_default());
        }
        Ok(count)
    }

    /// Hands a running command to the loop that starts tasks. When that has its hands full, the lease comes back, to be
    /// left to whoever looks next.
    fn go_on(&self, claimed: Claimed, running: Running, canceled: bool, asked_at: Duration) -> Option<Lease> {
        let lease = claimed.lease;
        let holding = self.held.add(lease, asked_at, self.ttl);
        holding.set_resumable();
        holding.set_dispatched();
        if canceled {
            holding.stop(Stop::Canceled);
        }
        let sent = self.resumed.try_send(Resumption { claimed, holding, running });
        sent.is_err().then(|| {
            self.held.remove(&lease);
            lease
        })
    }

    async fn decide(&self, task: &Expired) -> Result<Decision> {
        let worker = task.worker;
        let Some(handle) = &task.dispatched else {
            let reason = format!("worker {worker} stopped answering before anything was sent");
            let attempt = task.claimed.attempt;
            if attempt < ATTEMPTS_MAX {
                // The store ends it as aborted instead when the run is being canceled.
                return Ok(Decision::Back(requeue(&task.claimed, back_off(attempt), &reason)));
            }
            let reason = format!("{reason}, {attempt} times in all: the step may be what ends the workers");
            return Ok(Decision::Over(Box::new(end(task, TaskStatus::Failed, reason))));
        };
        let prepared = self.plans.get(&self.inner, task.claimed.tenant, task.claimed.lease.run).await?;
        let step = prepared.step(task.claimed.step)?;
        let timeout = Duration::from_secs(step.timeout_sec.into());
        if is_resumable(&self.inner, step) && task.since_dispatch < timeout + OVERTIME_MAX {
            return Ok(Decision::GoOn(Running {
                handle: handle.clone(),
                output_seq: task.output_seq,
                since_dispatch: task.since_dispatch,
                worker,
            }));
        }
        if may_resend(step, &task.claimed) && !task.canceled {
            let reason =
                format!("worker {worker} stopped answering; the step is idempotent and is sent again");
            let mut requeue = requeue(&task.claimed, Duration::ZERO, &reason);
            requeue.attempt_status = TaskStatus::Lost;
            return Ok(Decision::Back(requeue));
        }
        let reason =
            format!("the outcome is unknown: worker {worker} stopped answering after the command was sent");
        Ok(Decision::Over(Box::new(end(task, TaskStatus::Lost, reason))))
    }
}

fn end(task: &Expired, status: TaskStatus, reason: String) -> Completion {
    Completion {
        lease: task.claimed.lease,
        status,
        exit_code: None,
        stdout: String::new(),
        stderr: String::new(),
        reason: Some(reason),
        metrics: Map::new(),
    }
}

/// The first try after a death comes at once; a task that keeps meeting one waits longer each time.
fn back_off(attempt: u32) -> Duration {
    Duration::from_secs(u64::from(attempt.saturating_sub(1)) * 5)
}
