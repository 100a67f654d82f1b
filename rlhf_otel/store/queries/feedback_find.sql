SELECT body FROM feedback WHERE id = ?
