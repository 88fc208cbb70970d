-- Takes tasks that this transaction has locked and that no limit holds back: $1 the moment, $2 the worker, $3 which, $4 how long the lease lasts, in
-- microseconds, $5 which of them run under a limit. start_runs.sql follows.
WITH moment AS MATERIALIZED (
    SELECT coalesce($1::timestamptz, clock_timestamp()) AS now
),
claimed AS (
    UPDATE :schema.queue AS q
    SET state = 'running',
        attempt = q.attempt + 1,
        epoch = q.epoch + 1,
        worker = $2,
        started_at = (SELECT now FROM moment),
        lease_until = (SELECT now FROM moment) + $4 * interval '1 microsecond',
        dispatched = NULL,
        dispatched_at = NULL,
        limited = q.task_id = ANY ($5)
    WHERE q.task_id = ANY ($3)
    RETURNING q.task_id, q.run_id, q.tenant_id, q.idx, q.target_id, q.attempt, q.epoch, q.priority, q.due_at
),
answer AS (
    SELECT * FROM claimed
),
