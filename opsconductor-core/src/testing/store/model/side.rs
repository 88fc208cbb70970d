//! [`Side`]: one of the two stores, and what it has given so far.

mod catalog;
mod promises;
mod queue;

use std::{collections::HashMap, fmt::Debug, sync::Arc};

use super::{
    call::Call,
    names::Names,
    pick::{Bent, LeasePick, Pick},
};
use crate::{
    Result,
    id::{CredentialId, JobId, LetterId, RunId, TargetId, TaskId, TenantId, WorkerId},
    store::{CredentialRecord, JobRecord, Lease, Store},
    tenant::DEFAULT_TENANT,
};

/// An id that no store gives.
const NOBODY: i64 = 1 << 40;

/// A store with its rows in the order in which they came, those that are gone included.
pub(super) struct Side {
    pub(super) store: Arc<dyn Store>,
    names: Names,
    pub(super) tenants: Vec<TenantId>,
    /// With the version that was seen last.
    credentials: Vec<(TenantId, (CredentialId, i32))>,
    targets: Vec<(TenantId, TargetId)>,
    jobs: Vec<(TenantId, JobRecord)>,
    pub(super) runs: Vec<(TenantId, RunId)>,
    jobs_of: HashMap<RunId, JobId>,
    tasks: Vec<TaskId>,
    leases: Vec<Lease>,
    letters: Vec<(TenantId, (LetterId, RunId))>,
    /// Whether the last call was a claim that left nothing that is ready.
    pub(super) all_claimed: bool,
    /// The latest epoch of each task.
    epochs: HashMap<TaskId, i64>,
}

impl Side {
    /// Around a fresh store, with a second tenant and a few rows in each, so that short sequences are about something.
    pub(super) async fn new(store: Arc<dyn Store>) -> Self {
        let second = store.create_tenant("tenant0").await.unwrap().id;
        let mut side = Self {
            store,
            names: Names::default(),
            tenants: vec![second, DEFAULT_TENANT],
            credentials: Vec::new(),
            targets: Vec::new(),
            jobs: Vec::new(),
            runs: Vec::new(),
            jobs_of: HashMap::new(),
            tasks: Vec::new(),
            leases: Vec::new(),
            letters: Vec::new(),
            all_claimed: false,
            epochs: HashMap::new(),
        };
        side.furnish().await;
        side
    }

    /// What the store answers to a call, in words that do not depend on its ids.
    pub(super) async fn apply(&mut self, call: &Call) -> String {
        self.all_claimed = false;
        match call {
            Call::Wait { .. } => String::new(),
            Call::Look(look) => self.look(look).await,
            Call::Promise(promise) => self.keep_promise(promise).await,
            Call::Enqueue { .. }
            | Call::Enqueued { .. }
            | Call::Claim { .. }
            | Call::Dispatch { .. }
            | Call::Renew { .. }
            | Call::Output { .. }
            | Call::Complete { .. }
            | Call::Requeue { .. }
            | Call::TakeExpired { .. }
            | Call::Cancel { .. }
            | Call::Suspended { .. }
            | Call::Decide { .. }
            | Call::StopOverdue { .. } => self.move_on(call).await,
            _ => self.write_down(call).await,
        }
    }

    /// An answer in words. Of an error only its kind counts.
    pub(super) fn said<T: Debug>(&mut self, answer: Result<T>) -> String {
        match answer {
            Ok(value) => self.names.rename(&format!("{value:?}")),
            Err(error) => format!("error {:?}", error.kind()),
        }
    }

    /// A credential with its sealed record, which it does not show by itself.
    pub(super) fn shown(record: CredentialRecord) -> impl Debug + use<> {
        let CredentialRecord {
            id,
            name,
            description,
            credential_type,
            version,
            sealed,
            created_at,
            updated_at,
            expires_at,
        } = record;
        (id, name, description, credential_type, version, sealed, created_at, updated_at, expires_at)
    }

    pub(super) fn tags(bits: u8) -> Vec<String> {
        (0..3).filter(|bit| bits & (1 << bit) != 0).map(|bit| format!("tag:{bit}")).collect()
    }

    pub(super) fn tenant(&self, pick: Pick) -> TenantId {
        pick.of(&self.tenants).copied().unwrap_or(TenantId::new(NOBODY))
    }

    /// The tenant that a row is asked for in.
    fn home(&self, tenant: TenantId, astray: bool) -> TenantId {
        let other = self.tenants.iter().find(|other| **other != tenant);
        if astray { other.copied().unwrap_or(tenant) } else { tenant }
    }

    fn place<T: Copy>(&self, rows: &[(TenantId, T)], pick: Pick, astray: bool, nobody: T) -> (TenantId, T) {
        let (tenant, row) = pick.of(rows).copied().unwrap_or((DEFAULT_TENANT, nobody));
        (self.home(tenant, astray), row)
    }

    pub(super) fn credential(&self, pick: Pick, astray: bool) -> (TenantId, (CredentialId, i32)) {
        self.place(&self.credentials, pick, astray, (CredentialId::new(NOBODY), 1))
    }

    pub(super) fn target(&self, pick: Pick, astray: bool) -> (TenantId, TargetId) {
        self.place(&self.targets, pick, astray, TargetId::new(NOBODY))
    }

    pub(super) fn job(&self, pick: Pick, astray: bool) -> (TenantId, JobId) {
        let (tenant, job) =
            pick.of(&self.jobs).map_or((DEFAULT_TENANT, JobId::new(NOBODY)), |(home, job)| (*home, job.id));
        (self.home(tenant, astray), job)
    }

    pub(super) fn run(&self, pick: Pick, astray: bool) -> (TenantId, RunId) {
        self.place(&self.runs, pick, astray, RunId::new(NOBODY))
    }

    pub(super) fn task(&self, pick: Pick) -> TaskId {
        pick.of(&self.tasks).copied().unwrap_or(TaskId::new(NOBODY))
    }

    /// A lease that was given, bent if that is asked for.
    fn lease(&self, pick: LeasePick) -> Lease {
        let nobody =
            Lease { task: TaskId::new(NOBODY), run: RunId::new(NOBODY), epoch: 1, worker: worker(0) };
        let lease = pick.lease.of(&self.leases).copied().unwrap_or(nobody);
        match pick.bent {
            None => lease,
            Some(Bent::EpochBefore) => Lease { epoch: lease.epoch - 1, ..lease },
            // Beyond all that were given: the next one would be true when the store gives it.
            Some(Bent::EpochAfter) => Lease { epoch: lease.epoch + (1 << 20), ..lease },
            Some(Bent::AnotherWorker) => Lease { worker: worker(9), ..lease },
            Some(Bent::AnotherRun) => Lease { run: RunId::new(NOBODY), ..lease },
        }
    }

    /// Takes note of a lease, and that its epoch is above all that came before.
    fn given(&mut self, lease: Lease) {
        let before = self.epochs.insert(lease.task, lease.epoch);
        assert!(before.is_none_or(|before| before < lease.epoch), "{lease:?} comes after epoch {before:?}");
        self.leases.push(lease);
    }
}

/// The same workers on both sides.
fn worker(number: u8) -> WorkerId {
    format!("018f0000-0000-7000-8000-0000000000{number:02}").parse().unwrap()
}
