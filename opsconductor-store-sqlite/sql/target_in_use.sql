-- A run that has not ended and acts on the target.
SELECT s.job_run_id
FROM job_runs AS r
CROSS JOIN job_run_steps AS s ON s.job_run_id = r.id
WHERE r.tenant_id = ?1 AND r.status IN ('queued', 'running') AND s.target_id = ?2
LIMIT 1
