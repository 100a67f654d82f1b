INSERT INTO audit (time_ns, who, action, what) VALUES (?, ?, ?, ?)
