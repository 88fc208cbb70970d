-- Takes a run's tasks out of the queue that no worker holds, but those of the steps $2. One that is being claimed at this very moment counts as held: its worker learns of the
-- cancel before it acts.
WITH idle AS MATERIALIZED (
    SELECT q.task_id
    FROM :schema.queue AS q
    WHERE q.run_id = $1 AND q.state <> 'running' AND q.idx <> ALL ($2)
    FOR UPDATE SKIP LOCKED
)
DELETE FROM :schema.queue AS q
WHERE q.task_id = ANY (ARRAY(SELECT task_id FROM idle))
RETURNING q.run_id, q.task_id, q.idx, q.target_id, q.attempt + (q.state = 'queued' AND q.kept)::int, q.started_at, q.state = 'queued' AND q.parked_on IS NULL, q.tenant_id, q.job_id,
          q.credential_id
