//! Bare PostgreSQL: what is left when nothing but the writing itself is done.

use std::time::Instant;

use opsconductor_benches::statistics::percentile;
use opsconductor_store_pg::sqlx::{
    Connection, PgConnection, postgres::PgListener, query, query_scalar, raw_sql,
};
use tokio::task::JoinSet;

use crate::Failure;

/// How many tasks the raw drain takes and ends in one transaction.
const BATCH: i64 = 100;

/// How many connections drain.
const DRAINERS: i64 = 4;

const TABLE: &str = "DROP TABLE IF EXISTS public.bench_limit;
    CREATE TABLE public.bench_limit (id BIGSERIAL PRIMARY KEY, state TEXT NOT NULL, payload JSONB NOT NULL) WITH (fillfactor = 50)";
const PAYLOAD: &str = r#"{"nothing": true}"#;

async fn table(url: &str) -> Result<PgConnection, Failure> {
    let mut connection = PgConnection::connect(url).await?;
    raw_sql(TABLE).execute(&mut connection).await?;
    Ok(connection)
}

/// Rows a second that are taken and then ended, in batches.
pub(crate) async fn drain(url: &str, rows: u64) -> Result<f64, Failure> {
    let mut connection = table(url).await?;
    query("INSERT INTO public.bench_limit (state, payload) SELECT 'queued', $1::jsonb FROM generate_series(1, $2)")
        .bind(PAYLOAD)
        .bind(rows as i64)
        .execute(&mut connection)
        .await?;
    let began = Instant::now();
    let mut working = JoinSet::new();
    for drainer in 0..DRAINERS {
        let mut connection = PgConnection::connect(url).await?;
        working.spawn(async move {
            let mut first = 1 + drainer * BATCH;
            while first <= rows as i64 {
                for (from, to) in [("queued", "running"), ("running", "succeeded")] {
                    query(
                        "UPDATE public.bench_limit SET state = $1 WHERE id BETWEEN $2 AND $3 AND state = $4",
                    )
                    .bind(to)
                    .bind(first)
                    .bind(first + BATCH - 1)
                    .bind(from)
                    .execute(&mut connection)
                    .await?;
                }
                first += DRAINERS * BATCH;
            }
            Ok::<(), Failure>(())
        });
    }
    while let Some(worked) = working.join_next().await {
        worked??;
    }
    Ok(rows as f64 / began.elapsed().as_secs_f64())
}

/// Rows a second, each in a transaction of its own, by `callers`.
pub(crate) async fn insert_each(url: &str, rows: u64, callers: u64) -> Result<f64, Failure> {
    table(url).await?;
    let mut connections = Vec::new();
    for _ in 0..callers {
        connections.push(PgConnection::connect(url).await?);
    }
    let began = Instant::now();
    let mut working = JoinSet::new();
    for mut connection in connections {
        working.spawn(async move {
            for _ in 0..rows / callers {
                query("INSERT INTO public.bench_limit (state, payload) VALUES ('queued', $1::jsonb)")
                    .bind(PAYLOAD)
                    .execute(&mut connection)
                    .await?;
            }
            Ok::<(), Failure>(())
        });
    }
    while let Some(worked) = working.join_next().await {
        worked??;
    }
    Ok(rows as f64 / began.elapsed().as_secs_f64())
}

/// Rows a second, a thousand to a transaction.
pub(crate) async fn insert_many(url: &str, rows: u64) -> Result<f64, Failure> {
    let mut connection = table(url).await?;
    let batch = 1_000.min(rows);
    let began = Instant::now();
    for _ in 0..rows / batch {
        query("INSERT INTO public.bench_limit (state, payload) SELECT 'queued', payload::jsonb FROM unnest($1::text[]) AS payload")
            .bind(vec![PAYLOAD; usize::try_from(batch)?])
            .execute(&mut connection)
            .await?;
    }
    Ok(rows as f64 / began.elapsed().as_secs_f64())
}

/// From the insert of a row to its durable claim by a connection that was told of it: p50 and p99 in milliseconds.
pub(crate) async fn starts(url: &str, rows: u64) -> Result<(f64, f64), Failure> {
    let mut enqueuer = table(url).await?;
    let mut claimer = PgConnection::connect(url).await?;
    let mut listener = PgListener::connect(url).await?;
    listener.listen("bench_limit").await?;
    let mut times = Vec::new();
    for _ in 0..rows {
        let asked = Instant::now();
        query("WITH told AS (SELECT pg_notify('bench_limit', '')) INSERT INTO public.bench_limit (state, payload) SELECT 'queued', $1::jsonb FROM told")
            .bind(PAYLOAD)
            .execute(&mut enqueuer)
            .await?;
        listener.recv().await?;
        let claim = "UPDATE public.bench_limit SET state = 'running' WHERE id =
            (SELECT id FROM public.bench_limit WHERE state = 'queued' ORDER BY id DESC LIMIT 1 FOR UPDATE SKIP LOCKED) RETURNING id";
        let _: i64 = query_scalar(claim).fetch_one(&mut claimer).await?;
        times.push(asked.elapsed().as_secs_f64() * 1e3);
    }
    let at = |share| percentile(&times, share).ok_or("nothing was measured");
    Ok((at(0.5)?, at(0.99)?))
}
