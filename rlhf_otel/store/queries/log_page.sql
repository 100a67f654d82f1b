-- Lines that end in "-- if NAME" stand only where NAME is given.
SELECT resource, content, body
FROM log
WHERE 1 = 1
    AND trace_id = :trace_id          -- if trace_id
    AND span_id = :span_id AND span_id <> x''  -- if span_id
    AND event_name = :event_name      -- if event_name
    AND time_ns >= :since_ns          -- if since_ns
ORDER BY time_ns DESC, id DESC
LIMIT :limit
