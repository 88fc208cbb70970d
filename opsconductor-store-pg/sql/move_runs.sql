-- Writes what became of runs that this transaction has locked ($1: when): their counters ($2 to $7), what is told of them ($8 to $11), and
-- themselves ($12 to $14).
WITH counted AS (
    UPDATE :schema.run_steps AS s
    SET remaining = given.remaining, succeeded = given.succeeded, failed = given.failed, aborted = given.aborted
    FROM unnest($2::bigint[], $3::int[], $4::int[], $5::int[], $6::int[], $7::int[])
        AS given (run_id, idx, remaining, succeeded, failed, aborted)
    WHERE s.run_id = given.run_id AND s.idx = given.idx
),
told AS (
    INSERT INTO :schema.run_events (run_id, seq, tenant_id, at, told)
    SELECT run_id, seq, tenant_id, $1, told
    FROM unnest($8::bigint[], $9::bigint[], $10::bigint[], $11::text[]) AS given (run_id, seq, tenant_id, told)
)
UPDATE :schema.job_runs AS r
SET last_event = given.last_event,
    status = coalesce(given.status, r.status),
    finished_at = CASE WHEN given.status IS NULL THEN r.finished_at ELSE $1 END
FROM unnest($12::bigint[], $13::bigint[], $14::text[]) AS given (run_id, last_event, status)
WHERE r.id = given.run_id
