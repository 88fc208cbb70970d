-- What a task asks, or has asked, a person, and since when.
ALTER TABLE queue ADD COLUMN question TEXT;
ALTER TABLE queue ADD COLUMN asked_at INTEGER;
