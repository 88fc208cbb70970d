-- The tasks of steps that no worker holds, ready ones too. The run is locked, so nobody is waited for: what someone locks at this moment is being claimed.
SELECT q.run_id, q.task_id, q.idx, q.target_id, q.attempt + (q.state = 'queued' AND q.kept)::int, q.started_at, q.state = 'queued',
       q.state = 'queued' AND q.parked_on IS NULL, q.tenant_id, q.job_id, q.credential_id
FROM unnest($1::bigint[], $2::int[], $3::bigint[]) AS meant (run_id, idx, target_id)
JOIN :schema.queue AS q ON q.run_id = meant.run_id AND q.idx = meant.idx AND (meant.target_id IS NULL OR q.target_id = meant.target_id)
WHERE q.state <> 'running'
FOR UPDATE OF q SKIP LOCKED
