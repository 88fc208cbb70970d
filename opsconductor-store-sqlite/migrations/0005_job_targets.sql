-- The targets that a job names, by name: while the job is active they stay, under these names.

ALTER TABLE jobs ADD COLUMN targets TEXT NOT NULL DEFAULT '[]' CHECK (json_type(targets) = 'array');

-- What the jobs name that are there already. What a selector chooses is not named.
UPDATE jobs SET targets = (
    SELECT json_group_array(DISTINCT named.value)
    FROM json_each('["steps", "onFailure", "finally"]') AS list,
        json_each(jobs.definition, '$.' || list.value) AS step,
        json_each('["$.target", "$.targets"]') AS place,
        json_each(CASE step.type WHEN 'object' THEN step.value ELSE '{}' END, place.value) AS named
    -- A name that has a key in text is a member of a selector.
    WHERE named.type = 'text' AND typeof(named.key) <> 'text');
