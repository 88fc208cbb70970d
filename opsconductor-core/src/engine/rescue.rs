//! The rescuer: takes over tasks whose workers let their leases run out.

use std::{sync::Arc, time::Duration};

use serde_json::Map;
use tokio_util::sync::CancellationToken;

use super::{
    Inner,
    execute::{may_resend, requeue},
    plans::Plans,
};
use crate::{
    Result,
    id::WorkerId,
    run::state::TaskStatus,
    store::{Completion, Expired, Requeue},
};

/// How often a task may lose its worker before anything was sent.
const ATTEMPTS_MAX: u32 = 10;

/// How many expired tasks are taken at a time.
const BATCH_MAX: usize = 200;

/// Looks for expired leases once per `interval` until `ended`.
pub(super) async fn watch(
    inner: Arc<Inner>,
    plans: Arc<Plans>,
    worker: WorkerId,
    interval: Duration,
    ttl: Duration,
    ended: CancellationToken,
) {
    loop {
        match rescue(&inner, &plans, worker, ttl).await {
            // A full batch: there may be more.
            Ok(BATCH_MAX) => continue,
            Ok(_) => {}
            Err(error) => tracing::warn!(error = %error.report(), "expired leases could not be taken over"),
        }
        tokio::select! {
            () = ended.cancelled() => return,
            () = inner.clock.sleep(interval) => {}
        }
    }
}

async fn rescue(inner: &Inner, plans: &Plans, worker: WorkerId, ttl: Duration) -> Result<usize> {
    let expired = inner.store.take_expired(worker, BATCH_MAX, ttl).await?;
    let count = expired.len();
    let mut back = Vec::new();
    let mut over = Vec::new();
    for task in expired {
        tracing::warn!(task = %task.claimed.lease.task, worker = %task.worker, "took over an expired lease");
        match decide(inner, plans, &task).await {
            Ok(Decision::Back(requeue)) => back.push(requeue),
            Ok(Decision::Over(completion)) => over.push(*completion),
            // Its lease is ours now and will run out in turn, so one task that cannot be decided starves no other.
            Err(error) => {
                tracing::warn!(error = %error.report(), task = %task.claimed.lease.task, "left for later")
            }
        }
    }
    if !back.is_empty() {
        inner.store.requeue(back).await?;
    }
    if !over.is_empty() {
        inner.store.complete(over).await?;
    }
    Ok(count)
}

enum Decision {
    Back(Requeue),
    Over(Box<Completion>),
}

async fn decide(inner: &Inner, plans: &Plans, task: &Expired) -> Result<Decision> {
    let worker = task.worker;
    if task.dispatched.is_none() {
        let reason = format!("worker {worker} stopped answering before anything was sent");
        let attempt = task.claimed.attempt;
        if attempt < ATTEMPTS_MAX {
            // The store ends it as aborted instead when the run is being canceled.
            return Ok(Decision::Back(requeue(&task.claimed, back_off(attempt), &reason)));
        }
        let reason = format!("{reason}, {attempt} times in all: the step may be what ends the workers");
        return Ok(Decision::Over(Box::new(end(task, TaskStatus::Failed, reason))));
    }
    let prepared = plans.get(inner, task.claimed.tenant, task.claimed.lease.run).await?;
    let step = prepared.step(task.claimed.step)?;
    if may_resend(step, &task.claimed) && !task.canceled {
        let reason = format!("worker {worker} stopped answering; the step is idempotent and is sent again");
        let mut requeue = requeue(&task.claimed, Duration::ZERO, &reason);
        requeue.attempt_status = TaskStatus::Lost;
        return Ok(Decision::Back(requeue));
    }
    let reason =
        format!("the outcome is unknown: worker {worker} stopped answering after the command was sent");
    Ok(Decision::Over(Box::new(end(task, TaskStatus::Lost, reason))))
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
