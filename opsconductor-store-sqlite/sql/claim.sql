-- Takes ready tasks of one priority. The partial index holds queued rows alone, in just this order.
UPDATE queue
SET state = 'running',
    attempt = attempt + 1,
    epoch = epoch + 1,
    worker = :worker,
    started_at = :now,
    lease_until = :until,
    dispatched = NULL,
    dispatched_at = NULL
WHERE task_id IN (
    SELECT task_id FROM queue
    WHERE state = 'queued' AND parked_on IS NULL AND priority = :priority AND due_at <= :steady
    ORDER BY due_at, task_id
    LIMIT :limit
)
RETURNING task_id, run_id, tenant_id, idx, target_id, attempt, epoch, due_at
