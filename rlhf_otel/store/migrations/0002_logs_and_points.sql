-- What else arrives over OTLP, so that nothing is acknowledged and then thrown away: log records and events that are no
-- feedback, and the data points of metrics. The hash is of the whole record: what arrives twice is kept once.
CREATE TABLE log (
    id INTEGER PRIMARY KEY,
    hash BLOB NOT NULL UNIQUE,
    trace_id BLOB NOT NULL,
    span_id BLOB NOT NULL,
    time_ns INTEGER NOT NULL,
    event_name TEXT NOT NULL,
    resource INTEGER NOT NULL,    -- shape.id
    content BLOB,                 -- of an event with a call's messages: packed as in interaction
    body BLOB NOT NULL
);
CREATE INDEX log_span ON log (span_id) WHERE span_id <> x'';
CREATE INDEX log_time ON log (time_ns);

CREATE TABLE metric_point (
    id INTEGER PRIMARY KEY,
    hash BLOB NOT NULL UNIQUE,
    name TEXT NOT NULL,
    time_ns INTEGER NOT NULL,
    resource INTEGER NOT NULL,    -- shape.id
    body BLOB NOT NULL
);
CREATE INDEX metric_point_name ON metric_point (name, time_ns);

-- What retention goes by; the other tables have such an index already.
CREATE INDEX metric_point_time ON metric_point (time_ns);
CREATE INDEX span_start ON span (start_ns);
