-- Why nothing was enqueued: the first run with the key ($4), and what is there.
SELECT EXISTS (SELECT 1 FROM :schema.jobs AS j WHERE j.id = $2 AND j.tenant_id = $1),
       EXISTS (SELECT 1 FROM :schema.job_versions AS v WHERE v.job_id = $2 AND v.version = $3),
       $5::bigint IS NULL OR EXISTS (SELECT 1 FROM :schema.job_runs AS p WHERE p.id = $5 AND p.tenant_id = $1),
       EXISTS (SELECT 1 FROM :schema.jobs AS j WHERE j.id = $2 AND j.is_active AND j.version = $3),
       first.id,
       first.idempotency_digest
FROM (SELECT 1) AS one
LEFT JOIN :schema.job_runs AS first
    ON first.tenant_id = $1 AND first.job_id = $2 AND first.idempotency_key = $4
