SELECT base, body FROM message WHERE id = ?
