-- The newest interaction that goes by all the given ids.
SELECT i.*, s.*, i.id AS id
FROM interaction AS i
CROSS JOIN setting AS s ON s.id = i.setting
WHERE 1 = 1
    AND i.span_id = :span_id          -- if span_id
    AND i.trace_id = :trace_id        -- if trace_id
    AND i.response_hash = :response_hash AND i.response_id = :response_id  -- if response_id
    AND i.message_id = :message_id    -- if message_id
    AND i.session_hash = :session_hash AND i.session = :session              -- if session
ORDER BY i.start_ns DESC, i.id DESC
LIMIT 1
