-- The calls of a trace or conversation, whoever made them; `is_anybodys`: it names nobody.
SELECT id, trace_id, span_id, response_id, message_id, session, user IS NULL AS is_anybodys
FROM interaction
WHERE 1 = 1
    AND session_hash = :hash AND session = :id                                        -- if session
    AND substr(trace_id, 1, 5) IS substr(:id, 1, 5) AND trace_id = :id                -- if trace
