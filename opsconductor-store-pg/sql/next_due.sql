-- When the next task that is queued but not yet due will be, or a rate lets one go. $1: the moment.
WITH RECURSIVE priorities (priority) AS (
    (SELECT q.priority FROM :schema.queue AS q WHERE q.state = 'queued' AND q.parked_on IS NULL ORDER BY q.priority DESC LIMIT 1)
    UNION ALL
    SELECT (SELECT q.priority FROM :schema.queue AS q
            WHERE q.state = 'queued' AND q.parked_on IS NULL AND q.priority < p.priority ORDER BY q.priority DESC LIMIT 1)
    FROM priorities AS p
    WHERE p.priority IS NOT NULL
)
SELECT least(min(next.due_at), (SELECT timestamptz 'epoch' + min(l.wake_at) * interval '1 microsecond' FROM :schema.limits AS l
                                WHERE l.wake_at IS NOT NULL))
FROM priorities AS p
CROSS JOIN LATERAL (
    SELECT q.due_at
    FROM :schema.queue AS q
    WHERE q.state = 'queued' AND q.parked_on IS NULL AND q.priority = p.priority AND q.due_at > (SELECT coalesce($1::timestamptz, clock_timestamp()))
    ORDER BY q.due_at
    LIMIT 1
) AS next
