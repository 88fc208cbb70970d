-- The events of all runs of a tenant in one row. A statement that tells of runs leaves a note of it in its transaction; soon after, when that was
-- committed, its events are numbered under the lock of the tenant's head, so that none appears behind one that was read.

-- For each row of `run_events`, and for each new run, the run, the number of its last event in the run, and how many events it is.
CREATE TABLE event_notes (
    id          BIGSERIAL PRIMARY KEY,
    tenant_id   BIGINT NOT NULL,
    runs        BIGINT[] NOT NULL,
    lasts       BIGINT[] NOT NULL,
    counts      INT[] NOT NULL
) WITH (
    -- Rows live for less than a second: what they leave behind is cleared while it is small.
    autovacuum_vacuum_scale_factor = 0, autovacuum_vacuum_threshold = 5000, autovacuum_vacuum_cost_delay = 0,
    autovacuum_analyze_scale_factor = 0, autovacuum_analyze_threshold = 50000
);

-- A note with numbers: `seq` is that of its last event in the tenant.
CREATE TABLE tenant_events (
    tenant_id   BIGINT NOT NULL,
    seq         BIGINT NOT NULL,
    runs        BIGINT[] NOT NULL,
    lasts       BIGINT[] NOT NULL,
    counts      INT[] NOT NULL,
    PRIMARY KEY (tenant_id, seq)
);

-- The number that was given last.
CREATE TABLE event_heads (
    tenant_id   BIGINT PRIMARY KEY,
    last        BIGINT NOT NULL DEFAULT 0
) WITH (fillfactor = 50);

CREATE FUNCTION note_events() RETURNS trigger LANGUAGE plpgsql AS $note$
BEGIN
    INSERT INTO event_notes (tenant_id, runs, lasts, counts)
    SELECT t.tenant_id, array_agg(t.run_id ORDER BY t.run_id, t.seq), array_agg(t.seq ORDER BY t.run_id, t.seq),
           array_agg(CASE WHEN t.told IS NOT NULL THEN json_array_length(t.told::json)
                          WHEN t.begins IS NOT NULL THEN cardinality(t.tasks) + t.begins::int
                          ELSE 1 END ORDER BY t.run_id, t.seq)
    FROM told AS t
    GROUP BY t.tenant_id;
    RETURN NULL;
END
$note$;

CREATE FUNCTION note_runs() RETURNS trigger LANGUAGE plpgsql AS $note$
BEGIN
    INSERT INTO event_notes (tenant_id, runs, lasts, counts)
    SELECT r.tenant_id, array_agg(r.id ORDER BY r.id), array_agg(1::bigint), array_agg(1)
    FROM enqueued AS r
    GROUP BY r.tenant_id;
    RETURN NULL;
END
$note$;

-- Not found through whatever path a session has.
DO $path$
BEGIN
    EXECUTE format('ALTER FUNCTION note_events() SET search_path = %I, pg_temp', current_schema());
    EXECUTE format('ALTER FUNCTION note_runs() SET search_path = %I, pg_temp', current_schema());
END
$path$;

CREATE TRIGGER run_events_noted AFTER INSERT ON run_events
    REFERENCING NEW TABLE AS told FOR EACH STATEMENT EXECUTE FUNCTION note_events();
CREATE TRIGGER job_runs_noted AFTER INSERT ON job_runs
    REFERENCING NEW TABLE AS enqueued FOR EACH STATEMENT EXECUTE FUNCTION note_runs();

DO $walls$
DECLARE
    walled text;
BEGIN
    FOREACH walled IN ARRAY ARRAY['event_notes', 'tenant_events', 'event_heads']
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
