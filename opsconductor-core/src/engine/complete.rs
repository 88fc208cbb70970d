//! The completer: records ends of tasks, together when several wait.

use std::{sync::Arc, time::Duration};

use tokio::sync::{mpsc, oneshot};

use super::Inner;
use crate::store::{Completion, Settled};

/// How many completions go into one transaction at most.
const BATCH_MAX: usize = 256;

/// How often a batch that the store could not take is offered again before it is left to the rescuer.
const TRIES_MAX: u32 = 20;

/// The way to the completer.
#[derive(Clone)]
pub(super) struct Completer {
    queue: mpsc::Sender<(Completion, oneshot::Sender<Settled>)>,
}

impl Completer {
    /// Starts the completer. It ends when the last handle to it is dropped.
    pub(super) fn start(inner: Arc<Inner>) -> (Self, tokio::task::JoinHandle<()>) {
        let (queue, waiting) = mpsc::channel(BATCH_MAX);
        (Self { queue }, tokio::spawn(run(inner, waiting)))
    }

    /// Records one end and waits until it is durable. `None` when the store could not be reached for so long that the task
    /// has to be rescued.
    pub(super) async fn record(&self, completion: Completion) -> Option<Settled> {
        let (answer, settled) = oneshot::channel();
        self.queue.send((completion, answer)).await.ok()?;
        settled.await.ok()
    }
}

async fn run(inner: Arc<Inner>, mut waiting: mpsc::Receiver<(Completion, oneshot::Sender<Settled>)>) {
    let mut batch = Vec::with_capacity(BATCH_MAX);
    // What arrives while one batch is being committed makes up the next: no delay when idle, large batches under load.
    while waiting.recv_many(&mut batch, BATCH_MAX).await > 0 {
        let (completions, answers): (Vec<_>, Vec<_>) = batch.drain(..).unzip();
        if let Some(settled) = offer(&inner, completions).await {
            for (answer, settled) in answers.into_iter().zip(settled) {
                // The task may have stopped waiting; the record stands all the same.
                let _ = answer.send(settled);
            }
        }
    }
}

/// Offers a batch until the store takes it. Repeating is safe: a completion that was recorded answers so again.
async fn offer(inner: &Inner, completions: Vec<Completion>) -> Option<Vec<Settled>> {
    for attempt in 1..=TRIES_MAX {
        match inner.store.complete(completions.clone()).await {
            Ok(settled) => return Some(settled),
            Err(error) if error.is_retryable() && attempt < TRIES_MAX => {
                tracing::warn!(error = %error.report(), attempt, "completions could not be recorded yet");
                inner.clock.sleep(Duration::from_millis(50) * attempt).await;
            }
            Err(error) => {
                tracing::error!(error = %error.report(), tasks = completions.len(), "completions were not recorded");
                return None;
            }
        }
    }
    None
}
