-- The tasks come first: the run's are few beside all chunks, and both indexes then give the order.
SELECT s.id, s.idx, s.target_id, c.attempt, c.seq, c.stream, c.at, c.text
FROM job_run_steps AS s
CROSS JOIN output_chunks AS c ON c.task_id = s.id
WHERE s.job_run_id = :run
  AND (:task IS NULL OR s.id = :task)
  AND (:stream IS NULL OR c.stream = :stream)
  AND s.id >= :after_task
  AND (c.task_id, c.attempt, c.seq) > (:after_task, :after_attempt, :after_seq)
ORDER BY s.id, c.attempt, c.seq
LIMIT :limit
