-- Gives tasks back that this transaction holds ($1: when), each after a delay in microseconds. When they started stays.
UPDATE :schema.queue AS q
SET state = 'queued',
    due_at = $1 + given.delay * interval '1 microsecond',
    limited = false,
    worker = NULL,
    lease_until = NULL,
    dispatched = NULL,
    dispatched_at = NULL
FROM unnest($2::bigint[], $3::bigint[]) AS given (task_id, delay)
WHERE q.task_id = given.task_id
