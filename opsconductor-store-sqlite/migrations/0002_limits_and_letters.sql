-- What the queue promises beyond claiming: turns, limits, rates, pauses and dead letters.

-- Runs of a tenant with the same key go one after the other, by id.
ALTER TABLE job_runs ADD COLUMN concurrency_key TEXT;

CREATE INDEX job_runs_by_turn ON job_runs (tenant_id, concurrency_key, id)
    WHERE concurrency_key IS NOT NULL AND status IN ('queued', 'running');
