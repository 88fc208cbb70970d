-- Until when a credential is good, and what it was before it was rotated last, kept sealed for a while.
ALTER TABLE credentials ADD COLUMN expires_at INTEGER;

CREATE INDEX credentials_by_expiry ON credentials (expires_at) WHERE expires_at IS NOT NULL;

-- `sealed` is a sealed record, bound to the tenant, the credential, its type and this version. Rows go with their credential, or some time after
-- `replaced_at`.
CREATE TABLE credential_versions (
    id              INTEGER PRIMARY KEY AUTOINCREMENT,
    tenant_id       INTEGER NOT NULL REFERENCES tenants (id),
    credential_id   INTEGER NOT NULL REFERENCES credentials (id) ON DELETE CASCADE,
    version         INTEGER NOT NULL CHECK (version >= 1),
    credential_type TEXT NOT NULL,
    sealed          BLOB NOT NULL,
    replaced_at     INTEGER NOT NULL,
    UNIQUE (credential_id, version)
) STRICT;

CREATE INDEX credential_versions_by_end ON credential_versions (replaced_at);
