-- Gives tasks back that this transaction holds ($1: when), each after a delay in microseconds. When they started stays. What one waits for there
-- takes the place of what it waited for before; an attempt that is kept is counted again by the next claim.
UPDATE :schema.queue AS q
SET state = 'queued',
    due_at = $1 + given.delay * interval '1 microsecond',
    limited = false,
    attempt = q.attempt - given.kept::int,
    kept = given.kept,
    suspended = coalesce(given.suspended, q.suspended),
    decision = CASE WHEN given.suspended IS NULL THEN q.decision END,
    question = coalesce(given.question, q.question),
    asked_at = CASE WHEN given.question IS NULL THEN q.asked_at ELSE $1 END,
    worker = NULL,
    lease_until = NULL,
    dispatched = NULL,
    dispatched_at = NULL
FROM unnest($2::bigint[], $3::bigint[], $4::text[], $5::boolean[], $6::text[]) AS given (task_id, delay, suspended, kept, question)
WHERE q.task_id = given.task_id
