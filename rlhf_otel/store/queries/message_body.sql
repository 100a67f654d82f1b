SELECT base, body FROM message WHERE id = ?1
UNION ALL
SELECT base, body FROM fresh_message WHERE id = ?1
