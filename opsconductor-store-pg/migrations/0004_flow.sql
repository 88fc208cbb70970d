-- How a run flows: how far it is to stop, how long it may take, batches of targets, tasks that wait for their time or a person.

-- `stopping` 0: it goes on, 1: it took too long, 2: it is canceled, 3: with what is done in any case. `cancel_reason` says why.
-- `time_limit` is how long the run may take from its start, in microseconds.
ALTER TABLE job_runs
    ADD COLUMN stopping SMALLINT NOT NULL DEFAULT 0,
    ADD COLUMN time_limit BIGINT;
UPDATE job_runs SET stopping = 2 WHERE cancel_reason IS NOT NULL;
CREATE INDEX job_runs_timed ON job_runs (id) WHERE time_limit IS NOT NULL AND finished_at IS NULL;

-- How the present batch of a step stands, in JSON; NULL for one that goes whole.
ALTER TABLE run_steps ADD COLUMN batch TEXT;

-- What a task waits for or has waited for (`time`, `approval` or `lost`), the answer in JSON, and whether its attempt goes on after that: the next
-- claim counts it again.
ALTER TABLE queue
    ADD COLUMN suspended TEXT,
    ADD COLUMN decision TEXT,
    ADD COLUMN kept BOOLEAN NOT NULL DEFAULT false;
CREATE INDEX queue_suspended ON queue (task_id) WHERE suspended IS NOT NULL;

-- How many tasks of a run go at once is a limit too: `ref` is the run.
ALTER TABLE limits DROP CONSTRAINT limits_kind_check;
ALTER TABLE limits ADD CONSTRAINT limits_kind_check CHECK (kind IN ('tenant', 'job', 'target', 'credential', 'run'));
CREATE INDEX queue_limited_run ON queue (run_id) WHERE limited;
