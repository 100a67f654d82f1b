SELECT id, span_id FROM span WHERE trace_id = ?
