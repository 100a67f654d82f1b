-- Requests of OTLP as they came: on the disk, and so acknowledged, but not taken apart yet. A row is gone in the same
-- transaction in which what is in it is added to the other tables.
CREATE TABLE inbox (
    seq INTEGER PRIMARY KEY,
    signal TEXT NOT NULL,         -- traces, logs or metrics
    size INTEGER NOT NULL,        -- of body, which need not be read to know it
    aside INTEGER NOT NULL DEFAULT 0,  -- 1: it could not be added, and is kept until a version can
    body BLOB NOT NULL            -- one serialised request, or several one after the other, which is one again
);
