-- Of the interactions that share an id, the newest that had begun when the feedback was given, else the newest.
SELECT trace_id, span_id
FROM interaction
WHERE 1 = 1
    AND substr(response_id, -8) = substr(:key, -8) AND response_id = :key  -- if response
    AND message_id = :key   -- if message
    AND session = :key      -- if session
ORDER BY start_ns <= :time_ns DESC, start_ns DESC, id DESC
LIMIT 1
