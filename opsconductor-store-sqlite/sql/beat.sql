INSERT INTO workers (id, host, process, version, concurrency, running, draining, gone_after, started_at, seen_at)
VALUES (:id, :host, :process, :version, :concurrency, :running, :draining, :gone_after, :now, :now)
ON CONFLICT (id) DO UPDATE
SET host = excluded.host,
    process = excluded.process,
    version = excluded.version,
    concurrency = excluded.concurrency,
    running = excluded.running,
    draining = excluded.draining,
    gone_after = excluded.gone_after,
    seen_at = excluded.seen_at
