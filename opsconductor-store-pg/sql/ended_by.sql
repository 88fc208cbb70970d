-- Which of these leases wrote the end of their task, with how the run ended if it did.
SELECT given.place, CASE WHEN r.finished_at IS NOT NULL THEN r.status END
FROM unnest($1::bigint[], $2::bigint[], $3::bigint[], $4::uuid[]) WITH ORDINALITY AS given (task_id, run_id, epoch, worker, place)
JOIN :schema.job_run_steps AS s ON s.id = given.task_id
JOIN :schema.job_runs AS r ON r.id = s.job_run_id
WHERE s.job_run_id = given.run_id AND s.end_epoch = given.epoch AND s.end_worker = given.worker
