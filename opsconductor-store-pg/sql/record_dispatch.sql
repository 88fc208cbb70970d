-- Commits the intent to act, if the lease ($1 to $4) is the present right to the task and its run is not to stop further than $7 says.
-- $5: the handle, $6: the moment.
UPDATE :schema.queue AS q
SET dispatched = $5,
    dispatched_at = coalesce(q.dispatched_at, $6, clock_timestamp())
FROM :schema.job_runs AS r
WHERE q.task_id = $1 AND q.run_id = $2 AND q.epoch = $3 AND q.worker = $4
  AND r.id = q.run_id AND r.stopping <= $7
