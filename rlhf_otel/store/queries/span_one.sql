SELECT resource, body FROM span WHERE id = ? AND span_id = ?
