-- Takes edges off waiting tasks, $4 of each: of those for one target, and of whole steps ($3 NULL). A task may be meant by both, so they are
-- counted together. Answers how many became ready.
WITH meant AS (
    SELECT * FROM unnest($1::bigint[], $2::int[], $3::bigint[], $4::int[]) AS meant (run_id, idx, target_id, edges)
),
edges AS (
    SELECT q.task_id, m.edges
    FROM meant AS m
    JOIN :schema.queue AS q ON q.run_id = m.run_id AND q.idx = m.idx AND q.target_id = m.target_id
    WHERE q.state = 'waiting' AND m.target_id IS NOT NULL
    UNION ALL
    SELECT q.task_id, m.edges
    FROM meant AS m
    JOIN :schema.queue AS q ON q.run_id = m.run_id AND q.idx = m.idx
    WHERE q.state = 'waiting' AND m.target_id IS NULL
),
released AS (
    UPDATE :schema.queue AS q
    SET waits = q.waits - off.edges,
        state = CASE q.waits WHEN off.edges THEN 'queued' ELSE 'waiting' END
    FROM (SELECT task_id, sum(edges)::int AS edges FROM edges GROUP BY task_id) AS off
    WHERE q.task_id = off.task_id
    RETURNING q.state
)
SELECT count(*) FROM released WHERE state = 'queued'
