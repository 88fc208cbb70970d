-- The workers of the deployment, as their heartbeats tell. Nothing refers to these rows: leases alone say who holds what.

CREATE TABLE workers (
    id          UUID PRIMARY KEY,
    host        TEXT NOT NULL,
    process     BIGINT NOT NULL,
    version     TEXT NOT NULL,
    concurrency BIGINT NOT NULL CHECK (concurrency >= 1),
    running     BIGINT NOT NULL CHECK (running >= 0),
    draining    BOOLEAN NOT NULL,
    -- Microseconds of silence after which it counts as gone.
    gone_after  BIGINT NOT NULL CHECK (gone_after > 0),
    started_at  TIMESTAMPTZ NOT NULL,
    seen_at     TIMESTAMPTZ NOT NULL
) WITH (fillfactor = 50);

-- They are of no tenant: only who serves all tenants sees them.
ALTER TABLE workers ENABLE ROW LEVEL SECURITY, FORCE ROW LEVEL SECURITY;
CREATE POLICY all_tenants ON workers TO CURRENT_USER USING ((SELECT current_setting('opsconductor.all_tenants', true) = 'on'));
