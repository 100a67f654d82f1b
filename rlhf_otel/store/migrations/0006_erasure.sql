-- What was erased for good, so that nothing brings it back: neither a spool nor a queue that is read again, nor an
-- import. No id is in here: a `hash` is keyed, and finds who asks for the id that it was made of.
CREATE TABLE erasure (
    key BLOB NOT NULL,
    removals INTEGER NOT NULL     -- how often content was removed: numbers that are free come again
);
INSERT INTO erasure (key, removals) VALUES (randomblob(32), 0);

CREATE TABLE tombstone (
    id INTEGER PRIMARY KEY,
    kind TEXT NOT NULL,           -- user, session, trace or span
    hash BLOB NOT NULL,
    feedback_only INTEGER NOT NULL,
    laid_ns INTEGER NOT NULL,
    refused INTEGER NOT NULL DEFAULT 0
);

-- The ids that a tombstone is for: its own, and those of all that was removed for it. A person or a conversation may
-- come back: then only what began before the tombstone was laid is refused.
CREATE TABLE erased (
    hash BLOB NOT NULL,
    tombstone INTEGER NOT NULL,
    may_return INTEGER NOT NULL,
    PRIMARY KEY (hash, tombstone)
) WITHOUT ROWID;

-- Content that a removed record referred to, until it is known whether another does: an erasure that was killed goes on
-- from here. Kind 0 message, 1 shape, 2 setting.
CREATE TABLE orphan (
    kind INTEGER NOT NULL,
    number INTEGER NOT NULL,
    PRIMARY KEY (kind, number)
) WITHOUT ROWID;
