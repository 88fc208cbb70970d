-- The ready tasks that come next, in order, each with the limits that it is under: $1 the moment, $2 how many. Nothing is locked.
WITH RECURSIVE moment AS MATERIALIZED (
    SELECT coalesce($1::timestamptz, clock_timestamp()) AS now
),
priorities (priority) AS (
    (SELECT q.priority FROM :schema.queue AS q WHERE q.state = 'queued' AND q.parked_on IS NULL ORDER BY q.priority DESC LIMIT 1)
    UNION ALL
    SELECT (SELECT q.priority FROM :schema.queue AS q
            WHERE q.state = 'queued' AND q.parked_on IS NULL AND q.priority < p.priority ORDER BY q.priority DESC LIMIT 1)
    FROM priorities AS p
    WHERE p.priority IS NOT NULL
),
ready AS MATERIALIZED (
    SELECT next.*
    FROM priorities AS p
    CROSS JOIN LATERAL (
        SELECT q.task_id, q.run_id, q.priority, q.due_at, q.tenant_id, q.job_id, q.target_id, q.credential_id
        FROM :schema.queue AS q
        WHERE q.state = 'queued' AND q.parked_on IS NULL AND q.priority = p.priority AND q.due_at <= (SELECT now FROM moment)
        ORDER BY q.due_at, q.task_id
        LIMIT $2
    ) AS next
    LIMIT $2
)
SELECT r.task_id,
       ARRAY(SELECT l.id FROM :schema.limits AS l WHERE l.tenant_id = r.tenant_id AND l.kind = 'tenant' AND l.ref = 0
             UNION ALL
             SELECT l.id FROM :schema.limits AS l WHERE l.tenant_id = r.tenant_id AND l.kind = 'job' AND l.ref = r.job_id
             UNION ALL
             SELECT l.id FROM :schema.limits AS l WHERE l.tenant_id = r.tenant_id AND l.kind = 'target' AND l.ref = r.target_id
             UNION ALL
             SELECT l.id FROM :schema.limits AS l WHERE l.tenant_id = r.tenant_id AND l.kind = 'credential' AND l.ref = r.credential_id
             UNION ALL
             SELECT l.id FROM :schema.limits AS l WHERE l.tenant_id = r.tenant_id AND l.kind = 'run' AND l.ref = r.run_id)
FROM ready AS r
ORDER BY r.priority DESC, r.due_at, r.task_id
