-- Notifications: written in the transaction that ends a run, delivered by workers. `attempts` is how often one was claimed: the right to say what came
-- of the last attempt. While one is claimed it is due when the claim ends.
ALTER TABLE notifications
    ADD COLUMN template   TEXT,
    ADD COLUMN attempts   INT NOT NULL DEFAULT 0,
    ADD COLUMN error      TEXT,
    ADD COLUMN due_at     TIMESTAMPTZ NOT NULL DEFAULT now(),
    ADD COLUMN created_at TIMESTAMPTZ NOT NULL DEFAULT now();

DROP INDEX notifications_pending;
CREATE INDEX notifications_due ON notifications (due_at, id) WHERE status = 'pending';
CREATE INDEX notifications_by_tenant ON notifications (tenant_id, status, id);
CREATE INDEX notifications_by_time ON notifications (created_at, id) WHERE status <> 'pending';

-- What a tenant says about them: its mail server and its rules, as JSON.
CREATE TABLE notification_settings (
    tenant_id   BIGINT PRIMARY KEY CONSTRAINT notification_settings_tenant REFERENCES tenants (id),
    smtp        TEXT,
    rules       TEXT,
    stopped     BOOLEAN NOT NULL DEFAULT false
);

-- Passwords of mail servers and what webhooks are signed with: sealed records, bound to the tenant, the id and what they are for.
CREATE TABLE notification_secrets (
    id          TEXT PRIMARY KEY,
    tenant_id   BIGINT NOT NULL CONSTRAINT notification_secrets_tenant REFERENCES tenants (id),
    purpose     TEXT NOT NULL CHECK (purpose IN ('smtp', 'webhook')),
    sealed      BYTEA NOT NULL,
    created_at  TIMESTAMPTZ NOT NULL,
    ends_at     TIMESTAMPTZ
);

CREATE UNIQUE INDEX notification_secrets_current ON notification_secrets (tenant_id, purpose) WHERE ends_at IS NULL;

-- What people want to be told of their runs, as JSON.
CREATE TABLE notification_preferences (
    user_id     BIGINT PRIMARY KEY,
    tenant_id   BIGINT NOT NULL,
    preferences TEXT NOT NULL,
    CONSTRAINT notification_preferences_user FOREIGN KEY (tenant_id, user_id) REFERENCES users (tenant_id, id) ON DELETE CASCADE
);

DO $walls$
DECLARE
    walled text;
BEGIN
    FOREACH walled IN ARRAY ARRAY['notification_settings', 'notification_secrets', 'notification_preferences']
    LOOP
        EXECUTE format('ALTER TABLE %I ENABLE ROW LEVEL SECURITY, FORCE ROW LEVEL SECURITY', walled);
        EXECUTE format(
            'CREATE POLICY one_tenant ON %I USING (tenant_id = (SELECT nullif(current_setting(''opsconductor.tenant'', true), '''')::bigint))',
            walled);
        EXECUTE format(
            'CREATE POLICY all_tenants ON %I TO CURRENT_USER USING ((SELECT current_setting(''opsconductor.all_tenants'', true) = ''on''))',
            walled);
    END LOOP;
END
$walls$;
