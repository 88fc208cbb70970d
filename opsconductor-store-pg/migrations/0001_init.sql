-- What the store begins with. The ten tables of the Python system keep their names and columns; additions stand beside them. What was changed in
-- place: lists of states have grown, names are unique in a tenant, `exit_code` holds what Windows gives (32 bits without a sign) and `depends_on`
-- the ids of targets, `credential_data` holds our sealed record, and no full-text index stands over `stdout`, because a long output made its
-- update fail.
--
-- Each table names its tenant, also where it could be found through another table: row-level security then needs no second look, and the tables
-- can be spread over servers by tenant.

CREATE TABLE tenants (
    id          BIGSERIAL PRIMARY KEY,
    name        TEXT NOT NULL CONSTRAINT tenants_name_taken UNIQUE,
    created_at  TIMESTAMPTZ NOT NULL DEFAULT now()
);

-- Names and addresses are unique in the deployment, so that a login needs no tenant.
CREATE TABLE users (
    id              BIGSERIAL PRIMARY KEY,
    tenant_id       BIGINT NOT NULL DEFAULT 1 CONSTRAINT users_tenant REFERENCES tenants (id),
    email           TEXT NOT NULL CONSTRAINT users_email_taken UNIQUE,
    username        TEXT NOT NULL CONSTRAINT users_name_taken UNIQUE,
    pwd_hash        TEXT NOT NULL,
    role            TEXT NOT NULL DEFAULT 'operator' CHECK (role IN ('admin', 'operator', 'viewer')),
    token_version   INT NOT NULL DEFAULT 0,
    created_at      TIMESTAMPTZ NOT NULL DEFAULT now()
);

CREATE INDEX users_by_tenant ON users (tenant_id);

CREATE TABLE credentials (
    id              BIGSERIAL PRIMARY KEY,
    tenant_id       BIGINT NOT NULL DEFAULT 1 CONSTRAINT credentials_tenant REFERENCES tenants (id),
    name            TEXT NOT NULL,
    credential_type TEXT NOT NULL CHECK (credential_type IN ('winrm', 'ssh', 'api_key')),
    description     TEXT,
    -- {"encrypted": "<the sealed record in base64>"}: nothing can be read from it without the key.
    credential_data JSONB NOT NULL,
    created_at      TIMESTAMPTZ NOT NULL DEFAULT now(),
    updated_at      TIMESTAMPTZ,
    version         INT NOT NULL DEFAULT 1 CHECK (version >= 1),
    CONSTRAINT credentials_name_taken UNIQUE (tenant_id, name),
    CONSTRAINT credentials_in_tenant UNIQUE (tenant_id, id)
);

CREATE INDEX credentials_by_type ON credentials (credential_type);

CREATE TABLE targets (
    id              BIGSERIAL PRIMARY KEY,
    tenant_id       BIGINT NOT NULL DEFAULT 1 CONSTRAINT targets_tenant REFERENCES tenants (id),
    name            TEXT NOT NULL,
    protocol        TEXT NOT NULL DEFAULT 'winrm' CHECK (protocol IN ('winrm', 'ssh', 'http')),
    hostname        TEXT NOT NULL,
    port            INT NOT NULL DEFAULT 5985 CHECK (port BETWEEN 0 AND 65535),
    credential_ref  BIGINT,
    tags            TEXT[] NOT NULL DEFAULT '{}',
    metadata        JSONB NOT NULL DEFAULT '{}',
    depends_on      BIGINT[] NOT NULL DEFAULT '{}',
    created_at      TIMESTAMPTZ NOT NULL DEFAULT now(),
    CONSTRAINT targets_name_taken UNIQUE (tenant_id, name),
    -- A target opens with a credential of its own tenant, whatever the program above says.
    CONSTRAINT targets_credential FOREIGN KEY (tenant_id, credential_ref) REFERENCES credentials (tenant_id, id) ON DELETE RESTRICT
);

CREATE INDEX targets_by_credential ON targets (credential_ref);
CREATE INDEX targets_by_tags ON targets USING gin (tags);
CREATE INDEX targets_by_metadata ON targets USING gin (metadata);
CREATE INDEX targets_by_dependency ON targets USING gin (depends_on);

-- A job in its present version. Whoever saved it may go; the number stays.
CREATE TABLE jobs (
    id          BIGSERIAL PRIMARY KEY,
    tenant_id   BIGINT NOT NULL DEFAULT 1 CONSTRAINT jobs_tenant REFERENCES tenants (id),
    name        TEXT NOT NULL,
    version     INT NOT NULL DEFAULT 1 CHECK (version >= 1),
    definition  JSONB NOT NULL,
    created_by  BIGINT,
    is_active   BOOLEAN NOT NULL DEFAULT true,
    created_at  TIMESTAMPTZ NOT NULL DEFAULT now(),
    CONSTRAINT jobs_name_taken UNIQUE (tenant_id, name)
);

CREATE INDEX jobs_by_author ON jobs (created_by);

-- Every version that was ever saved; rows never change.
CREATE TABLE job_versions (
    job_id      BIGINT NOT NULL REFERENCES jobs (id) ON DELETE CASCADE,
    version     INT NOT NULL CHECK (version >= 1),
    tenant_id   BIGINT NOT NULL,
    name        TEXT NOT NULL,
    definition  JSONB NOT NULL,
    created_by  BIGINT,
    saved_at    TIMESTAMPTZ NOT NULL DEFAULT now(),
    PRIMARY KEY (job_id, version)
);

CREATE TABLE schedules (
    id          BIGSERIAL PRIMARY KEY,
    tenant_id   BIGINT NOT NULL DEFAULT 1 CONSTRAINT schedules_tenant REFERENCES tenants (id),
    job_id      BIGINT NOT NULL REFERENCES jobs (id) ON DELETE CASCADE,
    cron        TEXT NOT NULL,
    timezone    TEXT NOT NULL DEFAULT 'America/Los_Angeles',
    next_run_at TIMESTAMPTZ,
    last_run_at TIMESTAMPTZ,
    is_active   BOOLEAN NOT NULL DEFAULT true,
    created_at  TIMESTAMPTZ NOT NULL DEFAULT now()
);

CREATE INDEX schedules_by_job ON schedules (job_id);
CREATE INDEX schedules_due ON schedules (next_run_at) WHERE is_active;

-- What follows is written to with every run. Beside the CHECKs that were there of old it has none: PostgreSQL makes such an expression from its
-- text again for each statement, which was half the time of an enqueue. What these columns promise each other is tested instead.

-- The job has no cascading key: a run that was acknowledged is never removed by the way. What belongs to a run is written in one statement with it
-- and has no keys into it: they would cost each row a look and a lock.
CREATE TABLE job_runs (
    id                  BIGSERIAL PRIMARY KEY,
    tenant_id           BIGINT NOT NULL DEFAULT 1,
    job_id              BIGINT NOT NULL,
    job_version         INT NOT NULL,
    status              TEXT NOT NULL DEFAULT 'queued'
                        CHECK (status IN ('queued', 'running', 'succeeded', 'failed', 'canceled')),
    requested_by        BIGINT,
    parameters          JSONB NOT NULL DEFAULT '{}',
    queued_at           TIMESTAMPTZ NOT NULL DEFAULT now(),
    started_at          TIMESTAMPTZ,
    finished_at         TIMESTAMPTZ,
    correlation_id      TEXT,
    idempotency_key     TEXT,
    idempotency_digest  BYTEA,
    priority            SMALLINT NOT NULL DEFAULT 0,
    parent_run_id       BIGINT CONSTRAINT job_runs_parent REFERENCES job_runs (id) ON DELETE SET NULL,
    labels              JSONB NOT NULL DEFAULT '{}',
    -- Set when the run is to be canceled.
    cancel_reason       TEXT,
    -- The number of its last event; raised under the row's lock.
    last_event          BIGINT NOT NULL DEFAULT 0,
    -- Apart from `status`, so that an index on it is not written to when a run starts.
    ended_as            TEXT GENERATED ALWAYS AS (CASE WHEN finished_at IS NOT NULL THEN status END) STORED,
    CONSTRAINT job_runs_job FOREIGN KEY (job_id, job_version) REFERENCES job_versions (job_id, version)
) WITH (fillfactor = 50);

-- The id ends each index, so that each lists newest first without a sort. None holds what changes while a run is alive, and the pages have room:
-- its row is then changed where it stands.
CREATE INDEX job_runs_by_tenant ON job_runs (tenant_id, id);
CREATE INDEX job_runs_by_job ON job_runs (job_id, id);
CREATE INDEX job_runs_by_end ON job_runs (tenant_id, ended_as, id);
CREATE INDEX job_runs_by_requester ON job_runs (requested_by) WHERE requested_by IS NOT NULL;
CREATE INDEX job_runs_by_parent ON job_runs (parent_run_id) WHERE parent_run_id IS NOT NULL;
CREATE INDEX job_runs_by_queued_at ON job_runs USING brin (queued_at);
CREATE UNIQUE INDEX job_runs_key ON job_runs (tenant_id, job_id, idempotency_key) WHERE idempotency_key IS NOT NULL;

-- The snapshot that enqueue froze, once per run and apart, because it is large and rarely read. It is text: JSONB would sort its keys and could
-- not hold every string.
CREATE TABLE run_plans (
    run_id      BIGINT PRIMARY KEY,
    tenant_id   BIGINT NOT NULL,
    plan        TEXT NOT NULL
);

-- How the tasks of each step stand, written once per batch of completions.
CREATE TABLE run_steps (
    run_id      BIGINT NOT NULL,
    idx         INT NOT NULL,
    tenant_id   BIGINT NOT NULL,
    remaining   INT NOT NULL,
    succeeded   INT NOT NULL DEFAULT 0,
    failed      INT NOT NULL DEFAULT 0,
    aborted     INT NOT NULL DEFAULT 0,
    PRIMARY KEY (run_id, idx)
) WITH (fillfactor = 40);

-- One row for each (step, target). While a task is alive its state stands in `queue`, and `status` here is the one it was enqueued with. The
-- target has no foreign key: it may go, and the row keeps its id. `stdout` and `stderr` are the ends of what was written; the whole is in
-- `output_chunks`.
CREATE TABLE job_run_steps (
    id          BIGSERIAL PRIMARY KEY,
    tenant_id   BIGINT NOT NULL DEFAULT 1,
    job_run_id  BIGINT NOT NULL,
    idx         INT NOT NULL,
    type        TEXT NOT NULL,
    target_id   BIGINT,
    status      TEXT NOT NULL DEFAULT 'queued'
                CHECK (status IN ('waiting', 'queued', 'running', 'succeeded', 'failed', 'aborted', 'skipped', 'lost')),
    shell       TEXT,
    timeoutsec  INT NOT NULL DEFAULT 60,
    exit_code   BIGINT,
    stdout      TEXT,
    stderr      TEXT,
    metrics     JSONB,
    artifacts   JSONB,
    started_at  TIMESTAMPTZ,
    finished_at TIMESTAMPTZ,
    attempt     INT NOT NULL DEFAULT 0,
    reason      TEXT,
    -- The lease that wrote the end, so that its repeat is known.
    end_epoch   BIGINT,
    end_worker  UUID
) WITH (
    -- Room for the ends of a page's tasks, so that the indexes need not be written to again.
    fillfactor = 35
);

CREATE INDEX job_run_steps_by_run ON job_run_steps (job_run_id, id);
CREATE INDEX job_run_steps_by_target ON job_run_steps (target_id) WHERE target_id IS NOT NULL;

-- One slim row for each task that is alive, deleted in the transaction that ends it, so that a claim never meets finished work.
CREATE TABLE queue (
    task_id     BIGINT PRIMARY KEY,
    run_id      BIGINT NOT NULL,
    tenant_id   BIGINT NOT NULL,
    idx         INT NOT NULL,
    target_id   BIGINT,
    state       TEXT NOT NULL,
    priority    SMALLINT NOT NULL,
    waits       INT NOT NULL,
    attempt     INT NOT NULL DEFAULT 0,
    epoch       BIGINT NOT NULL DEFAULT 0,
    due_at      TIMESTAMPTZ NOT NULL,
    worker      UUID,
    started_at  TIMESTAMPTZ,
    lease_until TIMESTAMPTZ,
    dispatched  TEXT,
    dispatched_at TIMESTAMPTZ
) WITH (
    -- Rows live for seconds: what they leave behind is cleared while it is small.
    fillfactor = 50,
    autovacuum_vacuum_scale_factor = 0, autovacuum_vacuum_threshold = 5000, autovacuum_vacuum_cost_delay = 0,
    autovacuum_analyze_scale_factor = 0, autovacuum_analyze_threshold = 50000
);

CREATE INDEX queue_ready ON queue (priority DESC, due_at, task_id) WHERE state = 'queued';
CREATE INDEX queue_by_run ON queue (run_id, idx, target_id) WHERE state <> 'running';
CREATE INDEX queue_leases ON queue (lease_until, task_id) WHERE state = 'running';

-- What follows is only ever appended, in transactions that hold the run; keys into it would cost each writer a look and a lock.

-- Tries that have ended.
CREATE TABLE task_attempts (
    task_id     BIGINT NOT NULL,
    attempt     INT NOT NULL,
    tenant_id   BIGINT NOT NULL,
    worker      UUID NOT NULL,
    status      TEXT NOT NULL,
    reason      TEXT,
    started_at  TIMESTAMPTZ NOT NULL,
    finished_at TIMESTAMPTZ NOT NULL,
    PRIMARY KEY (task_id, attempt)
);

-- The output as it came. `text` is UTF-8 in bytes (`convert_from(text, 'UTF8')`), because TEXT cannot hold the character U+0000.
CREATE TABLE output_chunks (
    task_id     BIGINT NOT NULL,
    attempt     INT NOT NULL,
    seq         BIGINT NOT NULL,
    tenant_id   BIGINT NOT NULL,
    stream      TEXT NOT NULL CHECK (stream IN ('stdout', 'stderr')),
    at          TIMESTAMPTZ NOT NULL,
    text        BYTEA NOT NULL,
    PRIMARY KEY (task_id, attempt, seq)
);

-- Numbered from 1 in each run, without gaps. Number 1 is `run.queued`; it has no row, because the run says when that was. A row holds what one
-- transaction told of a run, so that ten thousand tasks which start or end together are a few rows: `seq` is the number of its last event. It is
-- of one of three forms:
--   tasks that started, one event each, in order, and before them the start of the run where it `begins` with them;
--   a piece of output of a task: it points at the chunk, so that the text is stored once;
--   `told`, a list in JSON of whatever else happened. It is text, because it is only ever read whole.
CREATE TABLE run_events (
    run_id      BIGINT NOT NULL,
    seq         BIGINT NOT NULL,
    tenant_id   BIGINT NOT NULL,
    at          TIMESTAMPTZ NOT NULL,
    begins      BOOLEAN,
    tasks       BIGINT[],
    idxs        INT[],
    targets     BIGINT[],
    attempts    INT[],
    chunk_seq   BIGINT,
    told        TEXT,
    PRIMARY KEY (run_id, seq)
);

CREATE TABLE audit_log (
    id              BIGSERIAL PRIMARY KEY,
    tenant_id       BIGINT NOT NULL DEFAULT 1 CONSTRAINT audit_log_tenant REFERENCES tenants (id),
    ts              TIMESTAMPTZ NOT NULL DEFAULT now(),
    actor_id        BIGINT,
    action          TEXT NOT NULL,
    resource_type   TEXT NOT NULL,
    resource_id     BIGINT,
    ip              TEXT,
    user_agent      TEXT,
    details         JSONB,
    prev_hash       BYTEA,
    record_hash     BYTEA
);

CREATE INDEX audit_log_by_tenant ON audit_log (tenant_id, id);
CREATE INDEX audit_log_by_actor ON audit_log (actor_id) WHERE actor_id IS NOT NULL;
CREATE INDEX audit_log_by_resource ON audit_log (resource_type, resource_id);
CREATE INDEX audit_log_by_time ON audit_log USING brin (ts);

CREATE TABLE notifications (
    id          BIGSERIAL PRIMARY KEY,
    tenant_id   BIGINT NOT NULL DEFAULT 1 CONSTRAINT notifications_tenant REFERENCES tenants (id),
    job_run_id  BIGINT NOT NULL REFERENCES job_runs (id) ON DELETE CASCADE,
    channel     TEXT NOT NULL CHECK (channel IN ('webhook', 'email')),
    dest        TEXT NOT NULL,
    payload     JSONB NOT NULL DEFAULT '{}',
    status      TEXT NOT NULL DEFAULT 'pending' CHECK (status IN ('pending', 'sent', 'failed')),
    sent_at     TIMESTAMPTZ,
    retries     INT NOT NULL DEFAULT 0
);

CREATE INDEX notifications_by_run ON notifications (job_run_id);
CREATE INDEX notifications_pending ON notifications (id) WHERE status = 'pending';

CREATE TABLE dlq (
    id          BIGSERIAL PRIMARY KEY,
    tenant_id   BIGINT NOT NULL DEFAULT 1 CONSTRAINT dlq_tenant REFERENCES tenants (id),
    topic       TEXT NOT NULL,
    payload     JSONB NOT NULL,
    error       TEXT,
    created_at  TIMESTAMPTZ NOT NULL DEFAULT now()
);

CREATE INDEX dlq_by_topic ON dlq (topic, id);

-- Read with the rights of whoever asks, so that it shows no other tenant's runs.
CREATE VIEW job_run_summary WITH (security_invoker = true) AS
SELECT r.id,
       j.name AS job_name,
       r.status,
       r.queued_at,
       r.started_at,
       r.finished_at,
       r.requested_by,
       u.username AS requested_by_name,
       count(s.id) AS total_steps,
       count(s.id) FILTER (WHERE coalesce(q.state, s.status) = 'succeeded') AS succeeded_steps,
       count(s.id) FILTER (WHERE coalesce(q.state, s.status) IN ('failed', 'lost')) AS failed_steps,
       count(s.id) FILTER (WHERE coalesce(q.state, s.status) = 'running') AS running_steps
FROM job_runs AS r
JOIN jobs AS j ON j.id = r.job_id
LEFT JOIN users AS u ON u.id = r.requested_by
LEFT JOIN job_run_steps AS s ON s.job_run_id = r.id
LEFT JOIN queue AS q ON q.task_id = s.id
GROUP BY r.id, j.name, u.username;

-- The second wall. A session sees the rows of the tenant that it names (`SET LOCAL opsconductor.tenant`), and none when it names none. Who
-- serves all tenants, a worker, says so (`opsconductor.all_tenants`) and must be the owner or a role that was given the second policy.
DO $walls$
DECLARE
    walled text;
    tenant_column text;
BEGIN
    FOREACH walled IN ARRAY ARRAY['tenants', 'users', 'credentials', 'targets', 'jobs', 'job_versions', 'schedules', 'job_runs', 'run_plans',
                                  'run_steps', 'job_run_steps', 'queue', 'task_attempts', 'output_chunks', 'run_events', 'audit_log',
                                  'notifications', 'dlq']
    LOOP
        tenant_column := CASE walled WHEN 'tenants' THEN 'id' ELSE 'tenant_id' END;
        EXECUTE format('ALTER TABLE %I ENABLE ROW LEVEL SECURITY, FORCE ROW LEVEL SECURITY', walled);
        EXECUTE format(
            'CREATE POLICY one_tenant ON %I USING (%I = (SELECT nullif(current_setting(''opsconductor.tenant'', true), '''')::bigint))',
            walled, tenant_column);
        EXECUTE format(
            'CREATE POLICY all_tenants ON %I TO CURRENT_USER USING ((SELECT current_setting(''opsconductor.all_tenants'', true) = ''on''))',
            walled);
    END LOOP;
END
$walls$;
