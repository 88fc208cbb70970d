-- Lets the first tasks that are parked at limits go on, so many of each. What someone else holds at this moment is being canceled.
WITH back AS MATERIALIZED (
    SELECT parked.task_id
    FROM unnest($1::bigint[], $2::bigint[]) AS lot (id, room)
    CROSS JOIN LATERAL (
        SELECT q.task_id
        FROM :schema.queue AS q
        WHERE q.parked_on = lot.id
        ORDER BY q.priority DESC, q.due_at, q.task_id
        LIMIT lot.room
        FOR UPDATE SKIP LOCKED
    ) AS parked
)
UPDATE :schema.queue AS q
SET parked_on = NULL
WHERE q.task_id = ANY (ARRAY(SELECT task_id FROM back))
