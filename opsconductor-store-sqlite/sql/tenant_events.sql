-- What happened in a tenant after a number. The columns are those of `events.sql`, the number in the tenant and the run.
SELECT e.seq, e.kind, e.at, e.task_id, e.idx, e.target_id, e.attempt, e.status, e.reason, c.stream, c.text, t.seq, t.run_id
FROM tenant_events AS t
CROSS JOIN run_events AS e ON e.run_id = t.run_id AND e.seq = t.run_seq
LEFT JOIN output_chunks AS c
    ON e.chunk_seq IS NOT NULL AND c.task_id = e.task_id AND c.attempt = e.attempt AND c.seq = e.chunk_seq
WHERE t.tenant_id = ?1 AND t.seq > ?2
ORDER BY t.seq
LIMIT ?3
