-- The limits that tasks are under, as arrays of what they belong to, each with how many of the tasks.
SELECT l.id, count(*)
FROM unnest($1::bigint[], $2::bigint[], $3::bigint[], $4::bigint[], $5::bigint[]) AS task (tenant_id, job_id, target_id, credential_id, run_id)
CROSS JOIN LATERAL (
    SELECT x.id FROM :schema.limits AS x WHERE x.tenant_id = task.tenant_id AND x.kind = 'tenant' AND x.ref = 0
    UNION ALL
    SELECT x.id FROM :schema.limits AS x WHERE x.tenant_id = task.tenant_id AND x.kind = 'job' AND x.ref = task.job_id
    UNION ALL
    SELECT x.id FROM :schema.limits AS x WHERE x.tenant_id = task.tenant_id AND x.kind = 'target' AND x.ref = task.target_id
    UNION ALL
    SELECT x.id FROM :schema.limits AS x WHERE x.tenant_id = task.tenant_id AND x.kind = 'credential' AND x.ref = task.credential_id
    UNION ALL
    SELECT x.id FROM :schema.limits AS x WHERE x.tenant_id = task.tenant_id AND x.kind = 'run' AND x.ref = task.run_id
) AS l
GROUP BY l.id
