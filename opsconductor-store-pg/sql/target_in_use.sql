-- A run that has not ended and acts on the target.
SELECT s.job_run_id
FROM :schema.job_run_steps AS s
JOIN :schema.job_runs AS r ON r.id = s.job_run_id
WHERE s.target_id = $2 AND r.tenant_id = $1 AND r.status IN ('queued', 'running')
LIMIT 1
