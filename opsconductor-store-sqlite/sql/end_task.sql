UPDATE job_run_steps
SET status = :status,
    exit_code = :exit_code,
    stdout = :stdout,
    stderr = :stderr,
    metrics = :metrics,
    reason = :reason,
    attempt = :attempt,
    started_at = :started_at,
    finished_at = :now,
    end_epoch = :epoch,
    end_worker = :worker
WHERE id = :task
