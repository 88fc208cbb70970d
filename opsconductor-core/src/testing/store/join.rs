//! What stores promise that enqueue in a transaction of the host's: cases over a [`JoinHost`], of which
//! [`join_suite!`](crate::join_suite) makes a test each. What a transaction looks like is each store's own, and so are the tests
//! of what it leaves alone.

use std::{pin::Pin, sync::Arc, time::Duration};

use async_trait::async_trait;
use serde_json::json;

use super::{Fixture, PlanSketch, fixture::plain_run};
use crate::{
    ErrorKind, Result,
    id::{JobId, WorkerId},
    run::{RunStatus, TaskStatus},
    store::{Enqueued, Idempotency, JobRecord, NewJob, NewRun, Page, RunFilter, SealedParameter, Store},
    tenant::DEFAULT_TENANT,
};

/// A host with an empty table of its own beside a fresh store.
#[async_trait(?Send)]
pub trait JoinHost {
    /// The store.
    fn store(&self) -> Arc<dyn Store>;

    /// In one transaction of the host's: writes a row of the host's, enqueues each of `new` in the default tenant, waits for
    /// `meanwhile`, and ends as `ends` says. Answers what each enqueue answered.
    async fn order(
        &mut self,
        new: Vec<NewRun>,
        meanwhile: Meanwhile<'_>,
        ends: Ends,
    ) -> Vec<Result<Enqueued>>;

    /// How many rows of the host's there are.
    async fn orders(&mut self) -> u64;
}

/// What is done while the transaction is open.
pub type Meanwhile<'a> = Pin<Box<dyn Future<Output = ()> + 'a>>;

/// How a transaction ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ends {
    /// What it did is there.
    Committed,
    /// What it did is gone.
    RolledBack,
}

/// Makes one test of each case of an enqueue in the host's own transaction, on the host that `$host` (an expression of a
/// future) makes.
#[macro_export]
macro_rules! join_suite {
    ($host:expr) => {
        $crate::join_suite! {
            @cases $host;
            a_run_is_there_when_the_host_commits,
            a_run_is_gone_when_the_host_rolls_back,
            a_refusal_leaves_the_transaction_as_it_stood,
            a_repeat_answers_the_first_run,
            a_run_with_a_concurrency_key_waits_its_turn,
            a_run_brings_its_secrets_along,
        }
    };
    (@cases $host:expr; $($case:ident,)+) => {$(
        #[::tokio::test(flavor = "multi_thread", worker_threads = 2)]
        async fn $case() {
            let mut host = $host.await;
            $crate::testing::store::join::cases::$case(&mut host).await;
        }
    )+};
}

/// A run of one step without targets.
pub fn new_run(job: &JobRecord) -> NewRun {
    plain_run(job, PlanSketch::new(job, &[]).step(&[], &[]).build())
}

/// A job in the default tenant.
pub async fn job(store: &dyn Store) -> JobRecord {
    let new = NewJob {
        name: "job".to_owned(),
        version: 1,
        definition: json!({"steps": []}),
        targets: Vec::new(),
        created_by: None,
        is_active: true,
        expected_version: None,
    };
    store.insert_job(DEFAULT_TENANT, new).await.unwrap()
}

/// The cases, listed in [`join_suite!`](crate::join_suite). Each panics where its promise is broken.
#[allow(missing_docs, reason = "each says in its name what it shows")]
pub mod cases {
    use super::*;

    pub async fn a_run_is_there_when_the_host_commits(host: &mut impl JoinHost) {
        let store = host.store();
        let new = new_run(&job(&*store).await);
        let mut was_open = false;
        let looked = Box::pin(async {
            was_open = true;
            assert_eq!(runs(&*store).await, 0, "nobody sees it before");
            assert_eq!(store.queue_depth().await.unwrap(), (0, 0));
        });
        let mut answers = host.order(vec![new], looked, Ends::Committed).await;
        let enqueued = answers.remove(0).unwrap();
        assert!(was_open && !enqueued.repeated);
        let run = store.run(DEFAULT_TENANT, enqueued.run.id).await.unwrap();
        assert_eq!((run.status, &run), (RunStatus::Queued, &enqueued.run));
        assert_eq!((store.queue_depth().await.unwrap(), host.orders().await), ((1, 0), 1));
        let events = store.events(DEFAULT_TENANT, run.id, 0, 10).await.unwrap();
        assert_eq!((events.len(), events[0].seq), (1, 1));
    }

    pub async fn a_run_is_gone_when_the_host_rolls_back(host: &mut impl JoinHost) {
        let store = host.store();
        let new = new_run(&job(&*store).await);
        let mut answers = host.order(vec![new], nothing(), Ends::RolledBack).await;
        let run = answers.remove(0).unwrap().run;
        assert_eq!(store.run(DEFAULT_TENANT, run.id).await.unwrap_err().kind(), ErrorKind::NotFound);
        assert_eq!((store.queue_depth().await.unwrap(), host.orders().await), ((0, 0), 0));
    }

    pub async fn a_refusal_leaves_the_transaction_as_it_stood(host: &mut impl JoinHost) {
        let store = host.store();
        let good = new_run(&job(&*store).await);
        let bad = NewRun { job: JobId::new(999_999), ..good.clone() };
        let answers = host.order(vec![good.clone(), bad, good], nothing(), Ends::Committed).await;
        let kinds: Vec<_> = answers.iter().map(|answer| answer.as_ref().err().map(|e| e.kind())).collect();
        assert_eq!(kinds, [None, Some(ErrorKind::NotFound), None]);
        assert_eq!((store.queue_depth().await.unwrap(), host.orders().await), ((2, 0), 1));
    }

    pub async fn a_repeat_answers_the_first_run(host: &mut impl JoinHost) {
        let store = host.store();
        let new = new_run(&job(&*store).await);
        let keyed = |digest| NewRun {
            idempotency: Some(Idempotency { key: "once".to_owned(), digest: [digest; 32] }),
            ..new.clone()
        };
        let within = host.order(vec![keyed(1), keyed(1)], nothing(), Ends::Committed).await;
        let within: Vec<_> = within.into_iter().map(|answer| answer.unwrap()).collect();
        assert_eq!((within[0].repeated, within[1].repeated), (false, true));
        let mut all = within.clone();
        all.push(store.enqueue(DEFAULT_TENANT, keyed(1)).await.unwrap());
        let mut later = host.order(vec![keyed(1), keyed(2)], nothing(), Ends::Committed).await;
        let other = later.remove(1).unwrap_err();
        assert_eq!(other.kind(), ErrorKind::Conflict);
        all.push(later.remove(0).unwrap());
        assert!(all.iter().all(|enqueued| enqueued.run.id == all[0].run.id), "{all:?}");
        assert_eq!((store.queue_depth().await.unwrap(), host.orders().await), ((1, 0), 2));
    }

    pub async fn a_run_with_a_concurrency_key_waits_its_turn(host: &mut impl JoinHost) {
        let store = host.store();
        let new = new_run(&job(&*store).await);
        let keyed = || NewRun { concurrency_key: Some("deploy".to_owned()), ..new.clone() };
        let first = store.enqueue(DEFAULT_TENANT, keyed()).await.unwrap().run.id;
        let mut answers = host.order(vec![keyed()], nothing(), Ends::Committed).await;
        let second = answers.remove(0).unwrap().run.id;
        let claim = || store.claim(WorkerId::generate(), 10, Duration::from_secs(15));
        let claimed = claim().await.unwrap();
        assert_eq!(claimed.iter().map(|task| task.lease.run).collect::<Vec<_>>(), [first]);
        store.cancel_run(DEFAULT_TENANT, first, "enough").await.unwrap();
        let aborted = Fixture::completion(claimed[0].lease, TaskStatus::Aborted);
        store.complete(vec![aborted]).await.unwrap();
        let claimed = claim().await.unwrap();
        assert_eq!(claimed.iter().map(|task| task.lease.run).collect::<Vec<_>>(), [second]);
    }

    pub async fn a_run_brings_its_secrets_along(host: &mut impl JoinHost) {
        let store = host.store();
        let job = job(&*store).await;
        let plan = PlanSketch::new(&job, &[]).step(&[], &[]).secret("a").build();
        let sealed = vec![9; 200];
        let secrets = vec![SealedParameter { name: "a".to_owned(), id: "1".to_owned(), version: 1, sealed }];
        let new = NewRun { secrets: secrets.clone(), ..plain_run(&job, plan) };
        let mut answers = host.order(vec![new], nothing(), Ends::Committed).await;
        let run = answers.remove(0).unwrap().run.id;
        assert_eq!(store.run_secrets(DEFAULT_TENANT, run).await.unwrap(), secrets);
    }

    fn nothing() -> Meanwhile<'static> {
        Box::pin(std::future::ready(()))
    }

    async fn runs(store: &dyn Store) -> u64 {
        let page = Page { skip: 0, limit: 10 };
        store.list_runs(DEFAULT_TENANT, RunFilter::default(), page).await.unwrap().total
    }
}
