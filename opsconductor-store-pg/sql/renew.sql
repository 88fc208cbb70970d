-- Prolongs leases: $1 the moment, $2 how long they last, in microseconds, then the leases. Answers which were held, by their place, and how
-- far their runs are to stop.
WITH held AS MATERIALIZED (
    SELECT q.task_id, q.run_id, q.idx, given.place
    FROM unnest($3::bigint[], $4::bigint[], $5::bigint[], $6::uuid[]) WITH ORDINALITY AS given (task_id, run_id, epoch, worker, place)
    JOIN :schema.queue AS q ON q.task_id = given.task_id
    WHERE q.run_id = given.run_id AND q.epoch = given.epoch AND q.worker = given.worker
    ORDER BY q.task_id
    FOR UPDATE OF q
),
renewed AS (
    UPDATE :schema.queue AS q
    SET lease_until = (SELECT coalesce($1::timestamptz, clock_timestamp())) + $2 * interval '1 microsecond'
    WHERE q.task_id = ANY (ARRAY(SELECT task_id FROM held))
)
SELECT held.place, r.stopping, r.id, held.idx
FROM held
JOIN :schema.job_runs AS r ON r.id = held.run_id
