INSERT INTO message (hash, body) VALUES (?, ?)
