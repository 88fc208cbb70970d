-- Gives a task back if the lease is the present right to it; when it started stays, for the record of its attempt.
UPDATE queue
SET state = 'queued',
    due_at = :due_at,
    limited = 0,
    worker = NULL,
    lease_until = NULL,
    dispatched = NULL,
    dispatched_at = NULL
WHERE task_id = :task AND run_id = :run AND epoch = :epoch AND worker = :worker AND state = 'running'
RETURNING idx, attempt, started_at, tenant_id, job_id, target_id, credential_id
