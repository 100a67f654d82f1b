-- Messages that have not been deflated yet: servers store in a hurry and deflate when there is time (settling.py).
-- A table of their own, which is emptied from its start: bodies that shrink in their place would leave pages half empty.
-- An id is in one of the two tables only.
CREATE TABLE fresh_message (
    id INTEGER PRIMARY KEY,
    hash BLOB NOT NULL,
    base INTEGER,
    body BLOB NOT NULL
);
CREATE INDEX fresh_message_hash ON fresh_message (substr(hash, 1, 5));
