-- The record of what was done. An entry is staged in the transaction of the change it tells of; soon after it is numbered, bound to the record before
-- it by that one's hash, and moved to `audit_log`. `record_hash` is the SHA-256 of the record's canonical form.
CREATE TABLE audit_log (
    id              INTEGER PRIMARY KEY,
    tenant_id       INTEGER NOT NULL REFERENCES tenants (id),
    ts              INTEGER NOT NULL,
    actor_id        INTEGER,
    action          TEXT NOT NULL,
    resource_type   TEXT NOT NULL,
    resource_id     INTEGER,
    ip              TEXT,
    user_agent      TEXT,
    details         TEXT,
    prev_hash       BLOB,
    record_hash     BLOB,
    seq             INTEGER,
    actor           TEXT,
    outcome         TEXT
) STRICT;

CREATE UNIQUE INDEX audit_log_seq ON audit_log (tenant_id, seq);
CREATE INDEX audit_log_by_actor ON audit_log (actor_id) WHERE actor_id IS NOT NULL;
CREATE INDEX audit_log_by_resource ON audit_log (resource_type, resource_id);

CREATE TABLE audit_staged (
    id          INTEGER PRIMARY KEY,
    tenant_id   INTEGER NOT NULL,
    at          INTEGER NOT NULL,
    entry       TEXT NOT NULL
) STRICT;

CREATE INDEX audit_staged_by_tenant ON audit_staged (tenant_id);

-- The two ends of each chain: what it begins after, and its last record.
CREATE TABLE audit_heads (
    tenant_id   INTEGER PRIMARY KEY,
    begins      INTEGER NOT NULL DEFAULT 0,
    begins_hash BLOB NOT NULL DEFAULT (zeroblob(32)),
    size        INTEGER NOT NULL DEFAULT 0,
    hash        BLOB NOT NULL DEFAULT (zeroblob(32))
) STRICT;

-- What the chain was, signed.
CREATE TABLE audit_checkpoints (
    tenant_id   INTEGER NOT NULL,
    size        INTEGER NOT NULL,
    hash        BLOB NOT NULL,
    note        TEXT NOT NULL,
    at          INTEGER NOT NULL,
    PRIMARY KEY (tenant_id, size)
) STRICT, WITHOUT ROWID;

-- The seed of the key that signs them: a sealed record.
CREATE TABLE audit_keys (
    tenant_id   INTEGER PRIMARY KEY,
    sealed      BLOB NOT NULL
) STRICT;

-- Chained records are never changed, and go only where a checkpoint stands for them. This keeps programs from mistakes; whoever owns the file can
-- lift it, and is found out by the chain.
CREATE TRIGGER audit_log_stays BEFORE UPDATE ON audit_log
BEGIN
    SELECT raise(ABORT, 'audit records are never changed');
END;

CREATE TRIGGER audit_log_goes BEFORE DELETE ON audit_log
WHEN OLD.seq IS NOT NULL AND OLD.seq > coalesce((SELECT begins FROM audit_heads WHERE tenant_id = OLD.tenant_id), 0)
BEGIN
    SELECT raise(ABORT, 'audit records are removed only where a checkpoint stands for them');
END;
