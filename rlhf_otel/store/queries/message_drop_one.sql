DELETE FROM message WHERE id = ?
