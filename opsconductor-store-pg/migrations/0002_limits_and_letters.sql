-- What the queue promises beyond claiming: turns, limits, rates, pauses, dead letters, and an end for old runs.

-- Runs of a tenant with the same key go one after the other, by id.
ALTER TABLE job_runs ADD COLUMN concurrency_key TEXT;

CREATE INDEX job_runs_by_turn ON job_runs (tenant_id, concurrency_key, id)
    WHERE concurrency_key IS NOT NULL AND finished_at IS NULL;

-- What may happen in a part of a tenant's queue: the whole (`ref` 0), a job, a target or a credential. `rate_per`, `next_start` and `wake_at` are
-- microseconds, the last two since 1970.
CREATE TABLE limits (
    id              BIGSERIAL PRIMARY KEY,
    tenant_id       BIGINT NOT NULL CONSTRAINT limits_tenant REFERENCES tenants (id),
    kind            TEXT NOT NULL CHECK (kind IN ('tenant', 'job', 'target', 'credential')),
    ref             BIGINT NOT NULL,
    running_max     BIGINT CHECK (running_max >= 1),
    rate_starts     BIGINT CHECK (rate_starts >= 1),
    rate_per        BIGINT CHECK (rate_per >= 1),
    rate_burst      BIGINT CHECK (rate_burst >= 1),
    -- When the next start would come if all were spread evenly.
    next_start      BIGINT,
    -- When the rate lets the first of the tasks that are parked here go on.
    wake_at         BIGINT,
    paused_at       TIMESTAMPTZ,
    pause_reason    TEXT,
    CONSTRAINT limits_scope UNIQUE (tenant_id, kind, ref),
    CHECK ((paused_at IS NULL) = (pause_reason IS NULL)),
    CHECK ((rate_starts IS NULL) = (rate_per IS NULL) AND (rate_starts IS NULL) = (rate_burst IS NULL))
);

CREATE INDEX limits_timed ON limits (wake_at) WHERE wake_at IS NOT NULL;

-- A task that a limit holds back is parked there, out of the way of those that may go. One that runs under a limit says so, because these are
-- counted. What nobody limits is in none of these indexes.
ALTER TABLE queue
    ADD COLUMN job_id BIGINT NOT NULL DEFAULT 0,
    ADD COLUMN credential_id BIGINT,
    ADD COLUMN limited BOOLEAN NOT NULL DEFAULT false,
    ADD COLUMN parked_on BIGINT;

UPDATE queue SET job_id = r.job_id FROM job_runs AS r WHERE r.id = queue.run_id;

DROP INDEX queue_ready;
CREATE INDEX queue_ready ON queue (priority DESC, due_at, task_id) WHERE state = 'queued' AND parked_on IS NULL;
CREATE INDEX queue_parked ON queue (parked_on, priority DESC, due_at, task_id) WHERE parked_on IS NOT NULL;
CREATE INDEX queue_limited_tenant ON queue (tenant_id) WHERE limited;
CREATE INDEX queue_limited_job ON queue (job_id) WHERE limited;
CREATE INDEX queue_limited_target ON queue (target_id) WHERE limited;
CREATE INDEX queue_limited_credential ON queue (credential_id) WHERE limited;

ALTER TABLE limits ENABLE ROW LEVEL SECURITY, FORCE ROW LEVEL SECURITY;
CREATE POLICY one_tenant ON limits USING (tenant_id = (SELECT nullif(current_setting('opsconductor.tenant', true), '')::bigint));
CREATE POLICY all_tenants ON limits TO CURRENT_USER USING ((SELECT current_setting('opsconductor.all_tenants', true) = 'on'));

-- What a letter tells of, beside what the Python system wrote.
ALTER TABLE dlq
    ADD COLUMN run_id BIGINT CONSTRAINT dlq_run REFERENCES job_runs (id) ON DELETE CASCADE,
    ADD COLUMN task_id BIGINT;

CREATE INDEX dlq_by_tenant ON dlq (tenant_id, id) WHERE run_id IS NOT NULL;
CREATE INDEX dlq_by_run ON dlq (run_id) WHERE run_id IS NOT NULL;

-- For those that go first.
CREATE INDEX job_runs_over ON job_runs (finished_at, id) WHERE finished_at IS NOT NULL;
