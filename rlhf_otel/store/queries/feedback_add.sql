INSERT INTO feedback (seq, id, time_ns, kind, name, retracts, body) VALUES (?, ?, ?, ?, ?, ?, ?)
