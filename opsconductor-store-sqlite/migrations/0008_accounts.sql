-- People with accounts. Names and addresses are unique in the deployment, so that a login needs no tenant. A password is kept as its hash.
CREATE TABLE users (
    id              INTEGER PRIMARY KEY AUTOINCREMENT,
    tenant_id       INTEGER NOT NULL REFERENCES tenants (id),
    email           TEXT NOT NULL UNIQUE,
    username        TEXT NOT NULL UNIQUE,
    pwd_hash        TEXT NOT NULL,
    role            TEXT NOT NULL DEFAULT 'operator' CHECK (role IN ('admin', 'operator', 'viewer')),
    is_active       INTEGER NOT NULL DEFAULT 1 CHECK (is_active IN (0, 1)),
    token_version   INTEGER NOT NULL DEFAULT 0,
    created_at      INTEGER NOT NULL
) STRICT;

CREATE INDEX users_by_tenant ON users (tenant_id, id);

-- Attempts to log in that failed, by the digest of the name, whether anybody has it or not. Times are those that leases go by.
CREATE TABLE login_attempts (
    key         BLOB PRIMARY KEY,
    failed      INTEGER NOT NULL,
    not_before  INTEGER NOT NULL,
    last_at     INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

CREATE INDEX login_attempts_by_time ON login_attempts (last_at);

-- Keys that sign tokens. `sealed` is a sealed record: nothing can be read from it without the key. The one of a purpose without an end is current.
CREATE TABLE signing_keys (
    id          TEXT PRIMARY KEY,
    purpose     TEXT NOT NULL CHECK (purpose IN ('access', 'refresh')),
    sealed      BLOB NOT NULL,
    created_at  INTEGER NOT NULL,
    ends_at     INTEGER
) STRICT;

CREATE UNIQUE INDEX signing_keys_current ON signing_keys (purpose) WHERE ends_at IS NULL;

-- Families of refresh tokens. `token` is the digest of the present one, which is of this generation; those before it are spent.
CREATE TABLE refresh_families (
    id              TEXT PRIMARY KEY,
    tenant_id       INTEGER NOT NULL REFERENCES tenants (id),
    user_id         INTEGER NOT NULL REFERENCES users (id) ON DELETE CASCADE,
    token_version   INTEGER NOT NULL,
    generation      INTEGER NOT NULL,
    token           BLOB NOT NULL,
    created_at      INTEGER NOT NULL,
    rotated_at      INTEGER NOT NULL,
    expires_at      INTEGER NOT NULL,
    ends_at         INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

CREATE INDEX refresh_families_by_user ON refresh_families (user_id);

-- Tokens that programs call with, as digests. `actions` is a list in JSON of all that one may do, where that is less than what its role may.
CREATE TABLE api_tokens (
    id              INTEGER PRIMARY KEY AUTOINCREMENT,
    tenant_id       INTEGER NOT NULL REFERENCES tenants (id),
    user_id         INTEGER NOT NULL REFERENCES users (id) ON DELETE CASCADE,
    token_version   INTEGER NOT NULL,
    name            TEXT NOT NULL,
    prefix          TEXT NOT NULL,
    digest          BLOB NOT NULL UNIQUE,
    role            TEXT NOT NULL CHECK (role IN ('admin', 'operator', 'viewer')),
    actions         TEXT CHECK (json_type(actions) = 'array'),
    created_at      INTEGER NOT NULL,
    expires_at      INTEGER,
    last_used_at    INTEGER,
    UNIQUE (user_id, name)
) STRICT;
