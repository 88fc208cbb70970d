-- Writes a run with all that belongs to it, or nothing when something is missing or its idempotency key was used before: the caller then looks
-- why. $1: the moment. Tasks are numbered by step, then in the order of the step's targets.
WITH allowed AS (
    SELECT 1
    WHERE EXISTS (SELECT 1 FROM :schema.jobs AS j WHERE j.id = $3 AND j.tenant_id = $2)
      AND EXISTS (SELECT 1 FROM :schema.job_versions AS v WHERE v.job_id = $3 AND v.version = $4)
      AND ($8::bigint IS NULL OR EXISTS (SELECT 1 FROM :schema.job_runs AS p WHERE p.id = $8 AND p.tenant_id = $2))
      AND cardinality($14::int[]) > 0
),
-- With a concurrency key ($22), whose lock this transaction has: whether an older run with it is alive.
turn AS MATERIALIZED (
    SELECT ($22::text IS NOT NULL AND EXISTS (
        SELECT 1 FROM :schema.job_runs AS r
        WHERE r.tenant_id = $2 AND r.concurrency_key = $22 AND r.status IN ('queued', 'running')
    ))::int AS taken
),
run AS (
    INSERT INTO :schema.job_runs (tenant_id, job_id, job_version, status, priority, requested_by, parameters, parent_run_id, correlation_id,
                                  idempotency_key, idempotency_digest, labels, queued_at, last_event, concurrency_key)
    SELECT $2, $3, $4, 'queued', $5, $6, $7::jsonb, $8, $9, $10, $11, $12::jsonb, coalesce($1::timestamptz, clock_timestamp()), 1, $22
    FROM allowed
    ON CONFLICT (tenant_id, job_id, idempotency_key) WHERE idempotency_key IS NOT NULL DO NOTHING
    RETURNING id, queued_at
),
plan AS (
    INSERT INTO :schema.run_plans (run_id, tenant_id, plan) SELECT id, $2, $13 FROM run
),
steps AS (
    SELECT * FROM unnest($14::int[], $15::text[], $16::text[], $17::int[], $18::int[], $19::int[])
        AS step (idx, type, shell, timeoutsec, waits, tasks)
),
counters AS (
    INSERT INTO :schema.run_steps (run_id, idx, tenant_id, remaining)
    SELECT run.id, steps.idx, $2, steps.tasks FROM run CROSS JOIN steps
),
tasks AS (
    INSERT INTO :schema.job_run_steps (tenant_id, job_run_id, idx, type, target_id, status, shell, timeoutsec)
    SELECT $2, run.id, task.idx, steps.type, task.target_id, CASE greatest(steps.waits, turn.taken) WHEN 0 THEN 'queued' ELSE 'waiting' END, steps.shell,
           steps.timeoutsec
    FROM run
    CROSS JOIN unnest($20::int[], $21::bigint[]) WITH ORDINALITY AS task (idx, target_id, place)
    JOIN steps ON steps.idx = task.idx
    CROSS JOIN turn
    ORDER BY task.place
    RETURNING id, job_run_id, idx, target_id, status
),
live AS (
    INSERT INTO :schema.queue (task_id, run_id, tenant_id, idx, target_id, state, priority, due_at, waits, job_id, credential_id)
    SELECT tasks.id, tasks.job_run_id, $2, tasks.idx, tasks.target_id, tasks.status, $5, run.queued_at, greatest(steps.waits, turn.taken), $3,
           opens.credential_id
    FROM tasks
    JOIN steps ON steps.idx = tasks.idx
    CROSS JOIN run
    CROSS JOIN turn
    LEFT JOIN unnest($23::bigint[], $24::bigint[]) AS opens (target_id, credential_id) ON opens.target_id = tasks.target_id
),
told AS (
    INSERT INTO :schema.run_events (run_id, seq, tenant_id, kind, at) SELECT id, 1, $2, 'run.queued', queued_at FROM run
)
SELECT id, queued_at FROM run
