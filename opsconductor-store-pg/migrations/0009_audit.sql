-- The record of what was done. An entry is staged in the transaction of the change it tells of; soon after it is numbered, bound to the record before
-- it by that one's hash, and moved to `audit_log`. The old columns stay; `record_hash` is the SHA-256 of the record's canonical form.

ALTER TABLE audit_log
    ADD COLUMN seq      BIGINT,
    ADD COLUMN actor    TEXT,
    ADD COLUMN outcome  TEXT;

CREATE UNIQUE INDEX audit_log_seq ON audit_log (tenant_id, seq);
-- The numbers are in the same order.
DROP INDEX audit_log_by_tenant;

CREATE TABLE audit_staged (
    id          BIGSERIAL PRIMARY KEY,
    -- It has no key: the change that it tells of was made in the tenant.
    tenant_id   BIGINT NOT NULL,
    at          TIMESTAMPTZ NOT NULL,
    entry       TEXT NOT NULL
) WITH (
    -- Rows live for less than a second: what they leave behind is cleared while it is small.
    autovacuum_vacuum_scale_factor = 0, autovacuum_vacuum_threshold = 5000, autovacuum_vacuum_cost_delay = 0,
    autovacuum_analyze_scale_factor = 0, autovacuum_analyze_threshold = 50000
);

CREATE INDEX audit_staged_by_tenant ON audit_staged (tenant_id);

-- The two ends of each chain: what it begins after, and its last record. The row is the last lock of every transaction that takes it.
CREATE TABLE audit_heads (
    tenant_id   BIGINT PRIMARY KEY,
    begins      BIGINT NOT NULL DEFAULT 0,
    begins_hash BYTEA NOT NULL DEFAULT decode(repeat('00', 32), 'hex'),
    size        BIGINT NOT NULL DEFAULT 0,
    hash        BYTEA NOT NULL DEFAULT decode(repeat('00', 32), 'hex')
) WITH (fillfactor = 50);

-- What the chain was, signed.
CREATE TABLE audit_checkpoints (
    tenant_id   BIGINT NOT NULL,
    size        BIGINT NOT NULL,
    hash        BYTEA NOT NULL,
    note        TEXT NOT NULL,
    at          TIMESTAMPTZ NOT NULL,
    PRIMARY KEY (tenant_id, size)
);

-- The seed of the key that signs them: a sealed record.
CREATE TABLE audit_keys (
    tenant_id   BIGINT PRIMARY KEY,
    sealed      BYTEA NOT NULL
);

-- Chained records are never changed, and go only where a checkpoint stands for them. This keeps programs from mistakes; whoever owns the table can
-- lift it, and is found out by the chain.
CREATE FUNCTION audit_log_stays() RETURNS trigger LANGUAGE plpgsql AS $stays$
BEGIN
    IF TG_OP = 'DELETE' AND (OLD.seq IS NULL OR OLD.seq <= (SELECT h.begins FROM audit_heads AS h WHERE h.tenant_id = OLD.tenant_id)) THEN
        RETURN OLD;
    END IF;
    RAISE EXCEPTION 'audit records are never changed, and removed only where a checkpoint stands for them';
END
$stays$;

-- Not found through whatever path a session has.
DO $path$
BEGIN
    EXECUTE format('ALTER FUNCTION audit_log_stays() SET search_path = %I, pg_temp', current_schema());
END
$path$;

CREATE TRIGGER audit_log_stays BEFORE UPDATE OR DELETE ON audit_log FOR EACH ROW EXECUTE FUNCTION audit_log_stays();
CREATE TRIGGER audit_log_stays_whole BEFORE TRUNCATE ON audit_log FOR EACH STATEMENT EXECUTE FUNCTION audit_log_stays();

DO $walls$
DECLARE
    walled text;
BEGIN
    FOREACH walled IN ARRAY ARRAY['audit_staged', 'audit_heads', 'audit_checkpoints', 'audit_keys']
    LOOP
        EXECUTE format('ALTER TABLE %I ENABLE ROW LEVEL SECURITY, FORCE ROW LEVEL SECURITY', walled);
        EXECUTE format(
            'CREATE POLICY one_tenant ON %I USING (tenant_id = (SELECT nullif(current_setting(''opsconductor.tenant'', true), '''')::bigint))',
            walled);
        EXECUTE format(
            'CREATE POLICY all_tenants ON %I TO CURRENT_USER USING ((SELECT current_setting(''opsconductor.all_tenants'', true) = ''on''))',
            walled);
    END LOOP;
END
$walls$;
