-- Locks the tasks whose leases are the present right to them, by task, so that nobody takes them over before this transaction ends.
-- Answers by the place of the lease. Whoever has a worker runs; the state is not named, because then the index of leases would seem to serve.
SELECT given.place, q.tenant_id, q.idx, q.target_id, q.attempt, q.started_at, q.limited, q.job_id, q.credential_id, q.ctid::text
FROM unnest($1::bigint[], $2::bigint[], $3::bigint[], $4::uuid[]) WITH ORDINALITY AS given (task_id, run_id, epoch, worker, place)
JOIN :schema.queue AS q ON q.task_id = given.task_id
WHERE q.run_id = given.run_id AND q.epoch = given.epoch AND q.worker = given.worker
ORDER BY q.task_id
FOR UPDATE OF q
