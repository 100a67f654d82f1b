SELECT id FROM message WHERE hash = ?
