-- Takes one ready task, where limits have been looked at before.
UPDATE queue
SET state = 'running',
    attempt = attempt + 1,
    epoch = epoch + 1,
    worker = :worker,
    started_at = :now,
    lease_until = :until,
    dispatched = NULL,
    dispatched_at = NULL,
    limited = :limited
WHERE task_id = :task
RETURNING attempt, epoch
