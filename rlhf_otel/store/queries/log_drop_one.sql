DELETE FROM log WHERE id = ? AND hash = ?
