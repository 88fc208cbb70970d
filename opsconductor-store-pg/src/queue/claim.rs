//! Workers take what is ready.

use std::{collections::BTreeSet, time::Duration};

use opsconductor_core::{
    clock::Timestamp,
    id::WorkerId,
    store::{Claimed, Notice},
};

use super::lease::claimed;
use crate::{PgStore, columns, error::DbResult};

const CLAIM: &str = include_str!("../../sql/claim.sql");
const NEXT_DUE: &str = include_str!("../../sql/next_due.sql");

pub(super) async fn claim(
    store: &PgStore,
    worker: WorkerId,
    limit: usize,
    ttl: Duration,
) -> DbResult<Vec<Claimed>> {
    let mut db = store.pools.queue().await?;
    let rows = sqlx::query(store.statements.of(CLAIM))
        .bind(store.moment())
        .bind(columns::uuid(worker))
        .bind(columns::count(limit))
        .bind(columns::micros(ttl))
        .fetch_all(&mut *db)
        .await?;
    let claimed = rows.iter().map(|row| claimed(row, worker, ttl)).collect::<sqlx::Result<Vec<_>>>()?;
    let runs: BTreeSet<_> = claimed.iter().map(|task| task.lease.run).collect();
    store.notices.tell(runs.into_iter().map(Notice::Run));
    Ok(claimed)
}

pub(super) async fn next_due(store: &PgStore) -> DbResult<Option<Timestamp>> {
    let mut db = store.pools.queue().await?;
    Ok(sqlx::query_scalar(store.statements.of(NEXT_DUE)).bind(store.moment()).fetch_one(&mut *db).await?)
}
