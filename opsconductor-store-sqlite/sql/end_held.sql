-- Takes a task out of the queue if the lease is the present right to it.
DELETE FROM queue
WHERE task_id = :task AND run_id = :run AND epoch = :epoch AND worker = :worker AND state = 'running'
RETURNING idx, attempt, started_at, tenant_id, job_id, target_id, credential_id
