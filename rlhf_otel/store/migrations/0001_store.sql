-- One row per call to a model, light and typed; what was said lives once in `message`, what repeats once in `shape`.
-- No foreign keys on purpose: feedback may come long before its span, or for a span that never comes.
-- Identifiers are BLOBs where they are hexadecimal, as they nearly always are: half the size in table and indexes.
PRAGMA application_id = 1919709044;  -- "rlot"

CREATE TABLE migration (
    name TEXT PRIMARY KEY,
    applied_at TEXT NOT NULL DEFAULT CURRENT_TIMESTAMP
) WITHOUT ROWID;

-- The parts of one message. A chat repeats its whole history in every call; here each message is kept once.
-- `base` is the message before it, when it was first said: its body is deflated against that and against what that
-- is based on. Hashes are indexed by their first bytes alone: enough to find them, at a third of the size.
CREATE TABLE message (
    id INTEGER PRIMARY KEY,
    hash BLOB NOT NULL,
    base INTEGER,
    body BLOB NOT NULL
);
CREATE INDEX message_hash ON message (substr(hash, 1, 5));

-- Everything else that repeats: message envelopes, system prompts, tool definitions, finish reasons, resources.
CREATE TABLE shape (
    id INTEGER PRIMARY KEY,
    hash BLOB NOT NULL UNIQUE,
    body BLOB NOT NULL
);

-- What thousands of interactions have in common.
CREATE TABLE setting (
    id INTEGER PRIMARY KEY,
    hash BLOB NOT NULL UNIQUE,
    name TEXT,                    -- NULL: operation and requested model, as the conventions have it
    operation TEXT,
    provider TEXT,
    request_model TEXT,
    response_model TEXT,
    variant TEXT,
    consent TEXT,
    status TEXT,
    error_type TEXT,
    stream_end TEXT,
    stream INTEGER,
    usage_estimated INTEGER,
    service TEXT,                 -- service.name of the resource, for filters
    resource INTEGER NOT NULL     -- shape.id
);

-- (trace_id, span_id) is unique: whoever adds holds the write lock and looks first.
CREATE TABLE interaction (
    id INTEGER PRIMARY KEY,
    trace_id BLOB NOT NULL,
    span_id BLOB NOT NULL,
    parent_span_id BLOB,
    start_ns INTEGER NOT NULL,
    end_ns INTEGER NOT NULL,
    setting INTEGER NOT NULL,
    response_id TEXT,
    response_hash INTEGER,
    session TEXT,
    session_hash INTEGER,
    user TEXT,
    anonymous_user TEXT,
    message_id TEXT,
    stream_chunks INTEGER,
    stream_max_gap_s REAL,
    time_to_first_chunk_s REAL,
    time_to_first_token_s REAL,
    time_to_first_reasoning_s REAL,
    input_tokens INTEGER,
    output_tokens INTEGER,
    cached_tokens INTEGER,
    cache_write_tokens INTEGER,
    reasoning_tokens INTEGER,
    retries INTEGER,
    content BLOB NOT NULL,        -- packed references into message and shape: see messages.py
    rest BLOB                     -- attributes, context and what fits no column: see rows.py
);
CREATE INDEX interaction_span ON interaction (span_id);
CREATE INDEX interaction_trace ON interaction (substr(trace_id, 1, 5));
-- In the order of pages; with the setting, a filter passes by the calls that it leaves out without reading their rows.
CREATE INDEX interaction_start ON interaction (start_ns, id, setting);
-- Ids of one maker may begin alike, end alike, or both, and be long: four bytes of a hash tell them apart at the least
-- cost. See encoding.py; every query compares the whole id as well.
CREATE INDEX interaction_session ON interaction (session_hash) WHERE session_hash IS NOT NULL;
CREATE INDEX interaction_response ON interaction (response_hash) WHERE response_hash IS NOT NULL;
CREATE INDEX interaction_message ON interaction (message_id) WHERE message_id IS NOT NULL;

CREATE TABLE span (
    id INTEGER PRIMARY KEY,
    trace_id BLOB NOT NULL,
    span_id BLOB NOT NULL,
    start_ns INTEGER NOT NULL,
    resource INTEGER NOT NULL,    -- shape.id
    body BLOB NOT NULL
);
CREATE UNIQUE INDEX span_identity ON span (trace_id, span_id);

-- Append only: what is current is worked out when it is read.
CREATE TABLE feedback (
    seq INTEGER PRIMARY KEY,
    id TEXT NOT NULL UNIQUE,
    time_ns INTEGER NOT NULL,
    kind TEXT NOT NULL,
    name TEXT NOT NULL,
    retracts TEXT,
    body BLOB NOT NULL
);
CREATE INDEX feedback_retracts ON feedback (retracts) WHERE retracts IS NOT NULL;

-- Every id by which a feedback may find its interaction; kind 0 span, 1 response, 2 message, 3 session.
CREATE TABLE feedback_target (
    kind INTEGER NOT NULL,
    key BLOB NOT NULL,
    hash INTEGER,                 -- of a response or session, as in `interaction`
    seq INTEGER NOT NULL,
    trace_id BLOB,
    PRIMARY KEY (kind, key, seq)
) WITHOUT ROWID;
CREATE INDEX feedback_target_of ON feedback_target (seq);

-- Feedback that finds no interaction by any of its ids. A retraction is about a feedback and waits for none.
CREATE VIEW pending_feedback AS
SELECT f.seq, f.time_ns, f.body
FROM feedback AS f
WHERE f.kind <> 'retraction' AND NOT EXISTS (
    SELECT 1
    FROM feedback_target AS t
    WHERE t.seq = f.seq AND (
        t.kind = 0 AND EXISTS (
            SELECT 1 FROM interaction AS i
            WHERE i.span_id = t.key AND (t.trace_id IS NULL OR i.trace_id IN (t.trace_id, x'', zeroblob(16)))
        )
        OR t.kind = 1 AND EXISTS (
            SELECT 1 FROM interaction AS i WHERE i.response_hash = t.hash AND i.response_id = t.key
        )
        OR t.kind = 2 AND EXISTS (SELECT 1 FROM interaction AS i WHERE i.message_id = t.key)
        OR t.kind = 3 AND EXISTS (
            SELECT 1 FROM interaction AS i WHERE i.session_hash = t.hash AND i.session = t.key
        )
    )
);

-- Every interaction on which feedback may count: those with a span that it names, and the one that each weaker id
-- stands for, chosen as in `interaction_of_key`. It may count on fewer: a stronger id wins, and feedback is retracted.
CREATE VIEW rated_interaction AS
SELECT i.id
FROM feedback_target AS t
CROSS JOIN interaction AS i ON i.span_id = t.key
WHERE t.kind = 0
UNION
SELECT coalesce((
    SELECT i.id FROM interaction AS i
    WHERE i.response_hash = t.hash AND i.response_id = t.key AND i.start_ns <= f.time_ns
    ORDER BY i.start_ns DESC, i.id DESC LIMIT 1
), (
    SELECT i.id FROM interaction AS i
    WHERE i.response_hash = t.hash AND i.response_id = t.key
    ORDER BY i.start_ns DESC, i.id DESC LIMIT 1
))
FROM feedback_target AS t
CROSS JOIN feedback AS f ON f.seq = t.seq
WHERE t.kind = 1
UNION
SELECT coalesce((
    SELECT i.id FROM interaction AS i
    WHERE i.message_id = t.key AND i.start_ns <= f.time_ns
    ORDER BY i.start_ns DESC, i.id DESC LIMIT 1
), (
    SELECT i.id FROM interaction AS i
    WHERE i.message_id = t.key
    ORDER BY i.start_ns DESC, i.id DESC LIMIT 1
))
FROM feedback_target AS t
CROSS JOIN feedback AS f ON f.seq = t.seq
WHERE t.kind = 2
UNION
SELECT coalesce((
    SELECT i.id FROM interaction AS i
    WHERE i.session_hash = t.hash AND i.session = t.key AND i.start_ns <= f.time_ns
    ORDER BY i.start_ns DESC, i.id DESC LIMIT 1
), (
    SELECT i.id FROM interaction AS i
    WHERE i.session_hash = t.hash AND i.session = t.key
    ORDER BY i.start_ns DESC, i.id DESC LIMIT 1
))
FROM feedback_target AS t
CROSS JOIN feedback AS f ON f.seq = t.seq
WHERE t.kind = 3;
