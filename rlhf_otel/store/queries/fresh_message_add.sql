INSERT INTO fresh_message (id, hash, base, body) VALUES (?, ?, ?, ?)
