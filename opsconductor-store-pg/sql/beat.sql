-- Rows of workers that have been silent for too long go with it. A row that a concurrent beat takes is not waited for.
WITH moment AS MATERIALIZED (
    SELECT coalesce($9::timestamptz, (SELECT clock_timestamp())) AS now
), silent AS (
    DELETE FROM :schema.workers
    WHERE id IN (
        SELECT id FROM :schema.workers
        WHERE seen_at < (SELECT now FROM moment) - $10::bigint * interval '1 microsecond' AND id <> $1::uuid
        FOR UPDATE SKIP LOCKED
    )
)
INSERT INTO :schema.workers AS known
    (id, host, process, version, concurrency, running, draining, gone_after, started_at, seen_at)
SELECT $1::uuid, $2::text, $3::bigint, $4::text, $5::bigint, $6::bigint, $7::boolean, $8::bigint, now, now
FROM moment
ON CONFLICT (id) DO UPDATE
SET host = excluded.host,
    process = excluded.process,
    version = excluded.version,
    concurrency = excluded.concurrency,
    running = excluded.running,
    draining = excluded.draining,
    gone_after = excluded.gone_after,
    seen_at = excluded.seen_at
