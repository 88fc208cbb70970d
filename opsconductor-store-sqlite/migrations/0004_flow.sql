-- How a run flows: how far it is to stop, how long it may take, batches of targets, tasks that wait for their time or a person.

-- 0: it goes on, 1: it took too long, 2: it is canceled, 3: with what is done in any case.
ALTER TABLE job_runs ADD COLUMN stopping INTEGER NOT NULL DEFAULT 0 CHECK (stopping BETWEEN 0 AND 3);
UPDATE job_runs SET stopping = 2 WHERE cancel_requested = 1;

-- How long the run may take from its start, in microseconds.
ALTER TABLE job_runs ADD COLUMN time_limit INTEGER;
CREATE INDEX job_runs_timed ON job_runs (id) WHERE time_limit IS NOT NULL AND finished_at IS NULL;

-- How the present batch of a step stands, in JSON; NULL for one that goes whole.
ALTER TABLE run_steps ADD COLUMN batch TEXT;

-- What a task waits for or has waited for, the answer in JSON, and whether its attempt goes on after that: the next claim counts it again.
ALTER TABLE queue ADD COLUMN suspended TEXT CHECK (suspended = 'time' OR suspended = 'approval' OR suspended = 'lost');
ALTER TABLE queue ADD COLUMN decision TEXT;
ALTER TABLE queue ADD COLUMN kept INTEGER NOT NULL DEFAULT 0 CHECK (kept IN (0, 1));
CREATE INDEX queue_suspended ON queue (task_id) WHERE suspended IS NOT NULL;

-- How many tasks of a run go at once is a limit too: `ref` is the run. SQLite changes no CHECK, so the table is made again.
CREATE TABLE limits_new (
    id              INTEGER PRIMARY KEY AUTOINCREMENT,
    tenant_id       INTEGER NOT NULL REFERENCES tenants (id),
    kind            TEXT NOT NULL CHECK (kind IN ('tenant', 'job', 'target', 'credential', 'run')),
    ref             INTEGER NOT NULL,
    running_max     INTEGER CHECK (running_max >= 1),
    rate_starts     INTEGER CHECK (rate_starts >= 1),
    rate_per        INTEGER CHECK (rate_per >= 1),
    rate_burst      INTEGER CHECK (rate_burst >= 1),
    next_start      INTEGER,
    wake_at         INTEGER,
    paused_at       INTEGER,
    pause_reason    TEXT,
    UNIQUE (tenant_id, kind, ref),
    CHECK ((paused_at IS NULL) = (pause_reason IS NULL)),
    CHECK ((rate_starts IS NULL) = (rate_per IS NULL) AND (rate_starts IS NULL) = (rate_burst IS NULL))
) STRICT;

INSERT INTO limits_new SELECT id, tenant_id, kind, ref, running_max, rate_starts, rate_per, rate_burst, next_start, wake_at, paused_at,
    pause_reason FROM limits;
DROP TABLE limits;
ALTER TABLE limits_new RENAME TO limits;
CREATE INDEX limits_timed ON limits (wake_at) WHERE wake_at IS NOT NULL;
CREATE INDEX queue_limited_run ON queue (run_id) WHERE limited = 1;
