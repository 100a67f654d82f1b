SELECT body FROM shape WHERE id = ?
