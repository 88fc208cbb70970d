-- The rows with the events of a run after number $2: all that end among the next $3, and the one that goes beyond them. Events are numbered without
-- gaps, so that is enough.
WITH given AS (
    (SELECT * FROM :schema.run_events WHERE run_id = $1 AND seq > $2 AND seq <= $2 + $3)
    UNION ALL
    (SELECT * FROM :schema.run_events WHERE run_id = $1 AND seq > $2 + $3 ORDER BY seq LIMIT 1)
)
SELECT e.seq, e.at, e.begins, e.tasks, e.idxs, e.targets, e.attempts, e.told, c.stream, c.text
FROM given AS e
LEFT JOIN :schema.output_chunks AS c
    ON e.chunk_seq IS NOT NULL AND c.task_id = e.tasks[1] AND c.attempt = e.attempts[1] AND c.seq = e.chunk_seq
ORDER BY e.seq
