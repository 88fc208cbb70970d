-- Locks limits, by id: before any task and any run, so that nobody waits in a circle.
-- $2 is the moment.
SELECT l.id, l.running_max, l.rate_starts, l.rate_per, l.rate_burst, l.next_start, l.wake_at, l.paused_at IS NOT NULL,
       (extract(epoch FROM coalesce($2::timestamptz, clock_timestamp())) * 1000000)::bigint
FROM :schema.limits AS l
WHERE l.id = ANY ($1)
ORDER BY l.id
FOR UPDATE
