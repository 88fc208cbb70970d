-- Takes ready tasks that nothing limits: $1 the moment (the server's when NULL), $2 the worker, $3 how many, $4 how long the lease lasts, in microseconds.
-- Priorities are few: going from one to the next lets the index skip what is not yet due.
--
-- Those among the next that something limits are left, and a last row without a task says so: they are taken one lock after the other. Where a rate
-- has something to let go now, nothing is taken here, because that may come first. Without a limit anywhere, all this is one look at an empty table.
WITH RECURSIVE moment AS MATERIALIZED (
    SELECT coalesce($1::timestamptz, clock_timestamp()) AS now
),
limits AS MATERIALIZED (
    SELECT EXISTS (SELECT 1 FROM :schema.limits) AS are_used,
           EXISTS (SELECT 1 FROM :schema.limits AS l
                   WHERE l.wake_at <= (extract(epoch FROM (SELECT now FROM moment)) * 1000000)::bigint) AS are_due
),
priorities (priority) AS (
    (SELECT q.priority FROM :schema.queue AS q WHERE q.state = 'queued' AND q.parked_on IS NULL ORDER BY q.priority DESC LIMIT 1)
    UNION ALL
    SELECT (SELECT q.priority FROM :schema.queue AS q
            WHERE q.state = 'queued' AND q.parked_on IS NULL AND q.priority < p.priority ORDER BY q.priority DESC LIMIT 1)
    FROM priorities AS p
    WHERE p.priority IS NOT NULL
),
picked AS MATERIALIZED (
    SELECT ready.place, (SELECT are_used FROM limits) AND (
               EXISTS (SELECT 1 FROM :schema.limits AS l WHERE l.tenant_id = ready.tenant_id AND l.kind = 'tenant' AND l.ref = 0)
               OR EXISTS (SELECT 1 FROM :schema.limits AS l WHERE l.tenant_id = ready.tenant_id AND l.kind = 'job' AND l.ref = ready.job_id)
               OR EXISTS (SELECT 1 FROM :schema.limits AS l WHERE l.tenant_id = ready.tenant_id AND l.kind = 'target' AND l.ref = ready.target_id)
               OR EXISTS (SELECT 1 FROM :schema.limits AS l
                          WHERE l.tenant_id = ready.tenant_id AND l.kind = 'credential' AND l.ref = ready.credential_id)
               OR EXISTS (SELECT 1 FROM :schema.limits AS l WHERE l.tenant_id = ready.tenant_id AND l.kind = 'run' AND l.ref = ready.run_id)) AS limited
    FROM priorities AS p
    CROSS JOIN LATERAL (
        SELECT q.ctid AS place, q.run_id, q.tenant_id, q.job_id, q.target_id, q.credential_id
        FROM :schema.queue AS q
        WHERE q.state = 'queued' AND q.parked_on IS NULL AND q.priority = p.priority AND q.due_at <= (SELECT now FROM moment)
        ORDER BY q.due_at, q.task_id
        LIMIT $3
        FOR UPDATE SKIP LOCKED
    ) AS ready
    LIMIT CASE WHEN (SELECT are_due FROM limits) THEN 0 ELSE $3 END
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
        dispatched_at = NULL
    -- They are locked, so they stay where they are.
    WHERE q.ctid = ANY (ARRAY(SELECT place FROM picked WHERE NOT limited))
    RETURNING q.task_id, q.run_id, q.tenant_id, q.idx, q.target_id, q.attempt, q.epoch, q.priority, q.due_at
),
answer AS (
    SELECT * FROM claimed
    UNION ALL
    SELECT NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL
    WHERE (SELECT are_due FROM limits) OR EXISTS (SELECT 1 FROM picked WHERE limited)
),
