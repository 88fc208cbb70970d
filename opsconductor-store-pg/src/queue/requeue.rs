//! Tasks go back to the queue.

use std::collections::{BTreeMap, HashMap};

use opsconductor_core::{
    Result,
    id::RunId,
    run::{TaskStatus, phase::Stopping, plan::TaskKey},
    store::{Notice, Requeue, WaitsFor},
};
use sqlx::PgConnection;

use super::{
    advance,
    ends::{Attempts, Ends, Idle},
    lease::{Held, hold, limited},
    parking::{self, Belongs},
    runs::Locked,
};
use crate::{
    PgStore, columns,
    error::{DbResult, invalid},
    events::Told,
    plans,
};

const REQUEUE: &str = include_str!("../../sql/requeue.sql");

/// Refuses what is not the end of an attempt.
pub(super) fn check(tasks: &[Requeue]) -> Result<()> {
    match tasks.iter().find(|task| !task.attempt_status.is_final()) {
        Some(wrong) => {
            Err(invalid("an attempt can only end in a final status").with("status", wrong.attempt_status))
        }
        None => Ok(()),
    }
}

pub(super) async fn requeue(store: &PgStore, tasks: &[Requeue]) -> DbResult<Vec<bool>> {
    if tasks.is_empty() {
        return Ok(Vec::new());
    }
    let leases: Vec<_> = tasks.iter().map(|task| &task.lease).collect();
    let mut tx = store.pools.queue_transaction().await?;
    let mut held = hold(store, &mut tx, &leases).await?;
    // A lease that comes twice is over after the first time.
    let mut seen = HashMap::new();
    for (index, lease) in leases.iter().enumerate() {
        if *seen.entry(**lease).or_insert(index) != index {
            held[index] = None;
        }
    }
    let mut freed = limited(&held);
    let notices = match held.iter().any(Option::is_some) {
        true => give_back(store, &mut tx, tasks, &held, &mut freed).await?,
        false => Vec::new(),
    };
    tx.commit().await?;
    store.notices.tell(notices);
    parking::freed(store, &freed).await;
    Ok(held.iter().map(Option::is_some).collect())
}

/// Ends the attempts that are held; their tasks go back, or end where their run is being canceled.
async fn give_back(
    store: &PgStore,
    tx: &mut PgConnection,
    tasks: &[Requeue],
    held: &[Option<Held>],
    freed: &mut Belongs,
) -> DbResult<Vec<Notice>> {
    let present = || tasks.iter().zip(held).filter_map(|(task, held)| held.as_ref().map(|held| (task, held)));
    let mut locked = Locked::lock(store, tx, present().map(|(task, _)| task.lease.run)).await?;
    let (mut ends, mut attempts) = (Ends::default(), Attempts::default());
    let (mut back, mut delays, mut suspended, mut kept) = (Vec::new(), Vec::new(), Vec::new(), Vec::new());
    let mut questions = Vec::new();
    let stops = locked.runs.iter().filter(|(_, run)| run.stopping() != Stopping::No).map(|(id, _)| *id);
    let plans = plans::of(store, tx, stops.collect::<Vec<_>>()).await?;
    let mut finished: BTreeMap<RunId, Vec<(TaskKey, TaskStatus)>> = BTreeMap::new();
    for (task, held) in present() {
        let (run, reason) = (task.lease.run, columns::storable(&task.reason));
        let stop = plans.get(&run).zip(locked.runs.get(&run));
        let stop = stop.and_then(|(plan, run)| run.stop_reason(plan.step(held.place.step)));
        let keeps = task.suspend.is_some_and(WaitsFor::keeps_attempt);
        if stop.is_some() || !keeps {
            attempts.push(held, task.lease.worker, task.attempt_status, Some(reason.clone()));
        }
        let Some(why) = stop else {
            back.push(held.place.task.get());
            delays.push(columns::micros(task.delay));
            suspended.push(task.suspend.map(WaitsFor::as_str));
            kept.push(keeps);
            questions.push(task.suspend.filter(|waits| waits.is_question()).map(|_| reason.to_string()));
            locked.tell(run, Told::Requeued { place: held.place, reason: reason.into_owned() });
            continue;
        };
        let idle = Idle { run, place: held.place, attempt: held.attempt, started_at: Some(held.started_at) };
        locked.tell(
            run,
            Told::Finished { place: held.place, status: TaskStatus::Aborted, reason: Some(why.clone()) },
        );
        ends.idle(&idle, TaskStatus::Aborted, why.into());
        let key = TaskKey { step: held.place.step, target: held.place.target };
        finished.entry(run).or_default().push((key, TaskStatus::Aborted));
    }
    attempts.write(store, tx, locked.now).await?;
    sqlx::query(store.statements.of(REQUEUE))
        .bind(locked.now)
        .bind(&back)
        .bind(&delays)
        .bind(&suspended)
        .bind(&kept)
        .bind(&questions)
        .execute(&mut *tx)
        .await?;
    let advanced = advance::advance(store, tx, &mut locked, &mut ends, &finished).await?;
    freed.extend(advanced.freed);
    let mut notices: Vec<_> = locked.runs.keys().copied().map(Notice::Run).collect();
    notices.extend((advanced.ready || !back.is_empty()).then_some(Notice::Ready));
    let began = locked.write(store, tx).await?;
    notices.extend(began.then_some(Notice::Ready));
    Ok(notices)
}
