-- Staged entries that can have no place in a chain: what is no entry, names another tenant, or holds what no record does. They are kept as they were, and
-- a record in the chain of the tenant says so.
CREATE TABLE audit_set_aside (
    id          BIGINT PRIMARY KEY,
    tenant_id   BIGINT NOT NULL,
    at          TIMESTAMPTZ NOT NULL,
    entry       TEXT NOT NULL,
    why         TEXT NOT NULL
);

CREATE INDEX audit_set_aside_by_tenant ON audit_set_aside (tenant_id);

ALTER TABLE audit_set_aside ENABLE ROW LEVEL SECURITY, FORCE ROW LEVEL SECURITY;
CREATE POLICY one_tenant ON audit_set_aside
    USING (tenant_id = (SELECT nullif(current_setting('opsconductor.tenant', true), '')::bigint));
CREATE POLICY all_tenants ON audit_set_aside TO CURRENT_USER
    USING ((SELECT current_setting('opsconductor.all_tenants', true) = 'on'));
