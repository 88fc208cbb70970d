-- What a task asks, or has asked, a person, and since when.
ALTER TABLE queue
    ADD COLUMN question TEXT,
    ADD COLUMN asked_at TIMESTAMPTZ;
