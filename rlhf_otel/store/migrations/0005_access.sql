-- Who did what: reads of raw content, exports, erasures, logins, changes of tokens. Append only, and never content.
CREATE TABLE audit (
    id INTEGER PRIMARY KEY,
    time_ns INTEGER NOT NULL,
    who TEXT NOT NULL,
    action TEXT NOT NULL,
    what TEXT NOT NULL            -- JSON
);

-- By what somebody comes in to `rlhf-otel serve`: a named token, the code of a login URL, a session of a browser. The
-- secret itself is nowhere: it is long and random, so its plain hash tells nothing.
CREATE TABLE credential (
    hash BLOB PRIMARY KEY,
    kind TEXT NOT NULL,           -- token, login or session
    name TEXT NOT NULL,
    role TEXT NOT NULL,
    created_ns INTEGER NOT NULL,
    expires_ns INTEGER            -- NULL: it holds until it is revoked
) WITHOUT ROWID;
CREATE UNIQUE INDEX credential_token ON credential (name) WHERE kind = 'token';
