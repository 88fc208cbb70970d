//! The completer: records ends of tasks, together when several wait.

use std::{sync::Arc, time::Duration};

use tokio::sync::{mpsc, oneshot};

use super::Inner;
use crate::store::{Completion, Settled};

/// How many completions go into one transaction at most.
const BATCH_MAX: usize = 256;

/// How often a batch that the store could not take is offered again, in all about five minutes. A result is known only
/// here: what is given up becomes `lost`.
const TRIES_MAX: u32 = 300;

/// The longest wait between two offers.
const AGAIN_MAX: Duration = Duration::from_secs(1);

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
        // Tasks that were claimed together end together: whoever has ended already comes along with the first.
        tokio::task::yield_now().await;
        while batch.len() < BATCH_MAX
            && let Ok(ended) = waiting.try_recv()
        {
            batch.push(ended);
        }
        let (completions, answers): (Vec<_>, Vec<_>) = batch.drain(..).unzip();
        for (answer, settled) in answers.into_iter().zip(record_all(&inner, completions).await) {
            if let Some(settled) = settled {
                // The task may have stopped waiting; the record stands all the same.
                let _ = answer.send(settled);
            }
        }
    }
}

/// Records a batch, or, when the store refuses it for good, each of it by itself: one that is not acceptable must not
/// take its neighbours along.
async fn record_all(inner: &Inner, completions: Vec<Completion>) -> Vec<Option<Settled>> {
    if let Some(settled) = offer(inner, completions.clone()).await {
        return settled.into_iter().map(Some).collect();
    }
    let mut each = Vec::with_capacity(completions.len());
    for completion in completions {
        each.push(offer(inner, vec![completion]).await.and_then(|settled| settled.first().copied()));
    }
    each
}

/// Offers a batch until the store takes it. Repeating is safe: a completion that was recorded answers so again.
async fn offer(inner: &Inner, completions: Vec<Completion>) -> Option<Vec<Settled>> {
    for attempt in 1..=TRIES_MAX {
        match inner.store.complete(completions.clone()).await {
            Ok(settled) => return Some(settled),
            Err(error) if error.is_retryable() && attempt < TRIES_MAX => {
                tracing::warn!(error = %error.report(), attempt, "completions could not be recorded yet");
                inner.clock.sleep((Duration::from_millis(50) * attempt).min(AGAIN_MAX)).await;
            }
            Err(error) => {
                tracing::error!(error = %error.report(), tasks = completions.len(), "completions were not recorded");
                return None;
            }
        }
    }
    None
}
