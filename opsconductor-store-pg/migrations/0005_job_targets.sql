-- The targets that a job names, by name: while the job is active they stay, under these names. Two callers at once are kept apart by
-- the locks on the targets' rows.

ALTER TABLE jobs ADD COLUMN targets TEXT[] NOT NULL DEFAULT '{}';

-- What the jobs name that are there already. What a selector chooses is not named.
UPDATE jobs SET targets = ARRAY(
    SELECT DISTINCT named #>> '{}'
    FROM unnest(ARRAY['steps', 'onFailure', 'finally']) AS list,
        unnest(ARRAY['$[*].target', '$[*].targets[*]']::jsonpath[]) AS place,
        jsonb_path_query(definition -> list, place) AS named
    WHERE jsonb_typeof(named) = 'string');

CREATE INDEX jobs_by_target ON jobs USING gin (targets);
