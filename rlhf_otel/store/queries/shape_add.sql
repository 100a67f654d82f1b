INSERT INTO shape (hash, body) VALUES (?, ?)
