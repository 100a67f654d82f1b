INSERT INTO message (id, hash, base, body)
SELECT id, hash, base, ?2 FROM fresh_message WHERE id = ?1
