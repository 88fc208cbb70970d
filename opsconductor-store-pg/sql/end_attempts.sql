-- Records tries that have ended ($1: when).
INSERT INTO :schema.task_attempts (task_id, attempt, tenant_id, worker, status, reason, started_at, finished_at)
SELECT task_id, attempt, tenant_id, worker, status, reason, started_at, $1
FROM unnest($2::bigint[], $3::int[], $4::bigint[], $5::uuid[], $6::text[], $7::text[], $8::timestamptz[])
    AS given (task_id, attempt, tenant_id, worker, status, reason, started_at)
