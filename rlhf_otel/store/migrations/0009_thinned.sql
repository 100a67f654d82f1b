-- Up to when calls that nobody had rated were let go of to make room: of what is older, rated calls alone are left.
CREATE TABLE thinned (before_ns INTEGER PRIMARY KEY) WITHOUT ROWID;
