-- The events of all runs of a tenant in one row: which event of which run has which number. The writer is alone, so numbers are given in the order
-- of commits. Rows go when their run has gone, from the front; the last one of a tenant stays, so that no number is given twice.
CREATE TABLE tenant_events (
    tenant_id   INTEGER NOT NULL,
    seq         INTEGER NOT NULL,
    run_id      INTEGER NOT NULL,
    run_seq     INTEGER NOT NULL,
    PRIMARY KEY (tenant_id, seq)
) STRICT, WITHOUT ROWID;

CREATE TRIGGER run_events_numbered AFTER INSERT ON run_events
BEGIN
    INSERT INTO tenant_events (tenant_id, seq, run_id, run_seq)
    SELECT r.tenant_id,
           coalesce((SELECT e.seq FROM tenant_events AS e WHERE e.tenant_id = r.tenant_id ORDER BY e.seq DESC LIMIT 1), 0) + 1,
           NEW.run_id, NEW.seq
    FROM job_runs AS r WHERE r.id = NEW.run_id;
END;
