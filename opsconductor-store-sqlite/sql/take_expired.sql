-- Fences off the workers whose leases ran out first. The former worker is read before, in the same transaction.
UPDATE queue
SET epoch = epoch + 1,
    worker = :worker,
    lease_until = :until
WHERE task_id = :task
RETURNING run_id, tenant_id, idx, target_id, attempt, epoch, dispatched, dispatched_at
