//! Workers take what is ready.

use std::{cmp::Reverse, collections::BTreeSet, time::Duration};

use opsconductor_core::{
    clock::Timestamp,
    id::WorkerId,
    store::{Claimed, Notice},
};
use sqlx::postgres::PgRow;

use super::{lease::claimed, limited};
use crate::{PgStore, columns, error::DbResult, plans};

const CLAIM: &str = concat!(include_str!("../../sql/claim.sql"), include_str!("../../sql/start_runs.sql"));
const NEXT_DUE: &str = include_str!("../../sql/next_due.sql");

/// A claimed task with the place in the order that it was taken in.
pub(super) struct Taken {
    priority: i16,
    due_at: Timestamp,
    claimed: Claimed,
}

impl Taken {
    /// From the columns of [`claimed`] and `priority, due_at`.
    pub(super) fn read(row: &PgRow, worker: WorkerId, ttl: Duration) -> sqlx::Result<Self> {
        Ok(Self {
            priority: columns::get(row, 7)?,
            due_at: columns::get(row, 8)?,
            claimed: claimed(row, worker, ttl)?,
        })
    }
}

pub(super) async fn claim(
    store: &PgStore,
    worker: WorkerId,
    limit: usize,
    ttl: Duration,
) -> DbResult<Vec<Claimed>> {
    let mut db = store.pools.queue().await?;
    let mut rows = sqlx::query(store.statements.of(CLAIM))
        .bind(store.moment())
        .bind(columns::uuid(worker))
        .bind(columns::count(limit))
        .bind(columns::micros(ttl))
        .fetch_all(&mut *db)
        .await?;
    let are_limited = match rows.last() {
        Some(last) => columns::get::<Option<i64>>(last, 0)?.is_none(),
        None => false,
    };
    if are_limited {
        rows.pop();
    }
    let mut taken = rows.iter().map(|row| Taken::read(row, worker, ttl)).collect::<sqlx::Result<Vec<_>>>()?;
    // The worker will ask for each run's plan: what is not at hand is read at once. What was taken is taken, whatever comes of it.
    let runs = taken.iter().map(|task| task.claimed.lease.run).collect::<BTreeSet<_>>();
    if let Err(failure) = plans::of(store, &mut db, runs).await {
        let error = opsconductor_core::Error::from(failure);
        tracing::debug!(error = %error.report(), "the plans of claimed tasks were not read yet");
    }
    drop(db);
    let mut notices = Vec::new();
    if are_limited && taken.len() < limit {
        match limited::claim(store, worker, limit - taken.len(), ttl).await {
            Ok(more) => {
                taken.extend(more.taken);
                taken.sort_unstable_by_key(|task| {
                    (Reverse(task.priority), task.due_at, task.claimed.lease.task)
                });
                notices.extend(more.again.then_some(Notice::Ready));
            }
            // What was taken is the worker's, and it must hear of it.
            Err(failure) if !taken.is_empty() => {
                let error = opsconductor_core::Error::from(failure);
                tracing::warn!(error = %error.report(), "tasks under limits were not claimed");
            }
            Err(failure) => return Err(failure),
        }
    }
    let runs: BTreeSet<_> = taken.iter().map(|task| task.claimed.lease.run).collect();
    store.notices.tell(notices.into_iter().chain(runs.into_iter().map(Notice::Run)));
    Ok(taken.into_iter().map(|task| task.claimed).collect())
}

pub(super) async fn next_due(store: &PgStore) -> DbResult<Option<Timestamp>> {
    let mut db = store.pools.queue().await?;
    Ok(sqlx::query_scalar(store.statements.of(NEXT_DUE)).bind(store.moment()).fetch_one(&mut *db).await?)
}
