//! Workers take what is ready and what no limit holds back.

use std::time::Duration;

use opsconductor_core::{
    id::{RunId, TargetId, TaskId, TenantId, WorkerId},
    store::{Claimed, Lease, Notice},
};
use rusqlite::{OptionalExtension, Row, named_params, params};

use super::{
    claim::next_priority,
    parking::{Belongs, Parking},
};
use crate::{columns, error::DbResult, writer::Tx};

const TAKE: &str = include_str!("../../sql/claim_one.sql");

/// How many tasks one claim parks. Each is parked once for every time a limit closes before it; whoever comes next goes on.
const PARKED_MAX: usize = 2_000;

/// A task that would be next.
struct Candidate {
    task: i64,
    run: i64,
    step: u32,
    target: Option<i64>,
    belongs: Belongs,
}

/// Takes tasks one after the other, the first in order each time: what has just been let go may stand before the others.
pub(super) fn claim(
    tx: &mut Tx<'_>,
    worker: WorkerId,
    limit: usize,
    ttl: Duration,
) -> DbResult<Vec<Claimed>> {
    let mut parking = Parking::default();
    parking.wake_due(tx)?;
    let (mut claimed, mut parked) = (Vec::new(), 0);
    while claimed.len() < limit {
        if parked == PARKED_MAX {
            tx.notice(Notice::Ready);
            break;
        }
        let Some(candidate) = first(tx)? else { break };
        let on = parking.lots_of(tx, candidate.belongs)?;
        match parking.barrier(tx, &on) {
            Some(barrier) => {
                parking.park(tx, candidate.task, &on, barrier)?;
                parked += 1;
            }
            None => {
                parking.started(tx, &on)?;
                claimed.push(take(tx, &candidate, !on.is_empty(), worker, ttl)?);
            }
        }
    }
    Ok(claimed)
}

fn first(tx: &Tx<'_>) -> DbResult<Option<Candidate>> {
    let sql = "SELECT task_id, run_id, idx, target_id, tenant_id, job_id, target_id, credential_id, run_id FROM queue
        WHERE state = 'queued' AND parked_on IS NULL AND priority = ?1 AND due_at <= ?2
        ORDER BY due_at, task_id LIMIT 1";
    let read = |row: &Row<'_>| {
        Ok(Candidate {
            task: row.get(0)?,
            run: row.get(1)?,
            step: row.get(2)?,
            target: row.get(3)?,
            belongs: Belongs::read(row, 4)?,
        })
    };
    let mut above = None;
    while let Some(priority) = next_priority(tx.db, above)? {
        let found = tx.db.prepare_cached(sql)?.query_row(params![priority, tx.steady], read).optional()?;
        if found.is_some() {
            return Ok(found);
        }
        above = Some(priority);
    }
    Ok(None)
}

fn take(
    tx: &Tx<'_>,
    candidate: &Candidate,
    limited: bool,
    worker: WorkerId,
    ttl: Duration,
) -> DbResult<Claimed> {
    let (attempt, epoch) = tx.db.prepare_cached(TAKE)?.query_row(
        named_params! {
            ":task": candidate.task,
            ":limited": limited,
            ":worker": worker.to_string(),
            ":now": tx.now,
            ":until": columns::after(tx.steady, ttl),
        },
        |row| Ok((row.get(0)?, row.get(1)?)),
    )?;
    let (task, run) = (TaskId::new(candidate.task), RunId::new(candidate.run));
    Ok(Claimed {
        lease: Lease { task, run, epoch, worker },
        tenant: TenantId::new(candidate.belongs.tenant),
        step: candidate.step,
        target: candidate.target.map(TargetId::new),
        attempt,
        ttl,
    })
}
