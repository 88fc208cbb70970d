//! [`Fixture`]: a store under test with the calls that most cases make.

use std::{
    collections::BTreeMap,
    sync::{
        Arc,
        atomic::{AtomicU32, Ordering},
    },
    time::Duration,
};

use bytes::Bytes;
use serde_json::{Map, json};

use super::{PlanSketch, StoreBuilder};
use crate::{
    id::{RunId, TargetId, TenantId, WorkerId},
    run::{Event, RunPlan, RunStatus, TaskStatus},
    store::{
        Claimed, Completion, JobRecord, Lease, NewJob, NewRun, OutputPiece, Page, Requeue, RunRecord,
        Settled, Store, TaskRecord,
    },
    target::TargetSpec,
    tenant::DEFAULT_TENANT,
    testing::ManualClock,
    transport::{Protocol, RemoteHandle, Stream},
};

/// A store under test.
#[derive(Debug)]
pub struct Fixture {
    /// The store.
    pub store: Arc<dyn Store>,
    /// Its time.
    pub clock: Arc<ManualClock>,
    /// The tenant that the calls below act in.
    pub tenant: TenantId,
    /// The worker that claims.
    pub worker: WorkerId,
    names: AtomicU32,
}

impl Fixture {
    /// How long leases last.
    pub const TTL: Duration = Duration::from_secs(15);

    /// Every row of a list.
    pub const ALL: Page = Page { skip: 0, limit: 100_000 };

    /// A fresh store, with what has to outlive it.
    pub async fn build<B: StoreBuilder>(builder: &B) -> (Self, B::Guard) {
        let clock = Arc::new(ManualClock::new());
        let (store, guard) = builder.build(clock.clone()).await;
        let (tenant, worker) = (DEFAULT_TENANT, WorkerId::generate());
        (Self { store, clock, tenant, worker, names: AtomicU32::new(0) }, guard)
    }

    /// A name that nothing has yet.
    pub fn name(&self, prefix: &str) -> String {
        format!("{prefix}-{}", self.names.fetch_add(1, Ordering::Relaxed))
    }

    /// A job to store, under a fresh name.
    pub fn new_job(&self) -> NewJob {
        NewJob {
            name: self.name("job"),
            version: 1,
            definition: json!({"steps": [{"type": "test.noop"}], "ünicode": [1, 2.5, null]}),
            targets: Vec::new(),
            created_by: None,
            is_active: true,
            expected_version: None,
        }
    }

    /// A stored job.
    pub async fn job(&self) -> JobRecord {
        self.store.insert_job(self.tenant, self.new_job()).await.unwrap()
    }

    /// A target that needs no credential, under a fresh name.
    pub fn new_target(&self) -> TargetSpec {
        TargetSpec {
            name: self.name("target"),
            hostname: "192.0.2.1".to_owned(),
            protocol: Protocol::Http,
            port: 80,
            credential_ref: None,
            tags: Vec::new(),
            metadata: Map::new(),
            depends_on: Vec::new(),
        }
    }

    /// `count` stored targets.
    pub async fn targets(&self, count: usize) -> Vec<TargetId> {
        let mut ids = Vec::with_capacity(count);
        for _ in 0..count {
            ids.push(self.store.insert_target(self.tenant, self.new_target()).await.unwrap().id);
        }
        ids
    }

    /// A run of `plan`, to be enqueued.
    pub fn new_run(&self, job: &JobRecord, plan: Arc<RunPlan>) -> NewRun {
        plain_run(job, plan)
    }

    /// An enqueued run.
    pub async fn enqueue(&self, new: NewRun) -> RunRecord {
        let enqueued = self.store.enqueue(self.tenant, new).await.unwrap();
        assert!(!enqueued.repeated);
        enqueued.run
    }

    /// An enqueued run of one step without targets, of a job of its own.
    pub async fn single(&self) -> RunRecord {
        self.single_with_priority(0).await
    }

    /// The same with a priority.
    pub async fn single_with_priority(&self, priority: i16) -> RunRecord {
        let job = self.job().await;
        let plan = PlanSketch::new(&job, &[]).step(&[], &[]).build();
        self.enqueue(NewRun { priority, ..self.new_run(&job, plan) }).await
    }

    /// An enqueued run of one step over `targets` fresh targets.
    pub async fn wide(&self, targets: usize) -> RunRecord {
        let (job, ids) = (self.job().await, self.targets(targets).await);
        let all: Vec<u32> = (0..targets as u32).collect();
        let plan = PlanSketch::new(&job, &ids).step(&all, &[]).build();
        self.enqueue(self.new_run(&job, plan)).await
    }

    /// An enqueued run of one step on one target, of a job of its own.
    pub async fn on(&self, target: TargetId, priority: i16) -> RunRecord {
        let job = self.job().await;
        let plan = PlanSketch::new(&job, &[target]).step(&[0], &[]).build();
        self.enqueue(NewRun { priority, ..self.new_run(&job, plan) }).await
    }

    /// The runs of the tasks that [`Fixture::worker`] gets when it claims.
    pub async fn claim_runs(&self, limit: usize) -> Vec<RunId> {
        self.claim(limit).await.iter().map(|claimed| claimed.lease.run).collect()
    }

    /// What [`Fixture::worker`] gets when it claims.
    pub async fn claim(&self, limit: usize) -> Vec<Claimed> {
        self.store.claim(self.worker, limit, Self::TTL).await.unwrap()
    }

    /// The one task that is ready.
    pub async fn claim_one(&self) -> Claimed {
        let mut claimed = self.claim(2).await;
        assert_eq!(claimed.len(), 1, "one task is ready");
        claimed.remove(0)
    }

    /// An end of a task.
    pub fn completion(lease: Lease, status: TaskStatus) -> Completion {
        let succeeded = status == TaskStatus::Succeeded;
        Completion {
            lease,
            status,
            exit_code: Some(i64::from(!succeeded)),
            stdout: "out".to_owned(),
            stderr: String::new(),
            reason: (!succeeded).then(|| "because".to_owned()),
            metrics: Map::new(),
        }
    }

    /// Ends a task and says what became of that.
    pub async fn finish(&self, lease: Lease, status: TaskStatus) -> Settled {
        let settled = self.store.complete(vec![Self::completion(lease, status)]).await.unwrap();
        assert_eq!(settled.len(), 1);
        settled[0]
    }

    /// Ends a task that is expected to be held, and says how the run ended if it did.
    pub async fn end(&self, lease: Lease, status: TaskStatus) -> Option<RunStatus> {
        match self.finish(lease, status).await {
            Settled::Recorded { run } => run,
            Settled::Stale => panic!("the lease is the present one"),
        }
    }

    /// A task that goes back to the queue.
    pub fn requeue(lease: Lease, delay: Duration) -> Requeue {
        Requeue {
            lease,
            delay,
            reason: "again".to_owned(),
            attempt_status: TaskStatus::Failed,
            suspend: None,
        }
    }

    /// A piece of standard output.
    pub fn piece(lease: Lease, seq: u32, text: &str) -> OutputPiece {
        OutputPiece { lease, seq, stream: Stream::Stdout, text: Bytes::copy_from_slice(text.as_bytes()) }
    }

    /// A name for a remote command.
    pub fn handle(name: &str) -> RemoteHandle {
        RemoteHandle(BTreeMap::from([("command".to_owned(), name.to_owned())]))
    }

    /// A run as it stands.
    pub async fn run(&self, id: RunId) -> RunRecord {
        self.store.run(self.tenant, id).await.unwrap()
    }

    /// The tasks of a run.
    pub async fn tasks(&self, run: RunId) -> Vec<TaskRecord> {
        let listing = self.store.tasks(self.tenant, run, Self::ALL).await.unwrap();
        assert_eq!(listing.total, listing.items.len() as u64);
        listing.items
    }

    /// How the tasks of a run stand.
    pub async fn statuses(&self, run: RunId) -> Vec<TaskStatus> {
        self.tasks(run).await.into_iter().map(|task| task.status).collect()
    }

    /// The events of a run, after a look that their numbers have no gaps.
    pub async fn events(&self, run: RunId) -> Vec<Event> {
        let events = self.store.events(self.tenant, run, 0, 100_000).await.unwrap();
        for (event, expected) in events.iter().zip(1_u64..) {
            assert_eq!(event.seq, expected, "events are numbered without gaps");
            assert_eq!(event.run, run);
        }
        events
    }

    /// The names of the events of a run.
    pub async fn event_names(&self, run: RunId) -> Vec<&'static str> {
        self.events(run).await.iter().map(|event| event.kind.as_str()).collect()
    }

    /// A view of the same store from another tenant, which is made.
    pub async fn other_tenant(&self) -> Self {
        let tenant = self.store.create_tenant(&self.name("tenant")).await.unwrap().id;
        Self {
            store: self.store.clone(),
            clock: self.clock.clone(),
            tenant,
            worker: WorkerId::generate(),
            // Names may repeat across tenants, and those of the cases should.
            names: AtomicU32::new(0),
        }
    }

    /// The same store as another worker sees it.
    pub fn other_worker(&self) -> Self {
        Self {
            store: self.store.clone(),
            clock: self.clock.clone(),
            tenant: self.tenant,
            worker: WorkerId::generate(),
            names: AtomicU32::new(1_000_000),
        }
    }
}

/// A run of `plan` with nothing asked of it.
pub(super) fn plain_run(job: &JobRecord, plan: Arc<RunPlan>) -> NewRun {
    NewRun {
        job: job.id,
        plan,
        secrets: Vec::new(),
        if_current: false,
        requested_by: None,
        correlation_id: None,
        idempotency: None,
        priority: 0,
        parent: None,
        concurrency_key: None,
        labels: BTreeMap::new(),
    }
}
