-- The secret parameters of runs, apart from the plain ones in `job_runs` and `run_plans`, which name them alone. `sealed` is a sealed record: nothing
-- can be read from it without the key. It is bound to the tenant, `id`, `name` and `version`; `id` was made for it, before the run had one.
CREATE TABLE run_secrets (
    run_id      INTEGER NOT NULL REFERENCES job_runs (id) ON DELETE CASCADE,
    name        TEXT NOT NULL,
    id          TEXT NOT NULL,
    version     INTEGER NOT NULL,
    sealed      BLOB NOT NULL,
    PRIMARY KEY (run_id, name)
) STRICT, WITHOUT ROWID;
