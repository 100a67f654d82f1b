-- Of the interactions that share an id, the newest that had begun when the feedback was given, else the newest.
SELECT trace_id, span_id
FROM interaction
WHERE 1 = 1
    AND response_hash = :hash AND response_id = :key  -- if response
    AND message_id = :key                             -- if message
    AND session_hash = :hash AND session = :key        -- if session
    AND substr(trace_id, 1, 5) IS substr(:key, 1, 5) AND trace_id = :key  -- if trace
ORDER BY start_ns <= :time_ns DESC, start_ns DESC, id DESC
LIMIT 1
