-- The run's tasks are few beside all chunks; both indexes give the order.
SELECT s.id, s.idx, s.target_id, c.attempt, c.seq, c.stream, c.at, c.text
FROM :schema.job_run_steps AS s
JOIN :schema.output_chunks AS c ON c.task_id = s.id
WHERE s.job_run_id = $1
  AND ($2::bigint IS NULL OR s.id = $2)
  AND ($3::text IS NULL OR c.stream = $3)
  AND s.id >= $4
  AND (c.task_id, c.attempt, c.seq) > ($4, $5, $6)
ORDER BY c.task_id, c.attempt, c.seq
LIMIT $7
