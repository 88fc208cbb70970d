UPDATE queue
SET waits = waits - 1,
    state = CASE waits WHEN 1 THEN 'queued' ELSE 'waiting' END
WHERE run_id = ?1 AND idx = ?2 AND target_id IS ?3 AND state = 'waiting'
RETURNING state
