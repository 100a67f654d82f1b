SELECT body FROM message WHERE id = ?
