SELECT resource, body FROM metric_point WHERE id = ? AND hash = ?
