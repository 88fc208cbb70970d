//! Leases: what they allow, how long they last, who takes them over.

use std::time::Duration;

use opsconductor_core::{
    Error, ErrorKind,
    clock::Timestamp,
    id::{RunId, TargetId, TaskId, TenantId, WorkerId},
    store::{Claimed, Expired, Lease, LeaseState},
    transport::RemoteHandle,
};
use sqlx::{PgConnection, postgres::PgRow};
use uuid::Uuid;

use super::parking::Belongs;
use crate::{PgStore, columns, error::DbResult, events::Place};

const HOLD: &str = include_str!("../../sql/hold.sql");
const RENEW: &str = include_str!("../../sql/renew.sql");
const RECORD_DISPATCH: &str = include_str!("../../sql/record_dispatch.sql");
const TAKE_EXPIRED: &str = include_str!("../../sql/take_expired.sql");

/// Leases as columns.
#[derive(Debug, Default)]
pub(super) struct LeaseColumns {
    pub(super) task: Vec<i64>,
    pub(super) run: Vec<i64>,
    pub(super) epoch: Vec<i64>,
    pub(super) worker: Vec<Uuid>,
}

impl<'a> FromIterator<&'a Lease> for LeaseColumns {
    fn from_iter<I: IntoIterator<Item = &'a Lease>>(leases: I) -> Self {
        let mut columns = Self::default();
        // The leases of a call are mostly one worker's.
        let mut last: Option<(WorkerId, Uuid)> = None;
        for lease in leases {
            let uuid = match last {
                Some((worker, uuid)) if worker == lease.worker => uuid,
                _ => columns::uuid(lease.worker),
            };
            last = Some((lease.worker, uuid));
            columns.task.push(lease.task.get());
            columns.run.push(lease.run.get());
            columns.epoch.push(lease.epoch);
            columns.worker.push(uuid);
        }
        columns
    }
}

/// A task that this transaction holds by its lease.
#[derive(Debug, Clone)]
pub(super) struct Held {
    pub(super) tenant: TenantId,
    pub(super) place: Place,
    pub(super) attempt: i32,
    pub(super) started_at: Timestamp,
    /// Whether it runs under a limit, and with whom it shares that.
    limited: bool,
    job: i64,
    credential: Option<i64>,
    /// Where its row stands, for as long as the lock holds.
    pub(super) stands: String,
}

/// What those of the tasks belong to that run under a limit.
pub(super) fn limited<'a>(held: impl IntoIterator<Item = &'a Option<Held>>) -> Belongs {
    let mut belongs = Belongs::default();
    for task in held.into_iter().flatten().filter(|task| task.limited) {
        belongs.push(task.tenant.get(), task.job, task.place.target.map(TargetId::get), task.credential);
    }
    belongs
}

/// Holds the tasks whose leases are the present right to them until the transaction ends; in the order of `leases`.
pub(super) async fn hold(
    store: &PgStore,
    tx: &mut PgConnection,
    leases: &[&Lease],
) -> DbResult<Vec<Option<Held>>> {
    let mut held = vec![None; leases.len()];
    let given: LeaseColumns = leases.iter().copied().collect();
    let rows = sqlx::query(store.statements.of(HOLD))
        .bind(&given.task)
        .bind(&given.run)
        .bind(&given.epoch)
        .bind(&given.worker)
        .fetch_all(tx)
        .await?;
    for row in rows {
        let index = place(&row, 0)?;
        let task = leases[index].task;
        held[index] = Some(Held {
            tenant: TenantId::new(columns::get(&row, 1)?),
            place: Place { task, step: columns::unsigned(&row, 2)?, target: columns::target(&row, 3)? },
            attempt: columns::get(&row, 4)?,
            started_at: columns::get(&row, 5)?,
            limited: columns::get(&row, 6)?,
            job: columns::get(&row, 7)?,
            credential: columns::get(&row, 8)?,
            stands: columns::get(&row, 9)?,
        });
    }
    Ok(held)
}

/// An index into what was given, from the place of an element, which counts from 1.
pub(super) fn place(row: &PgRow, index: usize) -> sqlx::Result<usize> {
    usize::try_from(columns::get::<i64>(row, index)? - 1).map_err(|error| columns::unreadable(index, error))
}

pub(super) async fn record_dispatch(store: &PgStore, lease: &Lease, handle: &RemoteHandle) -> DbResult<()> {
    let handle = columns::to_json(handle)?;
    let mut db = store.pools.queue().await?;
    let written = sqlx::query(store.statements.of(RECORD_DISPATCH))
        .bind(lease.task.get())
        .bind(lease.run.get())
        .bind(lease.epoch)
        .bind(columns::uuid(lease.worker))
        .bind(handle)
        .bind(store.moment())
        .execute(&mut *db)
        .await?;
    if written.rows_affected() > 0 {
        return Ok(());
    }
    let sql = store.statements.of("SELECT EXISTS (SELECT 1 FROM :schema.queue
        WHERE task_id = $1 AND run_id = $2 AND epoch = $3 AND worker = $4 AND state = 'running')");
    let held: bool = sqlx::query_scalar(sql)
        .bind(lease.task.get())
        .bind(lease.run.get())
        .bind(lease.epoch)
        .bind(columns::uuid(lease.worker))
        .fetch_one(&mut *db)
        .await?;
    let error = match held {
        true => Error::new(ErrorKind::Canceled, "the run is being canceled").with("run", lease.run),
        false => Error::new(ErrorKind::LeaseLost, "the lease is held by someone else or has ended")
            .with("task", lease.task),
    };
    Err(error.into())
}

pub(super) async fn renew(store: &PgStore, leases: &[Lease], ttl: Duration) -> DbResult<Vec<LeaseState>> {
    let mut answers = vec![LeaseState::Lost; leases.len()];
    if leases.is_empty() {
        return Ok(answers);
    }
    let given: LeaseColumns = leases.iter().collect();
    let mut db = store.pools.queue().await?;
    let rows = sqlx::query(store.statements.of(RENEW))
        .bind(store.moment())
        .bind(columns::micros(ttl))
        .bind(&given.task)
        .bind(&given.run)
        .bind(&given.epoch)
        .bind(&given.worker)
        .fetch_all(&mut *db)
        .await?;
    for row in rows {
        let canceled = columns::get(&row, 1)?;
        answers[place(&row, 0)?] = if canceled { LeaseState::Canceled } else { LeaseState::Held };
    }
    Ok(answers)
}

pub(super) async fn take_expired(
    store: &PgStore,
    worker: WorkerId,
    limit: usize,
    ttl: Duration,
) -> DbResult<Vec<Expired>> {
    let mut db = store.pools.queue().await?;
    let rows = sqlx::query(store.statements.of(TAKE_EXPIRED))
        .bind(store.moment())
        .bind(columns::uuid(worker))
        .bind(columns::count(limit))
        .bind(columns::micros(ttl))
        .fetch_all(&mut *db)
        .await?;
    rows.iter().map(|row| expired(row, worker, ttl)).collect()
}

fn expired(row: &PgRow, rescuer: WorkerId, ttl: Duration) -> DbResult<Expired> {
    let dispatched: Option<&str> = columns::get(row, 7)?;
    let output_seq = u32::try_from(columns::get::<i64>(row, 9)?).unwrap_or(u32::MAX);
    Ok(Expired {
        claimed: claimed(row, rescuer, ttl)?,
        worker: columns::worker(row, 8)?,
        dispatched: dispatched.map(serde_json::from_str).transpose()?,
        output_seq,
        canceled: columns::get(row, 10)?,
        since_dispatch: Duration::from_micros(
            u64::try_from(columns::get::<i64>(row, 11)?).unwrap_or_default(),
        ),
    })
}

/// From the columns `task_id, run_id, tenant_id, idx, target_id, attempt, epoch`.
pub(super) fn claimed(row: &PgRow, worker: WorkerId, ttl: Duration) -> sqlx::Result<Claimed> {
    let lease = Lease {
        task: TaskId::new(columns::get(row, 0)?),
        run: RunId::new(columns::get(row, 1)?),
        epoch: columns::get(row, 6)?,
        worker,
    };
    Ok(Claimed {
        lease,
        tenant: TenantId::new(columns::get(row, 2)?),
        step: columns::unsigned(row, 3)?,
        target: columns::get::<Option<i64>>(row, 4)?.map(TargetId::new),
        attempt: columns::unsigned(row, 5)?,
        ttl,
    })
}
