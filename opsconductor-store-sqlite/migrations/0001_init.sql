-- What the store begins with. Names and columns of the Python system are kept where they exist; additions stand
-- beside them. Times are integer microseconds since 1970 UTC, JSON is text.
--
-- In what the queue writes, a list of more than two words is checked with OR: for IN, SQLite would fill a table of its own
-- with the words each time a row is written, which takes longer than to write the row.

CREATE TABLE tenants (
    id          INTEGER PRIMARY KEY AUTOINCREMENT,
    name        TEXT NOT NULL UNIQUE,
    created_at  INTEGER NOT NULL
) STRICT;

-- Ids that are given out before their row is written.
CREATE TABLE sequences (
    name        TEXT PRIMARY KEY,
    last        INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

CREATE TABLE credentials (
    id              INTEGER PRIMARY KEY,
    tenant_id       INTEGER NOT NULL REFERENCES tenants (id),
    name            TEXT NOT NULL,
    credential_type TEXT NOT NULL CHECK (credential_type IN ('winrm', 'ssh', 'api_key')),
    description     TEXT,
    -- The sealed record. It is not JSON: nothing can be read from it without the key.
    credential_data BLOB NOT NULL,
    version         INTEGER NOT NULL CHECK (version >= 1),
    created_at      INTEGER NOT NULL,
    updated_at      INTEGER,
    UNIQUE (tenant_id, name)
) STRICT;

CREATE TABLE targets (
    id              INTEGER PRIMARY KEY AUTOINCREMENT,
    tenant_id       INTEGER NOT NULL REFERENCES tenants (id),
    name            TEXT NOT NULL,
    protocol        TEXT NOT NULL DEFAULT 'winrm' CHECK (protocol IN ('winrm', 'ssh', 'http')),
    hostname        TEXT NOT NULL,
    port            INTEGER NOT NULL DEFAULT 5985 CHECK (port BETWEEN 0 AND 65535),
    credential_ref  INTEGER REFERENCES credentials (id) ON DELETE RESTRICT,
    tags            TEXT NOT NULL DEFAULT '[]' CHECK (json_type(tags) = 'array'),
    metadata        TEXT NOT NULL DEFAULT '{}' CHECK (json_type(metadata) = 'object'),
    depends_on      TEXT NOT NULL DEFAULT '[]' CHECK (json_type(depends_on) = 'array'),
    created_at      INTEGER NOT NULL,
    UNIQUE (tenant_id, name)
) STRICT;

CREATE INDEX targets_by_credential ON targets (credential_ref);

-- A job in its present version.
CREATE TABLE jobs (
    id          INTEGER PRIMARY KEY AUTOINCREMENT,
    tenant_id   INTEGER NOT NULL REFERENCES tenants (id),
    name        TEXT NOT NULL,
    version     INTEGER NOT NULL DEFAULT 1 CHECK (version >= 1),
    definition  TEXT NOT NULL CHECK (json_valid(definition)),
    created_by  INTEGER,
    is_active   INTEGER NOT NULL DEFAULT 1 CHECK (is_active IN (0, 1)),
    created_at  INTEGER NOT NULL,
    UNIQUE (tenant_id, name)
) STRICT;

-- Every version that was ever saved; rows never change.
CREATE TABLE job_versions (
    job_id      INTEGER NOT NULL REFERENCES jobs (id) ON DELETE CASCADE,
    version     INTEGER NOT NULL CHECK (version >= 1),
    name        TEXT NOT NULL,
    definition  TEXT NOT NULL,
    created_by  INTEGER,
    saved_at    INTEGER NOT NULL,
    PRIMARY KEY (job_id, version)
) STRICT;

-- The slim columns come first: a claim reads status and cancel without touching the parameters.
CREATE TABLE job_runs (
    id                  INTEGER PRIMARY KEY AUTOINCREMENT,
    tenant_id           INTEGER NOT NULL REFERENCES tenants (id),
    job_id              INTEGER NOT NULL,
    job_version         INTEGER NOT NULL,
    status              TEXT NOT NULL DEFAULT 'queued'
                        CHECK (status = 'queued' OR status = 'running' OR status = 'succeeded' OR status = 'failed'
                               OR status = 'canceled'),
    cancel_requested    INTEGER NOT NULL DEFAULT 0 CHECK (cancel_requested IN (0, 1)),
    priority            INTEGER NOT NULL DEFAULT 0,
    queued_at           INTEGER NOT NULL,
    started_at          INTEGER,
    finished_at         INTEGER,
    requested_by        INTEGER,
    parent_run_id       INTEGER REFERENCES job_runs (id) ON DELETE SET NULL,
    correlation_id      TEXT,
    idempotency_key     TEXT,
    idempotency_digest  BLOB,
    cancel_reason       TEXT,
    labels              TEXT NOT NULL DEFAULT '{}',
    parameters          TEXT NOT NULL DEFAULT '{}',
    FOREIGN KEY (job_id, job_version) REFERENCES job_versions (job_id, version),
    CHECK ((finished_at IS NULL) = (status IN ('queued', 'running'))),
    CHECK (started_at IS NOT NULL OR status <> 'running'),
    CHECK ((cancel_reason IS NOT NULL) = cancel_requested),
    CHECK ((idempotency_key IS NULL) = (idempotency_digest IS NULL))
) STRICT;

-- The row id ends every index, so each of these lists newest first without a sort.
CREATE INDEX job_runs_by_job ON job_runs (job_id);
CREATE INDEX job_runs_by_tenant ON job_runs (tenant_id);
CREATE INDEX job_runs_by_status ON job_runs (tenant_id, status);
CREATE INDEX job_runs_by_parent ON job_runs (parent_run_id) WHERE parent_run_id IS NOT NULL;
CREATE UNIQUE INDEX job_runs_by_key ON job_runs (tenant_id, job_id, idempotency_key)
    WHERE idempotency_key IS NOT NULL;

-- The snapshot that enqueue froze, once per run and apart, because it is large and rarely read.
CREATE TABLE run_plans (
    run_id      INTEGER PRIMARY KEY REFERENCES job_runs (id) ON DELETE CASCADE,
    plan        TEXT NOT NULL
) STRICT;

-- How the tasks of each step stand, written once per batch of completions.
CREATE TABLE run_steps (
    run_id      INTEGER NOT NULL REFERENCES job_runs (id) ON DELETE CASCADE,
    idx         INTEGER NOT NULL,
    remaining   INTEGER NOT NULL CHECK (remaining >= 0),
    succeeded   INTEGER NOT NULL DEFAULT 0,
    failed      INTEGER NOT NULL DEFAULT 0,
    aborted     INTEGER NOT NULL DEFAULT 0,
    PRIMARY KEY (run_id, idx)
) STRICT, WITHOUT ROWID;

-- One row for each (step, target). While a task is alive its state stands in `queue`, and `status` here is the one it
-- was enqueued with. The target has no foreign key: it may go, and the row keeps its id.
CREATE TABLE job_run_steps (
    id          INTEGER PRIMARY KEY AUTOINCREMENT,
    job_run_id  INTEGER NOT NULL REFERENCES job_runs (id) ON DELETE CASCADE,
    idx         INTEGER NOT NULL,
    type        TEXT NOT NULL,
    target_id   INTEGER,
    status      TEXT NOT NULL CHECK (status = 'waiting' OR status = 'queued' OR status = 'running'
                        OR status = 'succeeded' OR status = 'failed' OR status = 'aborted' OR status = 'skipped'
                        OR status = 'lost'),
    shell       TEXT,
    timeoutsec  INTEGER NOT NULL DEFAULT 60,
    exit_code   INTEGER,
    stdout      TEXT,
    stderr      TEXT,
    metrics     TEXT,
    artifacts   TEXT,
    started_at  INTEGER,
    finished_at INTEGER,
    attempt     INTEGER NOT NULL DEFAULT 0,
    reason      TEXT,
    -- The lease that wrote the end, so that its repeat is known.
    end_epoch   INTEGER,
    end_worker  TEXT,
    CHECK ((finished_at IS NULL) = (status = 'waiting' OR status = 'queued' OR status = 'running'))
) STRICT;

CREATE INDEX job_run_steps_by_run ON job_run_steps (job_run_id);

-- One slim row for each task that is alive, deleted in the transaction that ends it, so that a claim never meets
-- finished work.
CREATE TABLE queue (
    task_id     INTEGER PRIMARY KEY REFERENCES job_run_steps (id) ON DELETE CASCADE,
    run_id      INTEGER NOT NULL,
    tenant_id   INTEGER NOT NULL,
    idx         INTEGER NOT NULL,
    target_id   INTEGER,
    state       TEXT NOT NULL CHECK (state = 'waiting' OR state = 'queued' OR state = 'running'),
    priority    INTEGER NOT NULL,
    due_at      INTEGER NOT NULL,
    waits       INTEGER NOT NULL CHECK (waits >= 0),
    attempt     INTEGER NOT NULL DEFAULT 0,
    epoch       INTEGER NOT NULL DEFAULT 0,
    worker      TEXT,
    started_at  INTEGER,
    lease_until INTEGER,
    dispatched  TEXT,
    dispatched_at INTEGER,
    CHECK ((waits > 0) = (state = 'waiting')),
    CHECK ((state = 'running') = (worker IS NOT NULL)),
    CHECK ((worker IS NULL) = (lease_until IS NULL)),
    CHECK (state = 'running' OR dispatched IS NULL),
    CHECK ((dispatched IS NULL) = (dispatched_at IS NULL))
) STRICT;

CREATE INDEX queue_ready ON queue (priority DESC, due_at, task_id) WHERE state = 'queued';
CREATE INDEX queue_waiting ON queue (run_id, idx, target_id) WHERE state = 'waiting';
CREATE INDEX queue_leases ON queue (lease_until) WHERE state = 'running';

-- Tries that have ended.
CREATE TABLE task_attempts (
    task_id     INTEGER NOT NULL REFERENCES job_run_steps (id) ON DELETE CASCADE,
    attempt     INTEGER NOT NULL CHECK (attempt >= 1),
    worker      TEXT NOT NULL,
    status      TEXT NOT NULL CHECK (status = 'succeeded' OR status = 'failed' OR status = 'aborted'
                        OR status = 'skipped' OR status = 'lost'),
    reason      TEXT,
    started_at  INTEGER NOT NULL,
    finished_at INTEGER NOT NULL,
    PRIMARY KEY (task_id, attempt)
) STRICT, WITHOUT ROWID;

CREATE TABLE output_chunks (
    task_id     INTEGER NOT NULL REFERENCES job_run_steps (id) ON DELETE CASCADE,
    attempt     INTEGER NOT NULL,
    seq         INTEGER NOT NULL,
    stream      TEXT NOT NULL CHECK (stream IN ('stdout', 'stderr')),
    at          INTEGER NOT NULL,
    text        TEXT NOT NULL,
    PRIMARY KEY (task_id, attempt, seq)
) STRICT;

-- Numbered from 1 in each run, without gaps. A `step.output` points at its chunk, so that the text is stored once.
CREATE TABLE run_events (
    run_id      INTEGER NOT NULL REFERENCES job_runs (id) ON DELETE CASCADE,
    seq         INTEGER NOT NULL CHECK (seq >= 1),
    kind        TEXT NOT NULL CHECK (kind = 'run.queued' OR kind = 'run.started' OR kind = 'run.finished'
                        OR kind = 'step.started' OR kind = 'step.output' OR kind = 'step.waiting'
                        OR kind = 'step.finished'),
    at          INTEGER NOT NULL,
    task_id     INTEGER,
    idx         INTEGER,
    target_id   INTEGER,
    attempt     INTEGER,
    chunk_seq   INTEGER,
    status      TEXT,
    reason      TEXT,
    PRIMARY KEY (run_id, seq),
    CHECK ((kind = 'step.output') = (chunk_seq IS NOT NULL)),
    CHECK ((kind IN ('run.finished', 'step.finished')) = (status IS NOT NULL))
) STRICT, WITHOUT ROWID;
