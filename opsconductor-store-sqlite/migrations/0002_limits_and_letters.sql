-- What the queue promises beyond claiming: turns, limits, rates, pauses, dead letters, and an end for old
-- runs.

-- Runs of a tenant with the same key go one after the other, by id.
ALTER TABLE job_runs ADD COLUMN concurrency_key TEXT;

CREATE INDEX job_runs_by_turn ON job_runs (tenant_id, concurrency_key, id)
    WHERE concurrency_key IS NOT NULL AND status IN ('queued', 'running');

-- What may happen in a part of a tenant's queue: the whole (`ref` 0), a job, a target or a credential. Times and periods are
-- microseconds.
CREATE TABLE limits (
    id              INTEGER PRIMARY KEY AUTOINCREMENT,
    tenant_id       INTEGER NOT NULL REFERENCES tenants (id),
    kind            TEXT NOT NULL CHECK (kind IN ('tenant', 'job', 'target', 'credential')),
    ref             INTEGER NOT NULL,
    running_max     INTEGER CHECK (running_max >= 1),
    rate_starts     INTEGER CHECK (rate_starts >= 1),
    rate_per        INTEGER CHECK (rate_per >= 1),
    rate_burst      INTEGER CHECK (rate_burst >= 1),
    -- When the next start would come if all were spread evenly.
    next_start      INTEGER,
    -- When the rate lets the first of the tasks that are parked here go on.
    wake_at         INTEGER,
    paused_at       INTEGER,
    pause_reason    TEXT,
    UNIQUE (tenant_id, kind, ref),
    CHECK ((paused_at IS NULL) = (pause_reason IS NULL)),
    CHECK ((rate_starts IS NULL) = (rate_per IS NULL) AND (rate_starts IS NULL) = (rate_burst IS NULL))
) STRICT;

CREATE INDEX limits_timed ON limits (wake_at) WHERE wake_at IS NOT NULL;

-- A task that a limit holds back is parked there, out of the way of those that may go. One that runs under a limit says so,
-- because these are counted. What nobody limits is never touched by either.
ALTER TABLE queue ADD COLUMN job_id INTEGER NOT NULL DEFAULT 0;
ALTER TABLE queue ADD COLUMN credential_id INTEGER;
ALTER TABLE queue ADD COLUMN limited INTEGER NOT NULL DEFAULT 0 CHECK (limited IN (0, 1));
ALTER TABLE queue ADD COLUMN parked_on INTEGER;

UPDATE queue SET job_id = (SELECT job_id FROM job_runs WHERE job_runs.id = queue.run_id);

DROP INDEX queue_ready;
CREATE INDEX queue_ready ON queue (priority DESC, due_at, task_id) WHERE state = 'queued' AND parked_on IS NULL;
CREATE INDEX queue_parked ON queue (parked_on, priority DESC, due_at, task_id) WHERE parked_on IS NOT NULL;
CREATE INDEX queue_limited_tenant ON queue (tenant_id) WHERE limited = 1;
CREATE INDEX queue_limited_job ON queue (job_id) WHERE limited = 1;
CREATE INDEX queue_limited_target ON queue (target_id) WHERE limited = 1;
CREATE INDEX queue_limited_credential ON queue (credential_id) WHERE limited = 1;

-- Tasks that ended badly for good, until someone sees to them.
CREATE TABLE dlq (
    id          INTEGER PRIMARY KEY AUTOINCREMENT,
    tenant_id   INTEGER NOT NULL REFERENCES tenants (id),
    topic       TEXT NOT NULL,
    payload     TEXT NOT NULL CHECK (json_valid(payload)),
    error       TEXT,
    created_at  INTEGER NOT NULL,
    run_id      INTEGER NOT NULL REFERENCES job_runs (id) ON DELETE CASCADE,
    task_id     INTEGER NOT NULL
) STRICT;

CREATE INDEX dlq_by_tenant ON dlq (tenant_id);
CREATE INDEX dlq_by_run ON dlq (run_id);

-- For those that go first.
CREATE INDEX job_runs_over ON job_runs (finished_at) WHERE finished_at IS NOT NULL;
