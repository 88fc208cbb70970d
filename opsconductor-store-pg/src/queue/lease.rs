//! Leases: what they allow, how long they last, who takes them over.

use std::{collections::HashMap, sync::Arc, time::Duration};

use opsconductor_core::{
    Error, ErrorKind,
    clock::Timestamp,
    id::{RunId, TargetId, TaskId, TenantId, WorkerId},
    run::{RunPlan, phase::Stopping},
    store::{Claimed, Expired, Lease, LeaseState},
    transport::RemoteHandle,
};
use sqlx::{PgConnection, postgres::PgRow};
use uuid::Uuid;

use super::parking::Belongs;
use crate::{PgStore, columns, error::DbResult, events::Place, plans};

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
    run: RunId,
    job: i64,
    credential: Option<i64>,
    /// Where its row stands, for as long as the lock holds.
    pub(super) stands: String,
}

/// What those of the tasks belong to that run under a limit.
pub(super) fn limited<'a>(held: impl IntoIterator<Item = &'a Option<Held>>) -> Belongs {
    let mut belongs = Belongs::default();
    for task in held.into_iter().flatten().filter(|task| task.limited) {
        let target = task.place.target.map(TargetId::get);
        belongs.push(task.run, task.tenant.get(), task.job, target, task.credential);
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
            run: leases[index].run,
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
    if write_dispatch(store, &mut db, lease, &handle, Stopping::No).await? {
        return Ok(());
    }
    let sql = store
        .statements
        .of("SELECT q.idx, r.stopping FROM :schema.queue AS q JOIN :schema.job_runs AS r ON r.id = q.run_id
        WHERE q.task_id = $1 AND q.run_id = $2 AND q.epoch = $3 AND q.worker = $4 AND q.state = 'running'");
    let held: Option<(i32, i16)> = sqlx::query_as(sql)
        .bind(lease.task.get())
        .bind(lease.run.get())
        .bind(lease.epoch)
        .bind(columns::uuid(lease.worker))
        .fetch_optional(&mut *db)
        .await?;
    let Some((step, stopping)) = held else {
        return Err(Error::new(ErrorKind::LeaseLost, "the lease is held by someone else or has ended")
            .with("task", lease.task)
            .into());
    };
    let stopping = Stopping::from_number(stopping);
    let plans = plans::of(store, &mut db, [lease.run]).await?;
    let spared = spares(&plans, lease.run, stopping, step.unsigned_abs());
    if spared && write_dispatch(store, &mut db, lease, &handle, stopping).await? {
        return Ok(());
    }
    Err(Error::new(ErrorKind::Canceled, "the run is being canceled").with("run", lease.run).into())
}

/// Writes the intent if the lease is the present right to the task and its run is to stop no further than `stopping`.
async fn write_dispatch(
    store: &PgStore,
    db: &mut PgConnection,
    lease: &Lease,
    handle: &str,
    stopping: Stopping,
) -> DbResult<bool> {
    let written = sqlx::query(store.statements.of(RECORD_DISPATCH))
        .bind(lease.task.get())
        .bind(lease.run.get())
        .bind(lease.epoch)
        .bind(columns::uuid(lease.worker))
        .bind(handle)
        .bind(store.moment())
        .bind(stopping.number())
        .execute(db)
        .await?;
    Ok(written.rows_affected() > 0)
}

/// Whether a run that stops so far lets a step go on.
fn spares(plans: &HashMap<RunId, Arc<RunPlan>>, run: RunId, stopping: Stopping, step: u32) -> bool {
    plans.get(&run).and_then(|plan| plan.step(step)).is_some_and(|step| stopping.spares(step))
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
    let mut stops = Vec::new();
    for row in rows {
        let (stopping, place) = (Stopping::from_number(columns::get(&row, 1)?), place(&row, 0)?);
        answers[place] = LeaseState::Held;
        if stopping != Stopping::No {
            stops.push((place, stopping, RunId::new(columns::get(&row, 2)?), columns::unsigned(&row, 3)?));
        }
    }
    let plans = plans::of(store, &mut db, stops.iter().map(|(_, _, run, _)| *run)).await?;
    for (place, stopping, run, step) in stops {
        answers[place] = match stopping {
            _ if spares(&plans, run, stopping, step) => LeaseState::Held,
            Stopping::Overdue => LeaseState::Overdue,
            _ => LeaseState::Canceled,
        };
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
    let mut all = Vec::with_capacity(rows.len());
    let mut stops = Vec::new();
    for row in &rows {
        let task = expired(row, worker, ttl)?;
        // A run that is gone stops whole.
        let number: Option<i16> = columns::get(row, 10)?;
        match Stopping::from_number(number.unwrap_or(i16::MAX)) {
            Stopping::No => {}
            stopping => stops.push((all.len(), stopping)),
        }
        all.push(task);
    }
    let plans = plans::of(store, &mut db, stops.iter().map(|(at, _)| all[*at].claimed.lease.run)).await?;
    for (at, stopping) in stops {
        let claimed = &all[at].claimed;
        all[at].canceled = !spares(&plans, claimed.lease.run, stopping, claimed.step);
    }
    Ok(all)
}

fn expired(row: &PgRow, rescuer: WorkerId, ttl: Duration) -> DbResult<Expired> {
    let dispatched: Option<&str> = columns::get(row, 7)?;
    let output_seq = u32::try_from(columns::get::<i64>(row, 9)?).unwrap_or(u32::MAX);
    Ok(Expired {
        claimed: claimed(row, rescuer, ttl)?,
        worker: columns::worker(row, 8)?,
        dispatched: dispatched.map(serde_json::from_str).transpose()?,
        output_seq,
        canceled: false,
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
