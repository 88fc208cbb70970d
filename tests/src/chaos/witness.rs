//! [`Witness`]: sees runs that are over before they are removed.

use std::{
    collections::HashMap,
    sync::Arc,
    time::{Duration, Instant},
};

use futures_util::{StreamExt, stream};
use opsconductor_core::{
    Result,
    run::RunStatus,
    store::{Page, RunFilter, Store},
    tenant::DEFAULT_TENANT,
};
use tokio::{sync::oneshot, task::JoinHandle};

use super::again;
use crate::history::{SeenRun, read_run};

/// Between two looks.
const PAUSE: Duration = Duration::from_millis(250);

/// How many runs are read at a time.
const AT_ONCE: usize = 8;

/// All that are there, at one moment: page by page, what is removed meanwhile would move others past the look.
const ALL: Page = Page { skip: 0, limit: 100_000 };

/// Who looks at the store, past everything that breaks, again and again.
pub(super) struct Witness {
    looking: JoinHandle<Seen>,
    enough: oneshot::Sender<()>,
}

/// What was seen.
#[derive(Default)]
pub(super) struct Seen {
    /// Runs that were over, each as it was then.
    pub(super) over: HashMap<i64, SeenRun>,
    /// The longest time that a run may have been over without being seen.
    pub(super) longest: Duration,
}

impl Witness {
    /// Begins to look at `store`.
    pub(super) fn begin(store: Arc<dyn Store>) -> Self {
        let (enough, ended) = oneshot::channel();
        Self { looking: tokio::spawn(look(store, ended)), enough }
    }

    /// What was seen, a last look included.
    pub(super) async fn testimony(self) -> Seen {
        let _ = self.enough.send(());
        self.looking.await.expect("the witness does not panic")
    }
}

async fn look(store: Arc<dyn Store>, mut ended: oneshot::Receiver<()>) -> Seen {
    let mut seen = Seen::default();
    let mut before = Instant::now();
    loop {
        let last = ended.try_recv() != Err(oneshot::error::TryRecvError::Empty);
        let begun = Instant::now();
        // A look that failed has not been.
        let looked = look_once(&store, &mut seen.over).await.is_ok();
        if looked {
            // What ended just after the look before this one began may have been missed until this one was over.
            seen.longest = seen.longest.max(before.elapsed());
            before = begun;
        }
        if last && looked {
            return seen;
        }
        tokio::time::sleep(PAUSE).await;
    }
}

async fn look_once(store: &Arc<dyn Store>, over: &mut HashMap<i64, SeenRun>) -> Result<()> {
    for status in RunStatus::ALL.into_iter().filter(|status| status.is_final()) {
        let filter = RunFilter { job: None, status: Some(status) };
        let list = again(|| store.list_runs(DEFAULT_TENANT, filter.clone(), ALL)).await?.items;
        let new = list.into_iter().filter(|run| !over.contains_key(&run.id.get()));
        let reading = new.map(|run| {
            let store = Arc::clone(store);
            async move { again(|| read_run(&*store, DEFAULT_TENANT, run.clone())).await }
        });
        let mut reading = stream::iter(reading.collect::<Vec<_>>()).buffer_unordered(AT_ONCE);
        // One that was removed before it was read fails the look, and with it what may go unseen grows.
        while let Some(run) = reading.next().await {
            let run = run?;
            over.insert(run.id, run);
        }
    }
    Ok(())
}
