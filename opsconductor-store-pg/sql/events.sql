SELECT e.seq, e.kind, e.at, e.task_id, e.idx, e.target_id, e.attempt, e.status, e.reason, c.stream, c.text
FROM :schema.run_events AS e
LEFT JOIN :schema.output_chunks AS c
    ON e.chunk_seq IS NOT NULL AND c.task_id = e.task_id AND c.attempt = e.attempt AND c.seq = e.chunk_seq
WHERE e.run_id = $1 AND e.seq > $2
ORDER BY e.seq
LIMIT $3
