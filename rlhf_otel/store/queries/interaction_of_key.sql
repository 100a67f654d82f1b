-- Of the interactions that share an id, the newest that had begun when the feedback was given, else the newest.
-- The plus keeps SQLite from putting the constant in place of the column, which would hide the index.
SELECT trace_id, span_id
FROM interaction
WHERE 1 = 1
    AND response_id IS NOT NULL AND substr(response_id, -8) IS substr(:key, -8) AND +response_id = :key  -- if response
    AND message_id = :key   -- if message
    AND session IS NOT NULL AND substr(session, -8) IS substr(:key, -8) AND +session = :key  -- if session
ORDER BY start_ns <= :time_ns DESC, start_ns DESC, id DESC
LIMIT 1
