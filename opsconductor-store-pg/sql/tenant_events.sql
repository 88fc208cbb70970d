-- Rows with events, by run and the number of the last. The columns are those of `events.sql`, and the run.
SELECT e.seq, e.at, e.begins, e.tasks, e.idxs, e.targets, e.attempts, e.told, c.stream, c.text, e.run_id
FROM unnest($1::bigint[], $2::bigint[]) AS w (run_id, seq)
JOIN :schema.run_events AS e ON e.run_id = w.run_id AND e.seq = w.seq
LEFT JOIN :schema.output_chunks AS c
    ON e.chunk_seq IS NOT NULL AND c.task_id = e.tasks[1] AND c.attempt = e.attempts[1] AND c.seq = e.chunk_seq
