-- Writes runs with all that belongs to them. A run of which something is missing, or whose idempotency key was used before, is left out: its
-- caller then looks why. $1: the moment; $2 to $15 the runs, $16 to $21 their steps, $22 to $26 their tasks, which name their run by its place.
-- Runs are numbered in the order given, and so are tasks. Answers by the place of the run.
WITH given AS MATERIALIZED (
    SELECT run.*,
           nextval(':schema.job_runs_id_seq'::regclass) AS id,
           -- With a concurrency key, whose lock this transaction has: whether an older run with it is alive.
           (run.turn IS NOT NULL AND EXISTS (
               SELECT 1 FROM :schema.job_runs AS r
               WHERE r.tenant_id = run.tenant_id AND r.concurrency_key = run.turn AND r.finished_at IS NULL
           ))::int AS taken
    FROM unnest($2::bigint[], $3::bigint[], $4::int[], $5::smallint[], $6::bigint[], $7::text[], $8::bigint[], $9::text[], $10::text[],
                $11::bytea[], $12::text[], $13::text[], $14::text[], $15::bool[]) WITH ORDINALITY
        AS run (tenant_id, job_id, job_version, priority, requested_by, parameters, parent, correlation_id, key, digest, labels, turn, plan, if_current, place)
    WHERE EXISTS (SELECT 1 FROM :schema.jobs AS j WHERE j.id = run.job_id AND j.tenant_id = run.tenant_id
                    AND (NOT run.if_current OR (j.is_active AND j.version = run.job_version)))
      AND EXISTS (SELECT 1 FROM :schema.job_versions AS v WHERE v.job_id = run.job_id AND v.version = run.job_version)
      AND (run.parent IS NULL OR EXISTS (SELECT 1 FROM :schema.job_runs AS p WHERE p.id = run.parent AND p.tenant_id = run.tenant_id))
      AND run.place = ANY ($16)
),
written AS (
    INSERT INTO :schema.job_runs (id, tenant_id, job_id, job_version, status, priority, requested_by, parameters, parent_run_id, correlation_id,
                                  idempotency_key, idempotency_digest, labels, queued_at, last_event, concurrency_key)
    SELECT id, tenant_id, job_id, job_version, 'queued', priority, requested_by, parameters::jsonb, parent, correlation_id, key, digest,
           labels::jsonb, (SELECT coalesce($1::timestamptz, clock_timestamp())), 1, turn
    FROM given
    ORDER BY place
    ON CONFLICT (tenant_id, job_id, idempotency_key) WHERE idempotency_key IS NOT NULL DO NOTHING
    RETURNING id, queued_at
),
runs AS MATERIALIZED (
    SELECT g.place, g.id, g.tenant_id, g.job_id, g.priority, g.plan, g.taken, w.queued_at FROM given AS g JOIN written AS w ON w.id = g.id
),
plans AS (
    INSERT INTO :schema.run_plans (run_id, tenant_id, plan) SELECT id, tenant_id, plan FROM runs
),
steps AS MATERIALIZED (
    SELECT * FROM unnest($16::bigint[], $17::int[], $18::text[], $19::text[], $20::int[], $21::int[])
        AS step (place, idx, type, shell, timeoutsec, tasks)
),
counters AS (
    INSERT INTO :schema.run_steps (run_id, idx, tenant_id, remaining)
    SELECT r.id, s.idx, r.tenant_id, s.tasks FROM steps AS s JOIN runs AS r ON r.place = s.place
),
tasks AS MATERIALIZED (
    SELECT task.*, nextval(':schema.job_run_steps_id_seq'::regclass) AS id, CASE task.waits WHEN 0 THEN 'queued' ELSE 'waiting' END AS state
    FROM (
        SELECT r.id AS run_id, r.tenant_id, r.job_id, r.priority, r.queued_at, s.idx, s.type, s.shell, s.timeoutsec,
               greatest(task.waits, r.taken) AS waits, task.target_id, task.credential_id
        FROM unnest($22::bigint[], $23::int[], $24::bigint[], $25::int[], $26::bigint[]) WITH ORDINALITY
            AS task (place, idx, target_id, waits, credential_id, nth)
        JOIN steps AS s ON s.place = task.place AND s.idx = task.idx
        JOIN runs AS r ON r.place = task.place
        ORDER BY task.nth
    ) AS task
),
history AS (
    INSERT INTO :schema.job_run_steps (id, tenant_id, job_run_id, idx, type, target_id, status, shell, timeoutsec)
    SELECT id, tenant_id, run_id, idx, type, target_id, state, shell, timeoutsec FROM tasks
),
live AS (
    INSERT INTO :schema.queue (task_id, run_id, tenant_id, idx, target_id, state, priority, due_at, waits, job_id, credential_id)
    SELECT id, run_id, tenant_id, idx, target_id, state, priority, queued_at, waits, job_id, credential_id FROM tasks
)
SELECT place, id, queued_at FROM runs
