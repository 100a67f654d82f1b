UPDATE message SET base = NULL, body = ? WHERE id = ?
