//! [`Witness`]: sees runs that are over before they are removed.

use std::{
    collections::{BTreeMap, HashMap},
    sync::Arc,
    time::{Duration, Instant},
};

use opsconductor_core::{
    ErrorKind, Result,
    run::RunStatus,
    store::{Page, RunFilter, RunRecord, Store},
    tenant::DEFAULT_TENANT,
};
use tokio::{sync::oneshot, task::JoinHandle};

use crate::history::{SeenRun, read_run};

/// Between two looks.
const PAUSE: Duration = Duration::from_millis(250);

/// How long runs are read before others are looked for.
const READING: Duration = Duration::from_secs(2);

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
    /// The longest time that a run may have been over without being noticed.
    pub(super) longest: Duration,
    /// Runs that were removed after they were noticed and before they were read.
    pub(super) missed: usize,
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
    // Noticed and not yet read. The store is away now and then, so that reading many takes several goes.
    let mut noticed: BTreeMap<i64, RunRecord> = BTreeMap::new();
    let mut before = Instant::now();
    loop {
        let last = ended.try_recv() != Err(oneshot::error::TryRecvError::Empty);
        let begun = Instant::now();
        let listed = notice(&*store, &seen, &mut noticed).await.is_ok();
        if listed {
            // What ended just after the list before this one was made may have been missed until this one was.
            seen.longest = seen.longest.max(before.elapsed());
            before = begun;
        }
        read(&*store, &mut seen, &mut noticed).await;
        if last && listed && noticed.is_empty() {
            return seen;
        }
        tokio::time::sleep(PAUSE).await;
    }
}

async fn notice(store: &dyn Store, seen: &Seen, noticed: &mut BTreeMap<i64, RunRecord>) -> Result<()> {
    for status in RunStatus::ALL.into_iter().filter(|status| status.is_final()) {
        let filter = RunFilter { job: None, status: Some(status) };
        let list = store.list_runs(DEFAULT_TENANT, filter, ALL).await?.items;
        let new = list.into_iter().filter(|run| !seen.over.contains_key(&run.id.get()));
        noticed.extend(new.map(|run| (run.id.get(), run)));
    }
    Ok(())
}

/// Reads what was noticed, the oldest first, which are removed first, for a while.
async fn read(store: &dyn Store, seen: &mut Seen, noticed: &mut BTreeMap<i64, RunRecord>) {
    let until = Instant::now() + READING;
    while Instant::now() < until
        && let Some((id, run)) = noticed.pop_first()
    {
        match read_run(store, DEFAULT_TENANT, run.clone()).await {
            Ok(run) => drop(seen.over.insert(id, run)),
            Err(error) if error.kind() == ErrorKind::NotFound => seen.missed += 1,
            Err(_) => {
                noticed.insert(id, run);
                return;
            }
        }
    }
}
