SELECT id, base, body FROM fresh_message ORDER BY id LIMIT ?
