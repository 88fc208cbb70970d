//! Tasks end.

use std::collections::{BTreeMap, HashMap};

use opsconductor_core::{
    Result,
    id::RunId,
    run::{RunStatus, TaskStatus, plan::TaskKey},
    store::{Completion, Lease, NewLetter, Notice, Settled, tail},
};
use sqlx::PgConnection;

use super::{
    advance,
    ends::{Attempts, Ends, Outcome},
    lease::{Held, LeaseColumns, hold, limited, place},
    letters::Letters,
    parking::{self, Belongs},
    runs::Locked,
};
use crate::{
    PgStore, columns,
    error::{DbResult, invalid},
    events::Told,
    plans,
};

const ENDED_BY: &str = include_str!("../../sql/ended_by.sql");

/// A completion as it can be stored.
pub(super) struct Prepared {
    completion: Completion,
    metrics: Option<String>,
}

/// Refuses what is not an end, and makes the JSON before a connection is taken.
pub(super) fn prepare(completions: Vec<Completion>) -> Result<Vec<Prepared>> {
    let prepare = |mut completion: Completion| {
        if !completion.status.is_final() {
            return Err(invalid("a task can only end in a final status").with("status", completion.status));
        }
        columns::storable_object(&mut completion.metrics);
        let metrics = match completion.metrics.is_empty() {
            true => None,
            false => Some(columns::to_json(&completion.metrics)?),
        };
        Ok(Prepared { completion, metrics })
    };
    completions.into_iter().map(prepare).collect()
}

pub(super) async fn complete(store: &PgStore, completions: &[Prepared]) -> DbResult<Vec<Settled>> {
    if completions.is_empty() {
        return Ok(Vec::new());
    }
    // A lease that comes twice is held once: the first time.
    let mut firsts: HashMap<Lease, usize> = HashMap::new();
    let mut distinct = Vec::with_capacity(completions.len());
    for prepared in completions {
        firsts.entry(prepared.completion.lease).or_insert_with(|| {
            distinct.push(prepared);
            distinct.len() - 1
        });
    }
    let leases: Vec<_> = distinct.iter().map(|prepared| &prepared.completion.lease).collect();
    let mut tx = store.pools.queue_transaction().await?;
    let held = hold(store, &mut tx, &leases).await?;
    let (mut notices, mut freed) = (Vec::new(), limited(&held));
    let over = match held.iter().any(Option::is_some) {
        true => end(store, &mut tx, &distinct, &held, (&mut notices, &mut freed)).await?,
        false => BTreeMap::new(),
    };
    let stale: Vec<_> = (0..leases.len()).filter(|index| held[*index].is_none()).collect();
    let repeated = repeated(store, &mut tx, &stale, &leases).await?;
    tx.commit().await?;
    store.notices.tell(notices);
    parking::freed(store, &freed).await;

    // The last of a run's completions says how the run ended.
    let mut last: HashMap<RunId, usize> = HashMap::new();
    let mut answers = Vec::with_capacity(completions.len());
    let mut seen = vec![false; distinct.len()];
    for (index, prepared) in completions.iter().enumerate() {
        let lease = &prepared.completion.lease;
        let first = firsts[lease];
        if held[first].is_none() {
            // Of a run that this batch ends, the completion that was recorded says so.
            answers.push(match repeated.get(&first) {
                Some(Settled::Recorded { .. }) if over.contains_key(&lease.run) => {
                    Settled::Recorded { run: None }
                }
                Some(settled) => *settled,
                None => Settled::Stale,
            });
            continue;
        }
        answers.push(Settled::Recorded { run: None });
        if !std::mem::replace(&mut seen[first], true) {
            last.insert(lease.run, index);
        }
    }
    for (run, index) in last {
        answers[index] = Settled::Recorded { run: over.get(&run).copied() };
    }
    Ok(answers)
}

/// Ends the tasks that are held, and what follows from it.
async fn end(
    store: &PgStore,
    tx: &mut PgConnection,
    completions: &[&Prepared],
    held: &[Option<Held>],
    (notices, freed): (&mut Vec<Notice>, &mut Belongs),
) -> DbResult<BTreeMap<RunId, RunStatus>> {
    let present = || {
        let both = completions.iter().zip(held);
        both.filter_map(|(prepared, held)| held.as_ref().map(|held| (*prepared, held)))
    };
    let runs = present().map(|(prepared, _)| prepared.completion.lease.run);
    let mut locked = Locked::lock(store, tx, runs).await?;
    let (mut ends, mut attempts) = (Ends::default(), Attempts::default());
    let mut finished: BTreeMap<RunId, Vec<(TaskKey, TaskStatus)>> = BTreeMap::new();
    let mut letters = Letters::default();
    for (prepared, held) in present() {
        let Completion { lease, status, exit_code, stdout, stderr, reason, .. } = &prepared.completion;
        let reason = reason.as_deref().map(columns::storable);
        let outcome = Outcome {
            exit_code: *exit_code,
            stdout: Some(columns::storable(tail(stdout))),
            stderr: Some(columns::storable(tail(stderr))),
            metrics: prepared.metrics.as_deref(),
        };
        attempts.push(held, lease.worker, *status, reason.clone());
        locked.tell(
            lease.run,
            Told::Finished {
                place: held.place,
                status: *status,
                reason: reason.as_deref().map(str::to_owned),
            },
        );
        ends.held(held, lease, *status, reason, outcome);
        let key = TaskKey { step: held.place.step, target: held.place.target };
        finished.entry(lease.run).or_default().push((key, *status));
        if matches!(status, TaskStatus::Failed | TaskStatus::Lost) {
            let plan = plans::of(store, tx, [lease.run]).await?.remove(&lease.run);
            let canceled = locked.runs.get(&lease.run).is_some_and(|run| run.stopping().is_cancel());
            let letter =
                plan.and_then(|plan| NewLetter::of(&plan, key, *status, held.attempt as u32, canceled));
            if let Some(letter) = letter {
                letters.push(held, lease.run, letter, prepared.completion.reason.as_deref());
            }
        }
    }
    attempts.write(store, tx, locked.now).await?;
    let advanced = advance::advance(store, tx, &mut locked, &mut ends, &finished).await?;
    letters.write(store, tx, locked.now).await?;
    let began = locked.write(store, tx).await?;
    freed.extend(advanced.freed);
    notices.extend(finished.keys().copied().map(Notice::Run));
    notices.extend((advanced.ready || began).then_some(Notice::Ready));
    Ok(advanced.over)
}

/// What to answer to completions whose leases are not the present ones, by their index: which of them are repeats.
async fn repeated(
    store: &PgStore,
    tx: &mut PgConnection,
    stale: &[usize],
    leases: &[&Lease],
) -> DbResult<HashMap<usize, Settled>> {
    let mut answers = HashMap::new();
    if stale.is_empty() {
        return Ok(answers);
    }
    let given: LeaseColumns = stale.iter().map(|index| leases[*index]).collect();
    let rows = sqlx::query(store.statements.of(ENDED_BY))
        .bind(&given.task)
        .bind(&given.run)
        .bind(&given.epoch)
        .bind(&given.worker)
        .fetch_all(tx)
        .await?;
    for row in rows {
        let run = match columns::get::<Option<&str>>(&row, 1)? {
            Some(_) => Some(columns::parsed(&row, 1)?),
            None => None,
        };
        answers.insert(stale[place(&row, 0)?], Settled::Recorded { run });
    }
    Ok(answers)
}
