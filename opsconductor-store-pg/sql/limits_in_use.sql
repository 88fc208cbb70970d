-- How many tasks run under limits that this transaction has locked, and whether some are parked there. A statement of its own, after the lock: it
-- sees what those committed who had the lock before.
SELECT l.id,
       CASE l.kind
           WHEN 'tenant' THEN (SELECT count(*) FROM :schema.queue AS q WHERE q.limited AND q.tenant_id = l.tenant_id)
           WHEN 'job' THEN (SELECT count(*) FROM :schema.queue AS q WHERE q.limited AND q.job_id = l.ref)
           WHEN 'target' THEN (SELECT count(*) FROM :schema.queue AS q WHERE q.limited AND q.target_id = l.ref)
           WHEN 'run' THEN (SELECT count(*) FROM :schema.queue AS q WHERE q.limited AND q.run_id = l.ref)
           ELSE (SELECT count(*) FROM :schema.queue AS q WHERE q.limited AND q.credential_id = l.ref)
       END,
       EXISTS (SELECT 1 FROM :schema.queue AS q WHERE q.parked_on = l.id)
FROM :schema.limits AS l
WHERE l.id = ANY ($1)
