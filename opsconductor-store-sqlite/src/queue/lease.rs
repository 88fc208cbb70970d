//! Leases: what they allow, how long they last, who takes them over.

use std::time::Duration;

use opsconductor_core::{
    Error, ErrorKind,
    id::{RunId, TaskId, TenantId, WorkerId},
    run::phase::Stopping,
    store::{Claimed, Expired, Lease, LeaseState},
};
use rusqlite::{OptionalExtension, Row, named_params, params};

use crate::{columns, error::DbResult, plans, writer::Tx};

const TAKE_EXPIRED: &str = include_str!("../../sql/take_expired.sql");

/// The attempt of a lease that is the present right to its task.
pub(super) fn attempt_of(tx: &Tx<'_>, lease: &Lease) -> DbResult<Option<u32>> {
    let sql = "SELECT attempt FROM queue
        WHERE task_id = ?1 AND run_id = ?2 AND epoch = ?3 AND worker = ?4 AND state = 'running'";
    let params = params![lease.task.get(), lease.run.get(), lease.epoch, lease.worker.to_string()];
    Ok(tx.db.prepare_cached(sql)?.query_row(params, |row| row.get(0)).optional()?)
}

/// How far a run is to stop and why, if it is.
pub(super) fn stop_of(tx: &Tx<'_>, run: RunId) -> DbResult<Option<(Stopping, String)>> {
    let sql = "SELECT stopping, cancel_reason FROM job_runs WHERE id = ?1";
    let read = |row: &Row<'_>| Ok((Stopping::from_number(row.get(0)?), columns::text_or_empty(row, 1)?));
    let found = tx.db.prepare_cached(sql)?.query_row([run.get()], read).optional()?;
    Ok(found.filter(|(stopping, _)| *stopping != Stopping::No))
}

/// How far the run of a task is to stop and why, if its step is to stop with it.
pub(super) fn step_stops(tx: &Tx<'_>, run: RunId, step: u32) -> DbResult<Option<(Stopping, String)>> {
    let Some(stop) = stop_of(tx, run)? else { return Ok(None) };
    let plan = plans::of(tx.plans, tx.db, run)?;
    let spared = plan.step(step).is_some_and(|step| stop.0.spares(step));
    Ok((!spared).then_some(stop))
}

/// The same of a task that a lease is the present right to.
fn stops(tx: &Tx<'_>, lease: &Lease) -> DbResult<Option<Stopping>> {
    if stop_of(tx, lease.run)?.is_none() {
        return Ok(None);
    }
    let sql = "SELECT idx FROM queue WHERE task_id = ?1";
    let step = tx.db.prepare_cached(sql)?.query_row([lease.task.get()], |row| row.get(0))?;
    Ok(step_stops(tx, lease.run, step)?.map(|(stopping, _)| stopping))
}

pub(super) fn record_dispatch(tx: &mut Tx<'_>, lease: &Lease, handle: &str) -> DbResult<()> {
    if attempt_of(tx, lease)?.is_none() {
        return Err(Error::new(ErrorKind::LeaseLost, "the lease is held by someone else or has ended")
            .with("task", lease.task)
            .into());
    }
    if stops(tx, lease)?.is_some() {
        return Err(Error::new(ErrorKind::Canceled, "the run is being canceled")
            .with("run", lease.run)
            .into());
    }
    let sql =
        "UPDATE queue SET dispatched = ?2, dispatched_at = coalesce(dispatched_at, ?3) WHERE task_id = ?1";
    tx.db.prepare_cached(sql)?.execute(params![lease.task.get(), handle, tx.steady])?;
    Ok(())
}

pub(super) fn renew(tx: &mut Tx<'_>, leases: &[Lease], ttl: Duration) -> DbResult<Vec<LeaseState>> {
    let until = columns::after(tx.steady, ttl);
    let sql = "UPDATE queue SET lease_until = ?5
        WHERE task_id = ?1 AND run_id = ?2 AND epoch = ?3 AND worker = ?4 AND state = 'running'";
    let mut prolong = tx.db.prepare_cached(sql)?;
    let mut answers = Vec::with_capacity(leases.len());
    for lease in leases {
        let held = prolong.execute(params![
            lease.task.get(),
            lease.run.get(),
            lease.epoch,
            lease.worker.to_string(),
            until
        ])?;
        answers.push(match held {
            0 => LeaseState::Lost,
            _ => match stops(tx, lease)? {
                None => LeaseState::Held,
                Some(Stopping::Overdue) => LeaseState::Overdue,
                Some(_) => LeaseState::Canceled,
            },
        });
    }
    Ok(answers)
}

pub(super) fn take_expired(
    tx: &mut Tx<'_>,
    worker: WorkerId,
    limit: usize,
    ttl: Duration,
) -> DbResult<Vec<Expired>> {
    let sql = "SELECT task_id, worker FROM queue WHERE state = 'running' AND lease_until <= ?1
        ORDER BY lease_until, task_id LIMIT ?2";
    let mut find = tx.db.prepare_cached(sql)?;
    let found = find
        .query_map(params![tx.steady, columns::count(limit)], |row| {
            Ok((row.get(0)?, columns::parsed(row, 1)?))
        })?
        .collect::<rusqlite::Result<Vec<(i64, WorkerId)>>>()?;
    found.into_iter().map(|(task, former)| take_over(tx, TaskId::new(task), former, worker, ttl)).collect()
}

fn take_over(
    tx: &Tx<'_>,
    task: TaskId,
    former: WorkerId,
    rescuer: WorkerId,
    ttl: Duration,
) -> DbResult<Expired> {
    let read = |row: &Row<'_>| {
        let lease = Lease { task, run: RunId::new(row.get(0)?), epoch: row.get(5)?, worker: rescuer };
        let claimed = Claimed {
            lease,
            tenant: TenantId::new(row.get(1)?),
            step: row.get(2)?,
            target: columns::target(row, 3)?,
            attempt: row.get(4)?,
            ttl,
        };
        let dispatched = columns::json_or_default(row, 6)?;
        let at: Option<i64> = row.get(7)?;
        let micros = at.and_then(|at| u64::try_from(tx.steady - at).ok()).unwrap_or_default();
        let since_dispatch = Duration::from_micros(micros);
        Ok(Expired { claimed, worker: former, dispatched, since_dispatch, output_seq: 0, canceled: false })
    };
    let mut expired = tx.db.prepare_cached(TAKE_EXPIRED)?.query_row(
        named_params! {
            ":worker": rescuer.to_string(),
            ":until": columns::after(tx.steady, ttl),
            ":task": task.get(),
        },
        read,
    )?;
    let sql = "SELECT coalesce(max(seq), 0) FROM output_chunks WHERE task_id = ?1 AND attempt = ?2";
    expired.output_seq = tx
        .db
        .prepare_cached(sql)?
        .query_row(params![task.get(), expired.claimed.attempt], |row| row.get(0))?;
    expired.canceled = stops(tx, &expired.claimed.lease)?.is_some();
    Ok(expired)
}
