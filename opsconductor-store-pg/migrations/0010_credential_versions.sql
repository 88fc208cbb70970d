-- Until when a credential is good, and what it was before it was rotated last, kept sealed for a while.
ALTER TABLE credentials ADD COLUMN expires_at TIMESTAMPTZ;

CREATE INDEX credentials_by_expiry ON credentials (expires_at, id) WHERE expires_at IS NOT NULL;

-- `sealed` is a sealed record, bound to the tenant, the credential, its type and this version. Rows go with their credential, or some time after
-- `replaced_at`.
CREATE TABLE credential_versions (
    id              BIGSERIAL PRIMARY KEY,
    tenant_id       BIGINT NOT NULL,
    credential_id   BIGINT NOT NULL,
    version         INT NOT NULL CHECK (version >= 1),
    credential_type TEXT NOT NULL,
    sealed          BYTEA NOT NULL,
    replaced_at     TIMESTAMPTZ NOT NULL,
    CONSTRAINT credential_versions_once UNIQUE (credential_id, version),
    CONSTRAINT credential_versions_credential FOREIGN KEY (tenant_id, credential_id)
        REFERENCES credentials (tenant_id, id) ON DELETE CASCADE
);

CREATE INDEX credential_versions_by_end ON credential_versions (replaced_at, id);

ALTER TABLE credential_versions ENABLE ROW LEVEL SECURITY, FORCE ROW LEVEL SECURITY;
CREATE POLICY one_tenant ON credential_versions
    USING (tenant_id = (SELECT nullif(current_setting('opsconductor.tenant', true), '')::bigint));
CREATE POLICY all_tenants ON credential_versions TO CURRENT_USER
    USING ((SELECT current_setting('opsconductor.all_tenants', true) = 'on'));
