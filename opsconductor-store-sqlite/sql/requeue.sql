-- Gives a task back if the lease is the present right to it; when it started stays, for the record of its attempt. What it waits for
-- there takes the place of what it waited for before. An attempt that is kept is counted again by the next claim.
UPDATE queue
SET state = 'queued',
    due_at = :due_at,
    limited = 0,
    attempt = attempt - :kept,
    kept = :kept,
    suspended = coalesce(:suspended, suspended),
    decision = CASE WHEN :suspended IS NULL THEN decision END,
    question = coalesce(:question, question),
    asked_at = CASE WHEN :question IS NULL THEN asked_at ELSE :now END,
    worker = NULL,
    lease_until = NULL,
    dispatched = NULL,
    dispatched_at = NULL
WHERE task_id = :task AND run_id = :run AND epoch = :epoch AND worker = :worker AND state = 'running'
RETURNING idx, attempt + kept, started_at, tenant_id, job_id, target_id, credential_id, run_id
