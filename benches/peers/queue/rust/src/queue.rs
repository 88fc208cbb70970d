//! What is measured of every queue.

use std::{
    sync::OnceLock,
    time::{Duration, Instant},
};

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use tokio::{
    sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel},
    task::JoinSet,
    time::{sleep, timeout},
};

use crate::Failure;

/// How many callers enqueue many tasks at a time, and how many tasks one call enqueues.
const BULK_CALLERS: usize = 2;
const BULK: usize = 1_000;
/// The longest that a task may take.
const LIMIT: Duration = Duration::from_secs(120);

/// The task that does nothing.
#[derive(Debug, Clone, Deserialize, Serialize)]
pub(crate) struct Nothing {}

/// A queue on a database of its own.
pub(crate) trait Queue: Clone + Send + Sync + 'static {
    /// Enqueues a task.
    fn one(&self) -> impl Future<Output = Result<(), Failure>> + Send;
    /// Enqueues many in one call.
    fn many(&self, count: usize) -> impl Future<Output = Result<(), Failure>> + Send;
    /// Starts a worker that goes on until the process ends.
    fn work(&self) -> impl Future<Output = Result<(), Failure>> + Send;
    /// Whether a task is there that has not succeeded yet.
    fn left(&self) -> impl Future<Output = Result<bool, Failure>> + Send;
}

/// Where a task says that it has started: a process does one piece of work, with one worker.
static STARTED: OnceLock<UnboundedSender<Instant>> = OnceLock::new();

/// What the task that does nothing does.
pub(crate) fn started() {
    if let Some(listener) = STARTED.get() {
        // Whoever measures may have what it wants already.
        let _ = listener.send(Instant::now());
    }
}

/// Does a task of the harness.
pub(crate) async fn perform(queue: impl Queue, task: &Value) -> Result<Value, Failure> {
    let number = |name: &str| task[name].as_u64().ok_or_else(|| format!("the task says no {name}"));
    let count = usize::try_from(number("tasks")?)?;
    let callers = usize::try_from(number("callers")?)?;
    let (sender, starts) = unbounded_channel();
    STARTED.set(sender).map_err(|_| "a process does one task")?;
    let work = async {
        match task["task"].as_str() {
            Some("drain") => drain(queue, starts, count).await,
            Some("enqueue") => one_by_one(&queue, count, callers).await,
            Some("bulk") => in_bulk(&queue, count).await,
            Some("starts") => latency(queue, starts, count).await,
            _ => Err("no task of these peers".into()),
        }
    };
    timeout(LIMIT, work).await?
}

async fn drain(
    queue: impl Queue,
    mut starts: UnboundedReceiver<Instant>,
    count: usize,
) -> Result<Value, Failure> {
    in_bulk(&queue, count).await?;
    let began = Instant::now();
    queue.work().await?;
    for _ in 0..count {
        starts.recv().await.ok_or("the worker went away")?;
    }
    emptied(&queue).await?;
    Ok(seconds(began))
}

async fn latency(
    queue: impl Queue,
    mut starts: UnboundedReceiver<Instant>,
    count: usize,
) -> Result<Value, Failure> {
    queue.work().await?;
    let mut times = Vec::new();
    // The first may find a worker that does not listen yet, so it does not count.
    for index in 0..=count {
        let asked = Instant::now();
        queue.one().await?;
        let started = starts.recv().await.ok_or("the worker went away")?;
        if index > 0 {
            times.push(started.saturating_duration_since(asked).as_secs_f64() * 1e3);
        }
        emptied(&queue).await?;
    }
    Ok(json!({"ms": times}))
}

async fn one_by_one(queue: &impl Queue, count: usize, callers: usize) -> Result<Value, Failure> {
    let began = Instant::now();
    let mut calling = JoinSet::new();
    for caller in 0..callers {
        let queue = queue.clone();
        let share = count / callers + usize::from(caller < count % callers);
        calling.spawn(async move {
            for _ in 0..share {
                queue.one().await?;
            }
            Ok::<_, Failure>(())
        });
    }
    all(calling).await?;
    Ok(seconds(began))
}

async fn in_bulk(queue: &impl Queue, count: usize) -> Result<Value, Failure> {
    let began = Instant::now();
    let mut callers = JoinSet::new();
    for caller in 0..BULK_CALLERS {
        let queue = queue.clone();
        callers.spawn(async move {
            for first in (caller * BULK..count).step_by(BULK_CALLERS * BULK) {
                queue.many(BULK.min(count - first)).await?;
            }
            Ok::<_, Failure>(())
        });
    }
    all(callers).await?;
    Ok(seconds(began))
}

async fn all(mut callers: JoinSet<Result<(), Failure>>) -> Result<(), Failure> {
    while let Some(caller) = callers.join_next().await {
        caller??;
    }
    Ok(())
}

/// Returns when the success of every task is in the database.
async fn emptied(queue: &impl Queue) -> Result<(), Failure> {
    while queue.left().await? {
        sleep(Duration::from_millis(1)).await;
    }
    Ok(())
}

fn seconds(began: Instant) -> Value {
    json!({"seconds": began.elapsed().as_secs_f64()})
}
