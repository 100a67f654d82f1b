-- What a person said of a whole conversation, or of all that is theirs: an event in `log`, found by whom it is about.
-- No id is in here, only the keyed hash that tombstones have of it. Retention leaves these events alone.
CREATE TABLE consent (
    hash BLOB NOT NULL,
    time_ns INTEGER NOT NULL,
    log INTEGER NOT NULL,
    consent TEXT NOT NULL,
    PRIMARY KEY (hash, time_ns, log)
) WITHOUT ROWID;
CREATE INDEX consent_log ON consent (log);

CREATE TRIGGER consent_drop AFTER DELETE ON log WHEN old.event_name = 'rlhf.consent'
BEGIN
    DELETE FROM consent WHERE log = old.id;
END;
