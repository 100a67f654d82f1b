INSERT INTO message (hash, base, body) VALUES (?, ?, ?)
