-- Writes what became of runs that this transaction has locked ($1: when): their counters ($2 to $7), their events ($8 to $16), and themselves
-- ($17 to $20).
WITH counted AS (
    UPDATE :schema.run_steps AS s
    SET remaining = given.remaining, succeeded = given.succeeded, failed = given.failed, aborted = given.aborted
    FROM unnest($2::bigint[], $3::int[], $4::int[], $5::int[], $6::int[], $7::int[])
        AS given (run_id, idx, remaining, succeeded, failed, aborted)
    WHERE s.run_id = given.run_id AND s.idx = given.idx
),
told AS (
    INSERT INTO :schema.run_events (run_id, seq, tenant_id, kind, at, task_id, idx, target_id, status, reason)
    SELECT run_id, seq, tenant_id, kind, $1, task_id, idx, target_id, status, reason
    FROM unnest($8::bigint[], $9::bigint[], $10::bigint[], $11::text[], $12::bigint[], $13::int[], $14::bigint[], $15::text[], $16::text[])
        AS given (run_id, seq, tenant_id, kind, task_id, idx, target_id, status, reason)
)
UPDATE :schema.job_runs AS r
SET last_event = given.last_event,
    status = coalesce(given.status, r.status),
    finished_at = CASE WHEN given.status IS NULL THEN r.finished_at ELSE $1 END,
    cancel_reason = coalesce(r.cancel_reason, given.cancel_reason)
FROM unnest($17::bigint[], $18::bigint[], $19::text[], $20::text[]) AS given (run_id, last_event, status, cancel_reason)
WHERE r.id = given.run_id
