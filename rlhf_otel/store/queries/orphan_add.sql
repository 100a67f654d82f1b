INSERT OR IGNORE INTO orphan (kind, number) VALUES (?, ?)
