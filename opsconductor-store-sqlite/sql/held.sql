-- What is held under a lease that is the present right to its task.
SELECT idx, target_id, attempt, started_at FROM queue
WHERE task_id = :task AND run_id = :run AND epoch = :epoch AND worker = :worker AND state = 'running'
