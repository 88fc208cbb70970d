-- Notifications: written in the transaction that ends a run, delivered by workers. `attempts` is how often one was claimed: the right to say what came
-- of the last attempt. While one is claimed it is due when the claim ends.
CREATE TABLE notifications (
    id          INTEGER PRIMARY KEY AUTOINCREMENT,
    tenant_id   INTEGER NOT NULL REFERENCES tenants (id),
    job_run_id  INTEGER NOT NULL REFERENCES job_runs (id) ON DELETE CASCADE,
    channel     TEXT NOT NULL CHECK (channel IN ('webhook', 'email')),
    dest        TEXT NOT NULL,
    payload     TEXT NOT NULL DEFAULT '{}',
    template    TEXT,
    status      TEXT NOT NULL DEFAULT 'pending' CHECK (status IN ('pending', 'sent', 'failed')),
    sent_at     INTEGER,
    retries     INTEGER NOT NULL DEFAULT 0,
    attempts    INTEGER NOT NULL DEFAULT 0,
    error       TEXT,
    due_at      INTEGER NOT NULL,
    created_at  INTEGER NOT NULL
) STRICT;

CREATE INDEX notifications_by_run ON notifications (job_run_id);
CREATE INDEX notifications_by_tenant ON notifications (tenant_id, status, id);
CREATE INDEX notifications_due ON notifications (due_at, id) WHERE status = 'pending';
CREATE INDEX notifications_by_time ON notifications (created_at, id) WHERE status <> 'pending';

-- What a tenant says about them: its mail server and its rules, as JSON.
CREATE TABLE notification_settings (
    tenant_id   INTEGER PRIMARY KEY REFERENCES tenants (id),
    smtp        TEXT,
    rules       TEXT,
    stopped     INTEGER NOT NULL DEFAULT 0 CHECK (stopped IN (0, 1))
) STRICT;

-- Passwords of mail servers and what webhooks are signed with: sealed records, bound to the tenant, the id and what they are for.
CREATE TABLE notification_secrets (
    id          TEXT PRIMARY KEY,
    tenant_id   INTEGER NOT NULL REFERENCES tenants (id),
    purpose     TEXT NOT NULL CHECK (purpose IN ('smtp', 'webhook')),
    sealed      BLOB NOT NULL,
    created_at  INTEGER NOT NULL,
    ends_at     INTEGER
) STRICT;

CREATE UNIQUE INDEX notification_secrets_current ON notification_secrets (tenant_id, purpose) WHERE ends_at IS NULL;

-- What people want to be told of their runs, as JSON.
CREATE TABLE notification_preferences (
    user_id     INTEGER PRIMARY KEY REFERENCES users (id) ON DELETE CASCADE,
    tenant_id   INTEGER NOT NULL REFERENCES tenants (id),
    preferences TEXT NOT NULL
) STRICT;
