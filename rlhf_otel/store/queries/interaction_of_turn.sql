-- The answer in this place of a session, 0 for the first: calls that a chat model has answered, by their start.
SELECT i.*, s.*, i.id AS id
FROM interaction AS i
CROSS JOIN setting AS s ON s.id = i.setting
WHERE i.session_hash = :session_hash AND i.session = :session
    AND s.operation IN ('chat', 'text_completion', 'generate_content') AND s.status IS NOT 'error'
ORDER BY i.start_ns, i.id
LIMIT 1 OFFSET :turn
