-- Fences off the workers whose leases ran out first: $1 the moment, $2 the rescuer, $3 how many, $4 how long its lease lasts, in microseconds.
-- What someone else holds at this very moment is left to them.
WITH moment AS MATERIALIZED (
    SELECT coalesce($1::timestamptz, clock_timestamp()) AS now
),
expired AS MATERIALIZED (
    SELECT q.task_id, q.worker AS former, q.lease_until AS ran_out
    FROM :schema.queue AS q
    WHERE q.state = 'running' AND q.lease_until <= (SELECT now FROM moment)
    ORDER BY q.lease_until, q.task_id
    LIMIT $3
    FOR UPDATE SKIP LOCKED
),
taken AS (
    UPDATE :schema.queue AS q
    SET epoch = q.epoch + 1,
        worker = $2,
        lease_until = (SELECT now FROM moment) + $4 * interval '1 microsecond'
    FROM expired AS e
    WHERE q.task_id = e.task_id
    RETURNING q.task_id, q.run_id, q.tenant_id, q.idx, q.target_id, q.attempt, q.epoch, q.dispatched, q.dispatched_at, e.former, e.ran_out
)
SELECT t.task_id, t.run_id, t.tenant_id, t.idx, t.target_id, t.attempt, t.epoch, t.dispatched, t.former,
       coalesce((SELECT max(o.seq) FROM :schema.output_chunks AS o WHERE o.task_id = t.task_id AND o.attempt = t.attempt), 0),
       (SELECT r.stopping FROM :schema.job_runs AS r WHERE r.id = t.run_id),
       coalesce(extract(epoch FROM (SELECT now FROM moment) - t.dispatched_at) * 1000000, 0)::bigint
FROM taken AS t
ORDER BY t.ran_out, t.task_id
