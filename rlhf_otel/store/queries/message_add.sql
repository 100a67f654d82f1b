INSERT INTO message (id, hash, base, body) VALUES (?, ?, ?, ?)
