//! A run is to stop.

use opsconductor_core::{
    id::{RunId, TenantId},
    run::{TaskStatus, advance::run_status},
    store::{Notice, RunRecord},
};

use super::{
    ends::{Ends, Idle},
    runs::Locked,
};
use crate::{PgStore, columns, error::DbResult, events::EventRow, history, plans};

const TAKE_IDLE: &str = include_str!("../../sql/take_idle.sql");

pub(super) async fn cancel_run(
    store: &PgStore,
    tenant: TenantId,
    id: RunId,
    reason: &str,
) -> DbResult<RunRecord> {
    let reason = columns::storable(reason);
    let mut tx = store.pools.queue_transaction().await?;
    history::run(store, &mut tx, tenant, id).await?;
    let plans = plans::of(store, &mut tx, [id]).await?;
    let mut locked = Locked::lock(store, &mut tx, [id]).await?;
    // It is read again under the lock: it may have ended meanwhile.
    let run = history::run(store, &mut tx, tenant, id).await?;
    if run.status.is_final() || run.cancel_requested {
        return Ok(run);
    }
    let rows = sqlx::query(store.statements.of(TAKE_IDLE)).bind(id.get()).fetch_all(&mut *tx).await?;
    let mut idle = rows.iter().map(Idle::read).collect::<sqlx::Result<Vec<_>>>()?;
    idle.sort_unstable_by_key(|task| task.place.task);
    let mut ends = Ends::default();
    let mut notices = vec![Notice::Run(id)];
    for task in &idle {
        ends.idle(task, reason.clone());
        let aborted = EventRow::finished(task.place, TaskStatus::Aborted, Some(reason.clone().into_owned()));
        locked.tell(id, aborted);
    }
    if let (Some(locked), Some(plan)) = (locked.runs.get_mut(&id), plans.get(&id)) {
        locked.cancel(&reason);
        for task in &idle {
            locked.counters[task.place.step as usize].count(TaskStatus::Aborted, 1);
        }
        match run_status(plan, &locked.counters, true) {
            Some(status) => locked.end(status),
            None => notices.push(Notice::Cancel(id)),
        }
    }
    ends.write(store, &mut tx, locked.now).await?;
    locked.write(store, &mut tx).await?;
    let run = history::run(store, &mut tx, tenant, id).await?;
    tx.commit().await?;
    store.notices.tell(notices);
    Ok(run)
}
