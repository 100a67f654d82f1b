-- The calls of a person, conversation or trace, or one call.
SELECT id, trace_id, span_id, response_id, message_id, session
FROM interaction
WHERE 1 = 1
    AND (user = :id OR anonymous_user = :id)                                          -- if user
    AND session_hash = :hash AND session = :id                                        -- if session
    AND substr(trace_id, 1, 5) IS substr(:id, 1, 5) AND trace_id = :id                -- if trace
    AND span_id = :id                                                                 -- if span
