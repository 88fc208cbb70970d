-- Locks runs, by id, and reads how their steps stand. Both are locked, because a row that was waited for is read as it is then, and another is not.
-- $2: the moment, or the server's once the first lock is there.
SELECT r.id, r.tenant_id, r.last_event, r.cancel_reason, s.idx, s.remaining, s.succeeded, s.failed, s.aborted,
       (SELECT coalesce($2::timestamptz, clock_timestamp())), r.concurrency_key, r.stopping, s.batch
FROM :schema.job_runs AS r
JOIN :schema.run_steps AS s ON s.run_id = r.id
WHERE r.id = ANY ($1)
ORDER BY r.id, s.idx
FOR NO KEY UPDATE
