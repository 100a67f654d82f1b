INSERT INTO inbox (signal, size, body) VALUES (?, ?, ?)
