SELECT resource, body FROM span WHERE trace_id = ? ORDER BY start_ns, id
