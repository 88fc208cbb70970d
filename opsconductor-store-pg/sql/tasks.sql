-- The tasks of a run; one that is alive shows its live row.
SELECT s.id, s.idx, s.type, s.target_id, 
       CASE WHEN q.state = 'queued' AND q.suspended IS NOT NULL AND q.decision IS NULL THEN 'waiting' ELSE coalesce(q.state, s.status) END,
       coalesce(q.attempt + (q.state = 'queued' AND q.kept)::int, s.attempt), s.exit_code, s.stdout, s.stderr, s.reason,
       s.metrics, coalesce(q.started_at, s.started_at), s.finished_at
FROM :schema.job_run_steps AS s
LEFT JOIN :schema.queue AS q ON q.task_id = s.id
WHERE s.job_run_id = $1
ORDER BY s.id
LIMIT $2 OFFSET $3
