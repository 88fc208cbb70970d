-- People with accounts: who may do nothing for now keeps the account.
ALTER TABLE users
    ADD COLUMN is_active BOOLEAN NOT NULL DEFAULT true,
    ADD CONSTRAINT users_by_tenant_and_id UNIQUE (tenant_id, id);

-- Attempts to log in that failed, by the digest of the name, whether anybody has it or not. Times are microseconds since 1970.
CREATE TABLE login_attempts (
    key         BYTEA PRIMARY KEY,
    failed      BIGINT NOT NULL,
    not_before  BIGINT NOT NULL,
    last_at     BIGINT NOT NULL
);

CREATE INDEX login_attempts_by_time ON login_attempts (last_at);

-- Keys that sign tokens. `sealed` is a sealed record: nothing can be read from it without the key. The one of a purpose without an end is current.
CREATE TABLE signing_keys (
    id          TEXT PRIMARY KEY,
    purpose     TEXT NOT NULL CHECK (purpose IN ('access', 'refresh')),
    sealed      BYTEA NOT NULL,
    created_at  TIMESTAMPTZ NOT NULL,
    ends_at     TIMESTAMPTZ
);

CREATE UNIQUE INDEX signing_keys_current ON signing_keys (purpose) WHERE ends_at IS NULL;

-- Families of refresh tokens. `token` is the digest of the present one, which is of this generation; those before it are spent.
CREATE TABLE refresh_families (
    id              TEXT PRIMARY KEY,
    tenant_id       BIGINT NOT NULL,
    user_id         BIGINT NOT NULL,
    token_version   INT NOT NULL,
    generation      BIGINT NOT NULL,
    token           BYTEA NOT NULL,
    created_at      TIMESTAMPTZ NOT NULL,
    rotated_at      TIMESTAMPTZ NOT NULL,
    expires_at      TIMESTAMPTZ NOT NULL,
    ends_at         TIMESTAMPTZ NOT NULL,
    CONSTRAINT refresh_families_user FOREIGN KEY (tenant_id, user_id) REFERENCES users (tenant_id, id) ON DELETE CASCADE
);

CREATE INDEX refresh_families_by_user ON refresh_families (tenant_id, user_id);

ALTER TABLE refresh_families ENABLE ROW LEVEL SECURITY, FORCE ROW LEVEL SECURITY;
CREATE POLICY one_tenant ON refresh_families USING (tenant_id = (SELECT nullif(current_setting('opsconductor.tenant', true), '')::bigint));
CREATE POLICY all_tenants ON refresh_families TO CURRENT_USER USING ((SELECT current_setting('opsconductor.all_tenants', true) = 'on'));

-- Tokens that programs call with, as digests. `actions` is a list in JSON of all that one may do, where that is less than what its role may.
CREATE TABLE api_tokens (
    id              BIGSERIAL PRIMARY KEY,
    tenant_id       BIGINT NOT NULL,
    user_id         BIGINT NOT NULL,
    token_version   INT NOT NULL,
    name            TEXT NOT NULL,
    prefix          TEXT NOT NULL,
    digest          BYTEA NOT NULL CONSTRAINT api_tokens_digest_taken UNIQUE,
    role            TEXT NOT NULL CHECK (role IN ('admin', 'operator', 'viewer')),
    actions         TEXT,
    created_at      TIMESTAMPTZ NOT NULL,
    expires_at      TIMESTAMPTZ,
    last_used_at    TIMESTAMPTZ,
    CONSTRAINT api_tokens_name_taken UNIQUE (tenant_id, user_id, name),
    CONSTRAINT api_tokens_user FOREIGN KEY (tenant_id, user_id) REFERENCES users (tenant_id, id) ON DELETE CASCADE
);

ALTER TABLE api_tokens ENABLE ROW LEVEL SECURITY, FORCE ROW LEVEL SECURITY;
CREATE POLICY one_tenant ON api_tokens USING (tenant_id = (SELECT nullif(current_setting('opsconductor.tenant', true), '')::bigint));
CREATE POLICY all_tenants ON api_tokens TO CURRENT_USER USING ((SELECT current_setting('opsconductor.all_tenants', true) = 'on'));

-- Attempts and keys are of no tenant: only who serves all tenants sees them.
ALTER TABLE login_attempts ENABLE ROW LEVEL SECURITY, FORCE ROW LEVEL SECURITY;
CREATE POLICY all_tenants ON login_attempts TO CURRENT_USER USING ((SELECT current_setting('opsconductor.all_tenants', true) = 'on'));
ALTER TABLE signing_keys ENABLE ROW LEVEL SECURITY, FORCE ROW LEVEL SECURITY;
CREATE POLICY all_tenants ON signing_keys TO CURRENT_USER USING ((SELECT current_setting('opsconductor.all_tenants', true) = 'on'));
