-- The newest interaction that goes by all the given ids.
SELECT i.*
FROM interaction AS i
WHERE 1 = 1
    AND i.span_id = :span_id          -- if span_id
    AND i.trace_id = :trace_id        -- if trace_id
    AND i.response_id = :response_id  -- if response_id
    AND i.message_id = :message_id    -- if message_id
    AND i.session = :session          -- if session
ORDER BY i.start_ns DESC, i.id DESC
LIMIT 1
