-- Appends output with its events: $1 the moment, then for each piece its lease, number, stream and text. Answers the places of those whose lease
-- is the present right to the task.
WITH given AS MATERIALIZED (
    SELECT *
    FROM unnest($2::bigint[], $3::bigint[], $4::bigint[], $5::uuid[], $6::bigint[], $7::text[], $8::bytea[]) WITH ORDINALITY
        AS given (task_id, run_id, epoch, worker, seq, stream, text, place)
),
held AS MATERIALIZED (
    SELECT q.task_id, q.run_id, q.tenant_id, q.idx, q.target_id, q.attempt, q.epoch, q.worker
    FROM :schema.queue AS q
    WHERE q.worker IS NOT NULL
      AND q.task_id = ANY ($2)
      AND EXISTS (SELECT 1 FROM given AS g
                  WHERE g.task_id = q.task_id AND g.run_id = q.run_id AND g.epoch = q.epoch AND g.worker = q.worker)
    ORDER BY q.task_id
    FOR SHARE OF q
),
mine AS MATERIALIZED (
    SELECT h.task_id, h.run_id, h.tenant_id, h.idx, h.target_id, h.attempt, g.seq, g.stream, g.text, g.place
    FROM given AS g
    JOIN held AS h ON h.task_id = g.task_id AND h.run_id = g.run_id AND h.epoch = g.epoch AND h.worker = g.worker
),
written AS (
    INSERT INTO :schema.output_chunks (task_id, attempt, seq, tenant_id, stream, at, text)
    SELECT task_id, attempt, seq, tenant_id, stream, (SELECT coalesce($1::timestamptz, clock_timestamp())), text
    FROM mine
    ON CONFLICT (task_id, attempt, seq) DO NOTHING
    RETURNING task_id, seq, at
),
fresh AS (
    SELECT w.task_id, w.seq, w.at, min(m.place) AS place
    FROM written AS w
    JOIN mine AS m ON m.task_id = w.task_id AND m.seq = w.seq
    GROUP BY w.task_id, w.seq, w.at
),
runs AS MATERIALIZED (
    SELECT r.id, r.last_event
    FROM :schema.job_runs AS r
    WHERE r.id = ANY (ARRAY(SELECT DISTINCT h.run_id FROM held AS h WHERE h.task_id IN (SELECT task_id FROM written)))
    ORDER BY r.id
    FOR NO KEY UPDATE
),
numbered AS (
    SELECT m.run_id, r.last_event + row_number() OVER (PARTITION BY m.run_id ORDER BY m.place) AS seq, m.tenant_id, f.at, m.task_id, m.idx,
           m.target_id, m.attempt, m.seq AS chunk_seq
    FROM fresh AS f
    JOIN mine AS m ON m.place = f.place
    JOIN runs AS r ON r.id = m.run_id
),
told AS (
    INSERT INTO :schema.run_events (run_id, seq, tenant_id, at, tasks, idxs, targets, attempts, chunk_seq)
    SELECT run_id, seq, tenant_id, at, ARRAY[task_id], ARRAY[idx], ARRAY[target_id], ARRAY[attempt], chunk_seq
    FROM numbered
),
moved AS (
    UPDATE :schema.job_runs AS r
    SET last_event = last.seq
    FROM (SELECT run_id, max(seq) AS seq FROM numbered GROUP BY run_id) AS last
    WHERE r.id = last.run_id
)
SELECT place FROM mine
