-- Ends tasks: takes them out of the queue and writes how they ended ($1: when). Those that this transaction has locked go by where they stand ($13),
-- the others by their ids ($14).
WITH held AS (
    DELETE FROM :schema.queue AS q WHERE q.ctid = ANY ($13::text[]::tid[])
),
idle AS (
    DELETE FROM :schema.queue AS q WHERE q.task_id = ANY ($14)
)
UPDATE :schema.job_run_steps AS s
SET status = given.status,
    exit_code = given.exit_code,
    stdout = given.stdout,
    stderr = given.stderr,
    metrics = given.metrics::jsonb,
    reason = given.reason,
    attempt = given.attempt,
    started_at = given.started_at,
    finished_at = $1,
    end_epoch = given.epoch,
    end_worker = given.worker
FROM unnest($2::bigint[], $3::text[], $4::bigint[], $5::text[], $6::text[], $7::text[], $8::text[], $9::int[], $10::timestamptz[],
            $11::bigint[], $12::uuid[])
    AS given (task_id, status, exit_code, stdout, stderr, metrics, reason, attempt, started_at, epoch, worker)
WHERE s.id = given.task_id
