INSERT INTO credential (hash, kind, name, role, created_ns, expires_ns) VALUES (?, ?, ?, ?, ?, ?)
