-- The tasks of a run; one that is alive shows its live row.
SELECT s.id, s.idx, s.type, s.target_id, coalesce(q.state, s.status), coalesce(q.attempt, s.attempt), s.exit_code, s.stdout, s.stderr, s.reason,
       s.metrics, coalesce(q.started_at, s.started_at), s.finished_at
FROM :schema.job_run_steps AS s
LEFT JOIN :schema.queue AS q ON q.task_id = s.id
WHERE s.job_run_id = $1
ORDER BY s.id
LIMIT $2 OFFSET $3
