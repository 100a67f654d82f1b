SELECT body FROM pending_feedback ORDER BY time_ns, seq LIMIT :limit
