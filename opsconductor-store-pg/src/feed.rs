//! The [`Feed`] in PostgreSQL: each statement that tells of runs leaves a note, which is numbered once it is committed.

use std::{
    collections::{BTreeMap, HashMap},
    time::Duration,
};

use async_trait::async_trait;
use opsconductor_core::{
    Result,
    clock::Timestamp,
    id::{RunId, TenantId},
    run::Event,
    store::{Feed, FeedEvent, StepCounts},
};
use sqlx::PgConnection;

use crate::{PgStore, columns, error::DbResult, history::rows};

/// How many notes are read for a page of events. Each has one at least.
const NOTES_MAX: usize = 500;

const EVENTS: &str = include_str!("../sql/tenant_events.sql");

#[async_trait]
impl Feed for PgStore {
    async fn number_events(&self, limit: usize) -> Result<u64> {
        Ok(number(self, limit).await?)
    }

    async fn tenant_events(&self, tenant: TenantId, after: u64, limit: usize) -> Result<Vec<FeedEvent>> {
        Ok(events(self, tenant, after, limit).await?)
    }

    async fn last_tenant_event(&self, tenant: TenantId) -> Result<u64> {
        Ok(last(self, tenant).await?)
    }

    async fn step_counts(&self, tenant: TenantId, since: Duration) -> Result<StepCounts> {
        Ok(counts(self, tenant, since).await?)
    }
}

async fn number(store: &PgStore, limit: usize) -> DbResult<u64> {
    let mut tx = store.pools.queue_transaction().await?;
    // Who finds another at work leaves it to that one. What keeps numbers apart is the lock on each head.
    let alone: bool = sqlx::query_scalar("SELECT pg_try_advisory_xact_lock(hashtextextended($1, 7323))")
        .bind(format!("opsconductor events of {}", store.channel))
        .fetch_one(&mut *tx)
        .await?;
    let mut waiting: Vec<(i64, i64, i64)> = Vec::new();
    if alone {
        let sql = "SELECT id, tenant_id, (SELECT sum(c) FROM unnest(counts) AS c)::bigint
            FROM :schema.event_notes ORDER BY id LIMIT $1";
        waiting =
            sqlx::query_as(store.statements.of(sql)).bind(columns::count(limit)).fetch_all(&mut *tx).await?;
    }
    if waiting.is_empty() {
        tx.rollback().await?;
        return Ok(0);
    }
    let tenants = waiting.iter().map(|(_, tenant, _)| *tenant).collect();
    let mut heads = lock_heads(store, &mut tx, tenants).await?;
    let (mut ids, mut seqs) = (Vec::with_capacity(waiting.len()), Vec::with_capacity(waiting.len()));
    for (id, tenant, events) in waiting {
        let head = heads.entry(tenant).or_default();
        *head += events;
        ids.push(id);
        seqs.push(*head);
    }
    let sql = "WITH gone AS (
            DELETE FROM :schema.event_notes AS n USING unnest($1::bigint[], $2::bigint[]) AS g (id, seq)
            WHERE n.id = g.id RETURNING n.tenant_id, g.seq, n.runs, n.lasts, n.counts
        )
        INSERT INTO :schema.tenant_events (tenant_id, seq, runs, lasts, counts) SELECT * FROM gone";
    let moved = sqlx::query(store.statements.of(sql)).bind(&ids).bind(&seqs).execute(&mut *tx).await?;
    if moved.rows_affected() != ids.len() as u64 {
        // Nobody else takes them away while this is done; if someone did, that one numbers them.
        tx.rollback().await?;
        return Ok(0);
    }
    let sql = "UPDATE :schema.event_heads AS h SET last = n.last
        FROM unnest($1::bigint[], $2::bigint[]) AS n (tenant_id, last) WHERE h.tenant_id = n.tenant_id";
    let (tenants, lasts): (Vec<i64>, Vec<i64>) = heads.into_iter().unzip();
    sqlx::query(store.statements.of(sql)).bind(tenants).bind(lasts).execute(&mut *tx).await?;
    tx.commit().await?;
    Ok(ids.len() as u64)
}

/// The numbers that were given last in some tenants, locked in the order of the tenants.
async fn lock_heads(
    store: &PgStore,
    tx: &mut PgConnection,
    mut tenants: Vec<i64>,
) -> DbResult<BTreeMap<i64, i64>> {
    tenants.sort_unstable();
    tenants.dedup();
    let sql = "INSERT INTO :schema.event_heads (tenant_id)
        SELECT t FROM unnest($1::bigint[]) AS t ORDER BY t ON CONFLICT DO NOTHING";
    sqlx::query(store.statements.of(sql)).bind(&tenants).execute(&mut *tx).await?;
    let sql = "SELECT tenant_id, last FROM :schema.event_heads WHERE tenant_id = ANY ($1)
        ORDER BY tenant_id FOR NO KEY UPDATE";
    let heads: Vec<(i64, i64)> =
        sqlx::query_as(store.statements.of(sql)).bind(&tenants).fetch_all(tx).await?;
    Ok(heads.into_iter().collect())
}

/// An event that is wanted: its number in the tenant, its run and its number there.
struct Wanted {
    seq: u64,
    run: i64,
    run_seq: u64,
}

async fn events(store: &PgStore, tenant: TenantId, after: u64, limit: usize) -> DbResult<Vec<FeedEvent>> {
    let mut tx = store.pools.read(tenant).await?;
    let mut after = after.min(i64::MAX as u64);
    let mut found = Vec::new();
    // Again where all that was numbered in a part is gone.
    while found.is_empty() && limit > 0 {
        let sql = "SELECT seq, runs, lasts, counts FROM :schema.tenant_events
            WHERE tenant_id = $1 AND seq > $2 ORDER BY seq LIMIT $3";
        let notes: Vec<(i64, Vec<i64>, Vec<i64>, Vec<i32>)> = sqlx::query_as(store.statements.of(sql))
            .bind(tenant.get())
            .bind(after as i64)
            .bind(columns::count(limit.min(NOTES_MAX)))
            .fetch_all(&mut *tx)
            .await?;
        let (mut wanted, mut places) = (Vec::new(), Vec::new());
        'notes: for (last, runs, lasts, counts) in notes {
            let mut seq = (last as u64)
                .saturating_sub(counts.iter().map(|count| u64::from(count.unsigned_abs())).sum());
            for ((run, last), count) in runs.into_iter().zip(lasts).zip(counts) {
                let (last, count) = (last as u64, u64::from(count.unsigned_abs()));
                let before = wanted.len();
                for run_seq in last.saturating_sub(count) + 1..=last {
                    seq += 1;
                    if seq > after && wanted.len() < limit {
                        wanted.push(Wanted { seq, run, run_seq });
                    }
                }
                if wanted.len() > before {
                    places.push((run, last as i64));
                }
                if wanted.len() == limit {
                    break 'notes;
                }
            }
        }
        let Some(end) = wanted.last().map(|last| last.seq) else { break };
        let mut told = read(store, &mut tx, places).await?;
        found.extend(wanted.into_iter().filter_map(|one| {
            let event = told.remove(&(one.run, one.run_seq))?;
            Some(FeedEvent { seq: one.seq, event })
        }));
        after = end;
    }
    tx.commit().await?;
    Ok(found)
}

/// The events of some rows, by run and number; those of runs that are gone are left out.
async fn read(
    store: &PgStore,
    tx: &mut PgConnection,
    places: Vec<(i64, i64)>,
) -> DbResult<HashMap<(i64, u64), Event>> {
    let mut events = HashMap::new();
    let new: Vec<i64> = places.iter().filter(|(_, last)| *last == 1).map(|(run, _)| *run).collect();
    if !new.is_empty() {
        let sql = "SELECT id, queued_at FROM :schema.job_runs WHERE id = ANY ($1)";
        let found: Vec<(i64, Timestamp)> =
            sqlx::query_as(store.statements.of(sql)).bind(new).fetch_all(&mut *tx).await?;
        events.extend(found.into_iter().map(|(run, at)| ((run, 1), rows::queued(RunId::new(run), at))));
    }
    let (runs, lasts): (Vec<i64>, Vec<i64>) = places.into_iter().filter(|(_, last)| *last > 1).unzip();
    if !runs.is_empty() {
        let found = sqlx::query(store.statements.of(EVENTS)).bind(runs).bind(lasts).fetch_all(tx).await?;
        for row in &found {
            let run: i64 = columns::get(row, 10)?;
            events.extend(
                rows::events(row, RunId::new(run))?.into_iter().map(|event| ((run, event.seq), event)),
            );
        }
    }
    Ok(events)
}

async fn last(store: &PgStore, tenant: TenantId) -> DbResult<u64> {
    let mut tx = store.pools.read(tenant).await?;
    let sql = "SELECT last FROM :schema.event_heads WHERE tenant_id = $1";
    let last: Option<i64> =
        sqlx::query_scalar(store.statements.of(sql)).bind(tenant.get()).fetch_optional(&mut *tx).await?;
    tx.commit().await?;
    Ok(last.unwrap_or(0) as u64)
}

const ALIVE: &str = "SELECT
        count(*) FILTER (WHERE state = 'queued' AND NOT (suspended IS NOT NULL AND decision IS NULL)),
        count(*) FILTER (WHERE state = 'running')
    FROM :schema.queue WHERE tenant_id = $1";

/// Two looks, so that each has its index.
const ENDED: &str = "SELECT count(*) FILTER (WHERE s.status = 'succeeded'), count(*) FILTER (WHERE s.status IN ('failed', 'lost'))
    FROM (SELECT id FROM :schema.job_runs WHERE tenant_id = $1 AND ended_as IS NULL
          UNION ALL
          SELECT id FROM :schema.job_runs
          WHERE tenant_id = $1 AND finished_at IS NOT NULL
              AND finished_at >= coalesce($2::timestamptz, clock_timestamp()) - $3 * interval '1 microsecond') AS r
    JOIN :schema.job_run_steps AS s ON s.job_run_id = r.id
    WHERE s.finished_at >= coalesce($2::timestamptz, clock_timestamp()) - $3 * interval '1 microsecond'";

async fn counts(store: &PgStore, tenant: TenantId, since: Duration) -> DbResult<StepCounts> {
    let mut tx = store.pools.read(tenant).await?;
    let (queued, running): (i64, i64) =
        sqlx::query_as(store.statements.of(ALIVE)).bind(tenant.get()).fetch_one(&mut *tx).await?;
    let (succeeded, failed): (i64, i64) = sqlx::query_as(store.statements.of(ENDED))
        .bind(tenant.get())
        .bind(store.moment())
        .bind(columns::micros(since))
        .fetch_one(&mut *tx)
        .await?;
    tx.commit().await?;
    Ok(StepCounts {
        queued: queued as u64,
        running: running as u64,
        succeeded: succeeded as u64,
        failed: failed as u64,
    })
}

/// Forgets the numbers at the front of each tenant whose runs are gone.
pub(crate) async fn forget_gone(store: &PgStore, tx: &mut PgConnection) -> DbResult<()> {
    let sql = "WITH keep AS MATERIALIZED (
            SELECT h.tenant_id, coalesce((
                SELECT x.seq FROM :schema.tenant_events AS x
                WHERE x.tenant_id = h.tenant_id AND EXISTS (SELECT 1 FROM :schema.job_runs AS r WHERE r.id = ANY (x.runs))
                ORDER BY x.seq LIMIT 1), h.last + 1) AS seq
            FROM :schema.event_heads AS h
        )
        DELETE FROM :schema.tenant_events AS e USING keep AS k WHERE e.tenant_id = k.tenant_id AND e.seq < k.seq";
    sqlx::query(store.statements.of(sql)).execute(tx).await?;
    Ok(())
}
