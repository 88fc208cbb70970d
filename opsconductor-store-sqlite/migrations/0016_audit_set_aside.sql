-- Staged entries that can have no place in a chain: what is no entry, names another tenant, or holds what no record does. They are kept as they were, and
-- a record in the chain of the tenant says so.
CREATE TABLE audit_set_aside (
    id          INTEGER PRIMARY KEY,
    tenant_id   INTEGER NOT NULL,
    at          INTEGER NOT NULL,
    entry       BLOB NOT NULL,
    why         TEXT NOT NULL
) STRICT;
