-- The end of both claims: what becomes of the runs of tasks that were claimed, and what is answered.
-- Tasks are locked before runs, and runs by id: everywhere, so that nobody waits in a circle.
runs AS MATERIALIZED (
    SELECT r.id, r.tenant_id, r.last_event, r.status = 'queued' AS begins
    FROM :schema.job_runs AS r
    WHERE r.id = ANY (ARRAY(SELECT DISTINCT run_id FROM claimed))
    ORDER BY r.id
    FOR NO KEY UPDATE
),
numbered AS (
    SELECT r.*, c.tasks, c.idxs, c.targets, c.attempts, r.last_event + r.begins::int + cardinality(c.tasks) AS seq
    FROM runs AS r
    JOIN (
        SELECT run_id, array_agg(task_id) AS tasks, array_agg(idx) AS idxs, array_agg(target_id) AS targets, array_agg(attempt) AS attempts
        FROM (SELECT * FROM claimed ORDER BY run_id, priority DESC, due_at, task_id) AS ordered
        GROUP BY run_id
    ) AS c ON c.run_id = r.id
),
told AS (
    INSERT INTO :schema.run_events (run_id, seq, tenant_id, at, begins, tasks, idxs, targets, attempts)
    SELECT id, seq, tenant_id, (SELECT now FROM moment), begins, tasks, idxs, targets, attempts FROM numbered
),
started AS (
    UPDATE :schema.job_runs AS r
    SET status = 'running',
        started_at = coalesce(r.started_at, (SELECT now FROM moment)),
        last_event = n.seq
    FROM numbered AS n
    WHERE r.id = n.id
)
SELECT task_id, run_id, tenant_id, idx, target_id, attempt, epoch, priority, due_at
FROM answer
ORDER BY task_id IS NULL, priority DESC, due_at, task_id
