-- The secret parameters of runs, apart from the plain ones in `job_runs` and `run_plans`, which name them alone. `sealed` is a sealed record: nothing
-- can be read from it without the key. It is bound to the tenant, `id`, `name` and `version`; `id` was made for it, before the run had one. Rows go
-- with their runs.
CREATE TABLE run_secrets (
    run_id      BIGINT NOT NULL,
    name        TEXT NOT NULL,
    tenant_id   BIGINT NOT NULL,
    id          TEXT NOT NULL,
    version     INT NOT NULL,
    sealed      BYTEA NOT NULL,
    PRIMARY KEY (run_id, name)
);

ALTER TABLE run_secrets ENABLE ROW LEVEL SECURITY, FORCE ROW LEVEL SECURITY;
CREATE POLICY one_tenant ON run_secrets USING (tenant_id = (SELECT nullif(current_setting('opsconductor.tenant', true), '')::bigint));
CREATE POLICY all_tenants ON run_secrets TO CURRENT_USER USING ((SELECT current_setting('opsconductor.all_tenants', true) = 'on'));
