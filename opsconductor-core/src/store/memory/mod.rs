//! The reference store: everything in memory, gone with the process. The plainest code that keeps the contracts.

mod accounts;
mod api_tokens;
mod audit;
mod catalog;
mod claim;
mod complete;
mod custody;
mod dead_letters;
mod enqueue;
mod feed;
mod history;
mod limits;
mod notifications;
mod queue;
mod retention;
mod sessions;
mod suspend;
mod turns;
mod versions;
mod workers;

use std::{
    collections::{BTreeMap, HashMap},
    fmt,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use chrono::SubsecRound;
use tokio::sync::broadcast;

use super::{
    AttemptRecord, CredentialRecord, DeadLetter, FormerVersion, JobRecord, JobVersion, Lease, LimitRecord,
    LimitScope, LoginKey, Notice, OutputChunk, RunRecord, SealedParameter, SigningKeyRecord, Store,
    Suspended, TaskRecord,
};
use crate::{
    Error, ErrorKind, Result,
    audit::staging::Staged,
    clock::{Clock, SystemClock, Timestamp},
    id::{ApiTokenId, CredentialId, JobId, LetterId, RunId, TargetId, TaskId, TenantId, UserId, WorkerId},
    run::{
        advance::StepCounters,
        event::{Event, EventKind},
        phase::Stopping,
        plan::RunPlan,
        state::RunStatus,
    },
    target::Target,
    tenant::{DEFAULT_TENANT, DEFAULT_TENANT_NAME, Tenant},
    transport::RemoteHandle,
};

/// How many notices a slow listener may fall behind before it misses some.
const NOTICES_MAX: usize = 1024;

/// A [`Store`] in memory: for tests, trials and documentation. Nothing outlives it.
pub struct MemoryStore {
    clock: Arc<dyn Clock>,
    state: Mutex<State>,
    notices: broadcast::Sender<Notice>,
}

impl MemoryStore {
    /// An empty store that takes its time from `clock`.
    pub fn new(clock: Arc<dyn Clock>) -> Self {
        let mut state = State { now: clock.now(), ..State::default() };
        let tenant = Tenant {
            id: DEFAULT_TENANT,
            name: DEFAULT_TENANT_NAME.to_owned(),
            created_at: state.tick(&*clock),
        };
        state.last_id = DEFAULT_TENANT.get();
        state.tenants.insert(tenant.id, tenant);
        Self { clock, state: Mutex::new(state), notices: broadcast::Sender::new(NOTICES_MAX) }
    }

    /// Runs `work` with the rows for itself, then gives out the notices of what it did.
    fn with<T>(&self, work: impl FnOnce(&mut State) -> T) -> T {
        let (answer, notices) = {
            let mut state = self.lock();
            state.tick(&*self.clock);
            (work(&mut state), std::mem::take(&mut state.notices))
        };
        for notice in notices {
            // Nobody listening is no error: notices are speed, never correctness.
            let _ = self.notices.send(notice);
        }
        answer
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        // Work checks everything before it changes anything, so a panic leaves no half-written rows behind.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Store for MemoryStore {
    fn name(&self) -> &'static str {
        "memory"
    }

    fn notices(&self) -> Option<broadcast::Receiver<Notice>> {
        Some(self.notices.subscribe())
    }
}

impl Default for MemoryStore {
    fn default() -> Self {
        Self::new(Arc::new(SystemClock::new()))
    }
}

impl fmt::Debug for MemoryStore {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let state = self.lock();
        f.debug_struct("MemoryStore")
            .field("runs", &state.runs.len())
            .field("live_tasks", &state.live.len())
            .finish_non_exhaustive()
    }
}

/// All rows, and the moment at which they are looked at.
#[derive(Default)]
struct State {
    now: Timestamp,
    last_id: i64,
    tenants: BTreeMap<TenantId, Tenant>,
    credentials: BTreeMap<CredentialId, (TenantId, CredentialRecord)>,
    /// Former versions of credentials.
    versions: BTreeMap<(CredentialId, i32), (TenantId, FormerVersion)>,
    targets: BTreeMap<TargetId, (TenantId, Target)>,
    jobs: BTreeMap<JobId, JobRow>,
    runs: BTreeMap<RunId, RunRow>,
    tasks: BTreeMap<TaskId, TaskRow>,
    /// One row for each task that has not ended.
    live: BTreeMap<TaskId, LiveRow>,
    output: BTreeMap<(TaskId, u32, u32), OutputChunk>,
    limits: BTreeMap<(TenantId, LimitScope), LimitRow>,
    letters: BTreeMap<LetterId, (TenantId, DeadLetter)>,
    workers: HashMap<WorkerId, workers::WorkerRow>,
    users: BTreeMap<UserId, accounts::UserRow>,
    logins: HashMap<LoginKey, accounts::LoginRow>,
    /// The newest last.
    signing_keys: Vec<SigningKeyRecord>,
    families: BTreeMap<String, sessions::FamilyRow>,
    api_tokens: BTreeMap<ApiTokenId, api_tokens::ApiTokenRow>,
    told: notifications::Told,
    notices: Vec<Notice>,
    numbered: feed::Numbered,
    audit: audit::Audit,
    /// The entry that came with the call that is being made.
    note: Option<Staged>,
}

struct LimitRow {
    /// When it was first set, in the order of all ids.
    id: i64,
    record: LimitRecord,
    /// As in [`Gate`](super::Gate).
    next_start: Option<i64>,
}

struct JobRow {
    tenant: TenantId,
    /// The present version.
    record: JobRecord,
    /// The targets that it names.
    targets: Vec<String>,
    versions: BTreeMap<i32, JobVersion>,
}

struct RunRow {
    tenant: TenantId,
    record: RunRecord,
    plan: Arc<RunPlan>,
    secrets: Vec<SealedParameter>,
    digest: Option<[u8; 32]>,
    counters: Vec<StepCounters>,
    events: Vec<Event>,
    /// Ascending, hence by step and by the target's place.
    tasks: Vec<TaskId>,
    /// How far it is to stop, and why.
    stopping: Stopping,
    cancel_reason: Option<String>,
}

struct TaskRow {
    record: TaskRecord,
    attempts: Vec<AttemptRecord>,
    /// The lease that wrote the end, so that its repeat is known.
    ended_by: Option<Lease>,
}

#[derive(Clone)]
struct LiveRow {
    run: RunId,
    job: JobId,
    target: Option<TargetId>,
    credential: Option<CredentialId>,
    state: LiveState,
    priority: i16,
    due_at: Timestamp,
    epoch: i64,
    attempt: u32,
    dispatched: Option<RemoteHandle>,
    /// When the attempt was dispatched first.
    dispatched_at: Option<Timestamp>,
    /// What it waits for or has waited for.
    suspended: Option<Suspended>,
    /// What it asks or has asked a person, and since when.
    asked: Option<(String, Timestamp)>,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum LiveState {
    Waiting { edges: u32 },
    Queued,
    Running { worker: WorkerId, started_at: Timestamp, lease_until: Timestamp },
}

impl State {
    /// Takes the time, cut to what a database keeps.
    fn tick(&mut self, clock: &dyn Clock) -> Timestamp {
        self.now = clock.now().trunc_subsecs(6);
        self.now
    }

    /// An id that nothing had before.
    fn next_id(&mut self) -> i64 {
        self.last_id += 1;
        self.last_id
    }

    fn after(&self, duration: Duration) -> Timestamp {
        chrono::TimeDelta::from_std(duration)
            .ok()
            .and_then(|delta| self.now.checked_add_signed(delta))
            .unwrap_or(Timestamp::MAX_UTC)
    }

    fn tenant_exists(&self, tenant: TenantId) -> Result<()> {
        if self.tenants.contains_key(&tenant) { Ok(()) } else { Err(missing("tenant", tenant)) }
    }

    fn run_of(&self, tenant: TenantId, id: RunId) -> Result<&RunRow> {
        self.runs.get(&id).filter(|run| run.tenant == tenant).ok_or_else(|| missing("run", id))
    }

    /// The run of a task that exists, and the task.
    fn run_and_task(&mut self, id: TaskId) -> Option<(&mut RunRow, &mut TaskRow)> {
        let task = self.tasks.get_mut(&id)?;
        let run = self.runs.get_mut(&task.record.run)?;
        Some((run, task))
    }

    /// The live row, if `lease` is the present right to it.
    fn held(&self, lease: &Lease) -> Option<&LiveRow> {
        self.live.get(&lease.task).filter(|row| {
            row.run == lease.run
                && row.epoch == lease.epoch
                && matches!(row.state, LiveState::Running { worker, .. } if worker == lease.worker)
        })
    }

    /// How far the run of a task is to stop, if the task is to stop with it.
    fn stops(&self, task: TaskId) -> Option<Stopping> {
        let task = &self.tasks.get(&task)?.record;
        let run = self.runs.get(&task.run)?;
        let step = run.plan.step(task.step)?;
        (!run.stopping.spares(step)).then_some(run.stopping)
    }

    fn run_event(&mut self, run: RunId, kind: EventKind) {
        let at = self.now;
        if let Some(row) = self.runs.get_mut(&run) {
            row.push(None, kind, at);
            self.notices.push(Notice::Run(run));
        }
    }

    fn task_event(&mut self, task: TaskId, kind: EventKind) {
        let at = self.now;
        if let Some((run, row)) = self.run_and_task(task) {
            run.push(Some(&row.record), kind, at);
            let run = run.record.id;
            self.notices.push(Notice::Run(run));
        }
    }

    fn end_run(&mut self, run: RunId, status: RunStatus) {
        let now = self.now;
        if let Some(row) = self.runs.get_mut(&run) {
            row.record.status = status;
            row.record.finished_at = Some(now);
            self.run_event(run, EventKind::RunFinished { status });
        }
        self.tell_of_end(run);
        self.pass_key_on(run);
    }
}

impl RunRow {
    fn push(&mut self, task: Option<&TaskRecord>, kind: EventKind, at: Timestamp) {
        self.events.push(Event {
            run: self.record.id,
            seq: self.events.len() as u64 + 1,
            task: task.map(|task| task.id),
            step: task.map(|task| task.step),
            target: task.and_then(|task| task.target),
            kind,
            at,
        });
    }
}

fn missing(what: &'static str, id: impl fmt::Display) -> Error {
    Error::new(ErrorKind::NotFound, format!("no such {what}")).with(what, id)
}

fn taken(what: &'static str, name: &str) -> Error {
    Error::new(ErrorKind::Conflict, format!("a {what} of this name exists already")).with(what, name)
}

fn invalid(message: impl Into<String>) -> Error {
    Error::new(ErrorKind::InvalidInput, message)
}
