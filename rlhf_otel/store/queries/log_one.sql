SELECT resource, content, body FROM log WHERE id = ? AND hash = ?
