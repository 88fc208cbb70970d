-- The workers of the deployment, as their heartbeats tell. Nothing refers to these rows: leases alone say who holds what.

CREATE TABLE workers (
    id          TEXT PRIMARY KEY,
    host        TEXT NOT NULL,
    process     INTEGER NOT NULL,
    version     TEXT NOT NULL,
    concurrency INTEGER NOT NULL CHECK (concurrency >= 1),
    running     INTEGER NOT NULL CHECK (running >= 0),
    draining    INTEGER NOT NULL CHECK (draining IN (0, 1)),
    -- Microseconds of silence after which it counts as gone.
    gone_after  INTEGER NOT NULL CHECK (gone_after > 0),
    started_at  INTEGER NOT NULL,
    seen_at     INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

-- The start of the machine that leases and due times count from, in one row: the name the kernel gives it, and how many
-- microseconds they are ahead of its monotonic clock.
CREATE TABLE machine (
    id          INTEGER PRIMARY KEY CHECK (id = 1),
    boot_id     TEXT NOT NULL,
    ahead       INTEGER NOT NULL
) STRICT;
