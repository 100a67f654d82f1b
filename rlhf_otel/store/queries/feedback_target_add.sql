INSERT OR IGNORE INTO feedback_target (kind, key, trace_id, hash, seq, turn) VALUES (?, ?, ?, ?, ?, ?)
