DELETE FROM feedback WHERE seq = ? AND id = ?
