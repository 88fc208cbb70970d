-- The waiting tasks of steps: those for one target, and those of whole steps ($3 NULL).
SELECT q.run_id, q.task_id, q.idx, q.target_id, q.attempt, q.started_at
FROM unnest($1::bigint[], $2::int[], $3::bigint[]) AS meant (run_id, idx, target_id)
JOIN :schema.queue AS q ON q.run_id = meant.run_id AND q.idx = meant.idx AND q.target_id = meant.target_id
WHERE q.state = 'waiting' AND meant.target_id IS NOT NULL
UNION
SELECT q.run_id, q.task_id, q.idx, q.target_id, q.attempt, q.started_at
FROM unnest($1::bigint[], $2::int[], $3::bigint[]) AS meant (run_id, idx, target_id)
JOIN :schema.queue AS q ON q.run_id = meant.run_id AND q.idx = meant.idx
WHERE q.state = 'waiting' AND meant.target_id IS NULL
