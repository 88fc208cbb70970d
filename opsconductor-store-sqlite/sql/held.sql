-- What is held under a lease that is the present right to its task.
SELECT idx, attempt, started_at, tenant_id, job_id, target_id, credential_id, run_id FROM queue
WHERE task_id = :task AND run_id = :run AND epoch = :epoch AND worker = :worker AND state = 'running'
